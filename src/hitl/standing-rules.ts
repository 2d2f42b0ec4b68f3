import { z } from 'zod';
import type { JsonObject } from '../lib/json.ts';
import { canonicalJson } from '../lib/json.ts';
import { jsonSchema } from '../stream/message.ts';
import { matchesGlob } from './glob.ts';

/** A person's word for next time: this tool may run without asking. */
export const standingRuleSchema = z.object({
  ruleId: z.string(),
  /** Anchored glob over tool names. */
  tool: z.string(),
  /** Arguments that must have exactly these values; {}: any. */
  conditions: z.record(z.string(), jsonSchema),
  /** Null: in every conversation. */
  conversationId: z.string().nullable(),
  agentId: z.string(),
  createdAt: z.string(),
  /** The decision that made it. */
  actionId: z.string(),
});
export type StandingRule = z.infer<typeof standingRuleSchema>;

export interface RuledCall {
  name: string;
  args: JsonObject;
  agentId: string;
  conversationId: string;
}

export function covers(rule: StandingRule, call: RuledCall): boolean {
  if (rule.agentId !== call.agentId || !matchesGlob(rule.tool, call.name)) return false;
  if (rule.conversationId !== null && rule.conversationId !== call.conversationId) return false;
  return Object.entries(rule.conditions).every(
    ([key, value]) => key in call.args && canonicalJson(call.args[key]) === canonicalJson(value),
  );
}
