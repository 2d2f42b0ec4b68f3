import { z } from 'zod';
import { runPolicySchema } from '../hitl/tool-policy.ts';
import { jsonObjectSchema, jsonSchema } from '../stream/message.ts';

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
  timezone: z.string().nullable(),
  files: z.array(jsonSchema),
  metadata: jsonObjectSchema,
});
export type RunSpec = z.infer<typeof runSpecSchema>;
