import { z } from 'zod';
import { runPolicySchema, toolPolicySchema } from '../hitl/tool-policy.ts';
import { jsonObjectSchema } from '../stream/message.ts';

/** A file of the user's that a turn came with. Its bytes are in the `FileStore`, under an id that is never reused. */
export const fileRefSchema = z.object({
  fileId: z.string(),
  name: z.string(),
  /** As found by its bytes, e.g. `image/png`. */
  mediaType: z.string(),
  /** Bytes. */
  size: z.number().int().nonnegative(),
});
export type FileRef = z.infer<typeof fileRefSchema>;

/** Why the turn has this agent. */
export const routeSchema = z.object({
  /** The client named it; it answered before; a rule, a model's choice, or nothing at all spoke for it. */
  by: z.enum(['client', 'conversation', 'rule', 'model', 'default']),
  /** Name of the rule. */
  rule: z.string().optional(),
});
export type Route = z.infer<typeof routeSchema>;

/**
 * Everything that shapes a run, frozen when the generation is submitted and read back at every resume or
 * recovery (ARCHITECTURE.md decision 9). Nothing of it comes from a later request.
 */
export const runSpecSchema = z.object({
  agentId: z.string(),
  /** `demo`, or `provider:model`. */
  model: z.string(),
  /** Hash of the agent's definition when it was frozen. */
  fingerprint: z.string(),
  parameters: jsonObjectSchema,
  maxSteps: z.number().int().positive(),
  /** Which tool calls wait for a person. */
  policy: runPolicySchema,
  /** Agents that the answer can be handed to, with their own policies; absent: none. */
  handOffs: z.array(z.object({ agentId: z.string(), policy: toolPolicySchema })).exactOptional(),
  timezone: z.string().nullable(),
  /** ISO time at which the conversation began: what instructions say of the date stays the same in all its turns. */
  anchor: z.string(),
  route: routeSchema,
  files: z.array(fileRefSchema),
  metadata: jsonObjectSchema,
});
export type RunSpec = z.infer<typeof runSpecSchema>;
