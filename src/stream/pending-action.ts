import { z } from 'zod';
import { jsonObjectSchema, jsonSchema, pathSchema } from './message.ts';

/** What a paused generation waits for (docs/PROTOCOL.md section 4). */

export const DECISIONS = ['approve', 'edit', 'reject', 'respond', 'retry', 'done', 'skip'] as const;
export const decisionKindSchema = z.enum(DECISIONS);
export type DecisionKind = z.infer<typeof decisionKindSchema>;

export const approvalRequestSchema = z.object({
  toolCallId: z.string(),
  name: z.string(),
  args: jsonObjectSchema,
  /** sha256 of the canonical JSON of `args`. */
  argsHash: z.string(),
  description: z.string().optional(),
  argsSchema: jsonObjectSchema.optional(),
  allowedDecisions: z.array(decisionKindSchema),
  /** A standing rule may be made of the approval. */
  mayRemember: z.boolean().optional(),
  /** Clients should not preselect yes. */
  defaultToNo: z.boolean().optional(),
});
export type ApprovalRequest = z.infer<typeof approvalRequestSchema>;

export const questionSchema = z.object({
  id: z.string(),
  question: z.string(),
  header: z.string().optional(),
  options: z
    .array(
      z.object({
        label: z.string(),
        value: z.string().optional(),
        description: z.string().optional(),
      }),
    )
    .optional(),
  multiSelect: z.boolean().optional(),
  /** False: only the options may be answered. */
  freeText: z.boolean().optional(),
});

const actionBase = {
  /** Ours: LangGraph's interrupt id repeats within one node. */
  actionId: z.string(),
  /** Rises with every pause of a generation, from 1. */
  revision: z.number().int().positive(),
  generationId: z.string(),
  conversationId: z.string(),
  createdAt: z.string(),
  /** ISO time after which it expires; null where the agent's policy is never. */
  expiresAt: z.string().nullable(),
  /** Who asks, where the turn was handed to it; else the agent that the turn was asked of. */
  agentId: z.string().optional(),
};

export const pendingActionSchema = z.discriminatedUnion('kind', [
  z.object({
    ...actionBase,
    kind: z.literal('tool_approval'),
    requests: z.array(approvalRequestSchema).min(1),
  }),
  z.object({
    ...actionBase,
    kind: z.literal('ask_user_question'),
    questions: z.array(questionSchema).min(1).max(4),
  }),
  z.object({
    ...actionBase,
    kind: z.literal('recovery'),
    requests: z.array(approvalRequestSchema).min(1),
  }),
  /** What a graph asks in a form of its own: the value it gave to LangGraph's `interrupt`. */
  z.object({
    ...actionBase,
    kind: z.literal('custom'),
    value: jsonSchema,
    /** JSON Schema of the response; any JSON where not given. */
    responseSchema: jsonObjectSchema.optional(),
    /** Of the sub-agent that asks. */
    path: pathSchema.optional(),
  }),
]);
export type PendingAction = z.infer<typeof pendingActionSchema>;

export const decisionSchema = z.object({
  toolCallId: z.string(),
  decision: decisionKindSchema,
  editedArgs: jsonObjectSchema.optional(),
  responseText: z.string().optional(),
  reason: z.string().optional(),
  scope: z.enum(['once', 'conversation', 'always']).optional(),
});
export type Decision = z.infer<typeof decisionSchema>;

export const answersSchema = z.record(z.string(), z.union([z.string(), z.array(z.string())]));
export type Answers = z.infer<typeof answersSchema>;

/** What a person said: decisions on calls, answers to questions, or the response to what a graph asks in its own form. */
export const verdictSchema = z.union([
  z.object({ decisions: z.array(decisionSchema) }),
  z.object({ answers: answersSchema }),
  z.object({ response: jsonSchema }),
]);
export type Verdict = z.infer<typeof verdictSchema>;

export const ACTION_OUTCOMES = ['decided', 'expired', 'superseded', 'aborted'] as const;
export const actionOutcomeSchema = z.enum(ACTION_OUTCOMES);

/** Where a request came from. */
export const clientSchema = z.object({ address: z.string(), userAgent: z.string() });
export type Client = z.infer<typeof clientSchema>;

/** How a pending action ended; kept with the job for good, so that every loser learns who won. */
export const resolutionSchema = z.object({
  actionId: z.string(),
  outcome: actionOutcomeSchema,
  verdict: verdictSchema.nullable(),
  /** Hash of the verdict, order of decisions ignored: the identical repeat is recognised by it. */
  verdictHash: z.string().nullable(),
  decidedBy: z.string().nullable(),
  decidedAt: z.string(),
  /** Whence it was decided, for the audit trail. */
  client: clientSchema.optional(),
});
export type Resolution = z.infer<typeof resolutionSchema>;
