import { approversOf, ruling, type RunPolicy, type ToolPolicy } from '../../hitl/tool-policy.ts';
import { handOffToolName, subAgentToolName } from './agent-references.ts';
import type { FileFault, Path } from './fault.ts';
import type { AgentEntry, ConfigFile } from './schema.ts';
import { hint } from './suggest.ts';
import type { Surroundings } from './surroundings.ts';
import { mcpPattern } from './vocabulary.ts';

/** Policies that would not do what they say. */

const LISTS = ['allow', 'deny', 'ask', 'suppressAlwaysAllow', 'defaultToNo'] as const;
const ASK_USER = 'ask_user';

/** The agent's policy with its `approvers`. */
export function policyOf({ toolApproval, approvers }: AgentEntry): ToolPolicy {
  return { ...toolApproval, approvers: [...toolApproval.approvers, ...approvers] };
}

/** What a policy is about: names of tools, and servers whose tools nobody knows yet. */
interface Scope {
  names: Set<string>;
  servers: Set<string>;
}

/** The agent and those below it, each once; these return to it and hand over to nobody. */
function family(agent: AgentEntry, { agents }: ConfigFile): AgentEntry[] {
  const found = new Set([agent]);
  for (const each of found) {
    for (const sub of each.subagents) {
      const other = agents.find(({ id }) => id === sub.agent);
      if (other) found.add(other);
    }
  }
  return [...found].map((each) => (each === agent ? each : { ...each, handoffs: [] }));
}

function scopeOf(agents: readonly AgentEntry[]): Scope {
  const tools = agents.flatMap((agent) => agent.tools);
  const subs = agents.flatMap((agent) => agent.subagents.map(subAgentToolName));
  const others = agents.flatMap((agent) => agent.handoffs.map(handOffToolName));
  const servers = tools.flatMap((tool) => mcpPattern(tool)?.server ?? []);
  return { names: new Set([...tools, ...subs, ...others]), servers: new Set(servers) };
}

function patternFault(pattern: string, { names, servers }: Scope): string | undefined {
  const server = mcpPattern(pattern)?.server;
  if (server !== undefined) {
    if (servers.has(server) || server.includes('*')) return undefined;
    return `no tool of the MCP server '${server}' is used${hint(server, servers, 'servers')}`;
  }
  // Which tools a server has is known when it is asked; a glob may be meant for tools to come.
  if (pattern.includes('*') || pattern.startsWith('mcp__') || names.has(pattern)) return undefined;
  return `no tool '${pattern}' is used${hint(pattern, names, 'tools')}`;
}

function patternFaults(policy: ToolPolicy, at: Path, scope: Scope): FileFault[] {
  const listed = LISTS.flatMap((list) =>
    policy[list].map((pattern, index) => ({ pattern, path: [...at, list, index] })),
  );
  const decided = policy.allowedDecisions.map(({ tools }, index) => {
    return { pattern: tools, path: [...at, 'allowedDecisions', index, 'tools'] };
  });
  return [...listed, ...decided].flatMap(({ pattern, path }) => {
    const text = patternFault(pattern, scope);
    return text === undefined ? [] : [{ path, text }];
  });
}

/** Patterns of one list that stand in another one, which is looked at before. */
function shadowed(
  policy: ToolPolicy,
  list: 'ask' | 'allow',
  first: readonly ('deny' | 'allow')[],
): FileFault[] {
  return policy[list].flatMap((pattern, index) => {
    const other = first.find((each) => policy[each].includes(pattern));
    if (other === undefined) return [];
    const text = `'${pattern}' stands in ${other} too, which comes first`;
    return [{ path: [list, index], text }];
  });
}

function contradictions(policy: ToolPolicy, at: Path): FileFault[] {
  const faults = [
    ...shadowed(policy, 'ask', ['deny', 'allow']),
    ...shadowed(policy, 'allow', ['deny']),
  ];
  const off = policy.mode === 'bypass' ? 'mode: bypass' : policy.enabled ? '' : 'enabled: false';
  if (policy.ask.length > 0 && off !== '') {
    faults.push({ path: ['ask'], text: `has no effect with ${off}` });
  }
  if (policy.onExpiry === 'never' && policy.ttlMs !== undefined) {
    faults.push({ path: ['ttlMs'], text: 'has no effect with onExpiry: never' });
  }
  return faults.map(({ path, text }) => ({ path: [...at, ...path], text }));
}

/** Whether a run of these agents can come to wait for a person: for an approval, an answer, or after a crash. */
function canWait(agents: readonly AgentEntry[], policy: RunPolicy, world: Surroundings): boolean {
  const isAsked = (name: string): boolean => {
    if (name === ASK_USER || mcpPattern(name) !== undefined) return true;
    const tool = world.tools.find((known) => known.name === name);
    return tool !== undefined && (tool.effects === 'unsafe' || ruling(policy, tool) === 'ask');
  };
  const handsOverAsking = (to: string): boolean =>
    ruling(policy, { name: handOffToolName(to), effects: 'read' }) === 'ask';
  return agents.some(
    ({ tools, handoffs }) => tools.some(isAsked) || handoffs.some(handsOverAsking),
  );
}

export function policyFaults(file: ConfigFile, world: Surroundings): FileFault[] {
  const service = file.policy ?? world.policy;
  const faults: FileFault[] = [];
  if (file.policy) {
    // Agents given in code have tools that are not known here, so what the service says of names is not checked there.
    const scope = scopeOf(file.agents);
    if (world.agents.length === 0) faults.push(...patternFaults(file.policy, ['policy'], scope));
    faults.push(...contradictions(file.policy, ['policy']));
  }
  for (const [index, agent] of file.agents.entries()) {
    const at = ['agents', index];
    const all = family(agent, file);
    const policy = { service, agent: policyOf(agent) };
    faults.push(...patternFaults(agent.toolApproval, [...at, 'toolApproval'], scopeOf(all)));
    faults.push(...contradictions(agent.toolApproval, [...at, 'toolApproval']));
    faults.push(...approverFaults(agent, at, canWait(all, policy, world)));
    const { roles, fourEyes } = approversOf(policy);
    if (fourEyes && roles.length === 0) {
      const text =
        'nobody could decide: fourEyes keeps the user from it, and there are no approvers';
      faults.push({ path: [...at, 'toolApproval', 'fourEyes'], text });
    }
  }
  return faults;
}

function approverFaults(agent: AgentEntry, at: Path, waits: boolean): FileFault[] {
  if (waits) return [];
  const own = agent.approvers.length > 0 ? ['approvers'] : ['toolApproval', 'approvers'];
  if (policyOf(agent).approvers.length === 0) return [];
  const text = 'there is nothing to decide: no tool of this agent ever waits for a person';
  return [{ path: [...at, ...own], text }];
}
