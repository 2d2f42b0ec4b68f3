import { z } from 'zod';
import type { ToolEffects } from '../agent/agent-runner.ts';
import { matchesAny, matchesGlob } from './glob.ts';

/** Which tool calls run, which wait for a person, and which never run (docs/APPROVALS.md section 3). */

const patterns = z.array(z.string().min(1).max(200)).max(1_000);
const approvalDecision = z.enum(['approve', 'edit', 'reject', 'respond']);
export type ApprovalDecision = z.infer<typeof approvalDecision>;

export const toolPolicySchema = z.strictObject({
  enabled: z.boolean().default(true),
  mode: z.enum(['default', 'dontAsk', 'bypass']).default('default'),
  allow: patterns.default([]),
  deny: patterns.default([]),
  ask: patterns.default([]),
  /** Told to the model when a call is denied, and to the person as the action's description. */
  reason: z.string().max(1_000).optional(),
  /** By pattern; the first that matches holds. Without one: all four. */
  allowedDecisions: z
    .array(z.strictObject({ tools: z.string(), decisions: z.array(approvalDecision).min(1) }))
    .default([]),
  /** `role:<name>`: besides the owner these may decide, in the same tenant. */
  approvers: z.array(z.string().regex(/^role:.+$/)).default([]),
  /** The one whose turn it is may not decide. */
  fourEyes: z.boolean().default(false),
  /** No standing rule can be made for these. */
  suppressAlwaysAllow: patterns.default([]),
  /** Clients should not preselect yes for these. */
  defaultToNo: patterns.default([]),
  /** A paused run goes on although its agent was changed meanwhile. */
  allowChangedAgent: z.boolean().default(false),
  onExpiry: z.enum(['fail', 'reject', 'never']).default('fail'),
  /** Milliseconds; the service's `APPROVAL_TTL` where absent. */
  ttlMs: z.number().int().positive().optional(),
});
export type ToolPolicy = z.infer<typeof toolPolicySchema>;

/** The two policies of a run, frozen with it. */
export const runPolicySchema = z.object({ service: toolPolicySchema, agent: toolPolicySchema });
export type RunPolicy = z.infer<typeof runPolicySchema>;

export const OPEN_POLICY: ToolPolicy = toolPolicySchema.parse({});

export type Ruling = 'run' | 'ask' | 'deny';

const STRICTNESS: Record<Ruling, number> = { run: 0, ask: 1, deny: 2 };

/** What one policy says of a tool; undefined: nothing. */
export function ruleOf(policy: ToolPolicy, name: string): Ruling | undefined {
  if (matchesAny(policy.deny, name)) return 'deny';
  if (!policy.enabled) return undefined;
  if (policy.mode === 'bypass' || matchesAny(policy.allow, name)) return 'run';
  if (matchesAny(policy.ask, name)) return policy.mode === 'dontAsk' ? 'deny' : 'ask';
  return undefined;
}

/** The stricter of both holds. Where neither says anything, only a tool that can do harm is asked for. */
export function ruling(
  { service, agent }: RunPolicy,
  tool: { name: string; effects: ToolEffects },
): Ruling {
  const said = [ruleOf(service, tool.name), ruleOf(agent, tool.name)].filter(
    (it) => it !== undefined,
  );
  const [first, ...others] = said;
  if (first !== undefined) {
    return others.reduce((a, b) => (STRICTNESS[b] > STRICTNESS[a] ? b : a), first);
  }
  if (tool.effects !== 'unsafe' || !(service.enabled && agent.enabled)) return 'run';
  return service.mode === 'dontAsk' || agent.mode === 'dontAsk' ? 'deny' : 'ask';
}

const ALL: readonly ApprovalDecision[] = ['approve', 'edit', 'reject', 'respond'];

/** What a person may answer for this tool: what both policies allow. A call can always be rejected. */
export function allowedDecisions({ service, agent }: RunPolicy, name: string): ApprovalDecision[] {
  const allowed = [service, agent].map(
    (policy) =>
      policy.allowedDecisions.find(({ tools }) => matchesGlob(tools, name))?.decisions ?? ALL,
  );
  return ALL.filter(
    (decision) => decision === 'reject' || allowed.every((it) => it.includes(decision)),
  );
}

export function mayRemember({ service, agent }: RunPolicy, name: string): boolean {
  return ![service, agent].some((policy) => matchesAny(policy.suppressAlwaysAllow, name));
}

export function defaultsToNo({ service, agent }: RunPolicy, name: string): boolean {
  return [service, agent].some((policy) => matchesAny(policy.defaultToNo, name));
}

/** Who besides the owner may decide, by role; and whether the owner may. */
export function approversOf({ service, agent }: RunPolicy): { roles: string[]; fourEyes: boolean } {
  const roles = [...service.approvers, ...agent.approvers].map((it) => it.slice('role:'.length));
  return { roles: [...new Set(roles)], fourEyes: service.fourEyes || agent.fourEyes };
}

/** The reason of whichever policy gave the ruling. */
export function reasonFor({ service, agent }: RunPolicy, name: string): string | undefined {
  return [service, agent].find((policy) => ruleOf(policy, name) !== undefined)?.reason;
}
