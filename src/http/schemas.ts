import { z } from 'zod';
import {
  conversationSchema,
  jsonObjectSchema,
  jsonSchema,
  messageSchema,
} from '../stream/message.ts';
import { generationStatusSchema, streamStateSchema } from '../stream/events.ts';
import { AUDIT_EVENTS } from '../hitl/approval-store.ts';
import { standingRuleSchema } from '../hitl/standing-rules.ts';
import {
  ACTION_OUTCOMES,
  clientSchema,
  decisionSchema,
  pendingActionSchema,
} from '../stream/pending-action.ts';
import type { Json } from '../lib/json.ts';
import type { Answers, Decision, Verdict } from '../stream/pending-action.ts';
import type { ResumeRequest, Target } from '../stream/generations.ts';

/** Bodies, queries and answers of the HTTP API (docs/PROTOCOL.md). Requests are strict. */

export const ID_PATTERN = /^[A-Za-z0-9_.:-]{1,128}$/;
const id = z.string().regex(ID_PATTERN, 'must be 1 to 128 of A-Z a-z 0-9 _ . : -');

/** An IANA zone that this runtime knows; plain offsets are none. */
export function isTimezone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    // RangeError: no such zone.
    return false;
  }
}

const BUSY_POLICIES = ['reject', 'enqueue', 'interrupt'] as const;
const timezone = z
  .string()
  .refine(isTimezone, 'must be an IANA time zone')
  .meta({ example: 'Europe/Berlin' })
  .exactOptional();

export function chatSchema(limits: { textChars: number }) {
  return z.strictObject({
    text: z
      .string()
      .max(limits.textChars)
      .refine((text) => text.trim() !== '', 'must not be empty')
      .meta({ description: 'What the user says.', example: 'say 5 200' }),
    conversationId: id.meta({ description: 'Omitted: a new conversation.' }).exactOptional(),
    messageId: id
      .meta({ description: 'Made by the client; also makes the call idempotent.' })
      .exactOptional(),
    parentMessageId: id
      .nullable()
      .meta({ description: 'Null: beside the first turn. Omitted: after the newest answer.' })
      .exactOptional(),
    agentId: id.exactOptional(),
    onBusy: z.enum([...BUSY_POLICIES, 'steer']).default('reject'),
    temporary: z.boolean().default(false),
    timezone,
    files: z
      .array(z.strictObject({ fileId: id }))
      .max(100)
      .default([])
      .meta({ description: 'Uploaded before (section 11).' }),
    metadata: jsonObjectSchema.default({}),
  });
}
export type ChatBody = z.infer<ReturnType<typeof chatSchema>>;

export const againSchema = z.strictObject({
  conversationId: id,
  messageId: id.meta({ description: 'The answer; to make it again also the user’s message.' }),
  agentId: id.exactOptional(),
  onBusy: z.enum(BUSY_POLICIES).default('reject'),
  timezone,
  metadata: jsonObjectSchema.default({}),
});
export type AgainBody = z.infer<typeof againSchema>;

export const forkSchema = z.strictObject({
  messageId: id.meta({ description: 'The last message that is copied.' }),
});

export const startedSchema = z.object({
  generationId: z.string(),
  streamId: z.string(),
  conversationId: z.string(),
  messageId: z.string(),
  responseMessageId: z.string(),
  status: z.enum(['started', 'queued', 'attached', 'steered']),
});

const target = { generationId: id.exactOptional(), conversationId: id.exactOptional() };

/** The one id that is given. Both or none is an issue. */
function oneTarget(
  body: { generationId?: string; conversationId?: string },
  ctx: z.RefinementCtx,
): Target {
  const { generationId, conversationId } = body;
  if (generationId !== undefined && conversationId === undefined) return { generationId };
  if (conversationId !== undefined && generationId === undefined) return { conversationId };
  ctx.addIssue({
    code: 'custom',
    message: 'needs exactly one of generationId and conversationId',
  });
  return z.NEVER;
}

export const abortSchema = z
  .strictObject(target)
  .meta({ examples: [{ generationId: 'gen_1' }, { conversationId: 'conv_1' }] })
  .transform(oneTarget);

export const abortedSchema = z.object({
  generationId: z.string().nullable(),
  status: generationStatusSchema.nullable(),
  alreadyFinished: z.boolean(),
});

interface Said {
  decisions?: Decision[];
  answers?: Answers;
  answer?: string;
  response?: Json;
}

/** The one form of a verdict that is given. */
function oneVerdict(body: Said, ctx: z.RefinementCtx): Verdict | { answer: string } {
  const { decisions, answers, answer, response } = body;
  const forms = [
    ...(decisions === undefined ? [] : [{ decisions }]),
    ...(answers === undefined ? [] : [{ answers }]),
    ...(answer === undefined ? [] : [{ answer }]),
    ...(response === undefined ? [] : [{ response }]),
  ];
  const [form] = forms;
  if (form !== undefined && forms.length === 1) return form;
  ctx.addIssue({
    code: 'custom',
    message: 'needs exactly one of decisions, answers, answer and response',
  });
  return z.NEVER;
}

const words = z.string().max(10_000);
const givenDecisionSchema = decisionSchema
  .extend({ responseText: words.optional(), reason: words.optional() })
  .strict();
const givenAnswersSchema = z.record(z.string(), z.union([words, z.array(words)]));

const RESUME_EXAMPLES = [
  {
    generationId: 'gen_1',
    actionId: 'act_1',
    decisions: [
      { toolCallId: 'call_1', decision: 'edit', editedArgs: { to: 'ann@example.com' } },
      { toolCallId: 'call_2', decision: 'reject', reason: 'Not today.' },
    ],
  },
  { conversationId: 'conv_1', actionId: 'act_1', answers: { colour: 'green' } },
  { generationId: 'gen_1', actionId: 'act_1', response: { approved: true } },
];

export const resumeSchema = z
  .strictObject({
    ...target,
    actionId: id,
    decisions: z.array(givenDecisionSchema).max(1_000).exactOptional(),
    answers: givenAnswersSchema.meta({ description: 'By the id of the question.' }).exactOptional(),
    answer: words.meta({ description: 'Where there is one question.' }).exactOptional(),
    response: jsonSchema
      .meta({ description: 'To what a graph asks in its own form.' })
      .exactOptional(),
  })
  .meta({ examples: RESUME_EXAMPLES })
  .transform((body, ctx): ResumeRequest => ({
    ...oneTarget(body, ctx),
    actionId: body.actionId,
    ...oneVerdict(body, ctx),
  }));

export const resumedSchema = z.object({
  generationId: z.string(),
  streamId: z.string(),
  conversationId: z.string(),
  status: z.literal('resuming'),
});

export const statusSchema = z.object({
  conversationId: z.string(),
  active: z.boolean(),
  generation: z
    .object({
      generationId: z.string(),
      streamId: z.string(),
      status: generationStatusSchema,
      cursor: z.string(),
      startedAt: z.string(),
      pendingAction: pendingActionSchema.optional(),
      /** What the user wrote meanwhile and the agent has not heard yet, oldest first. */
      unheard: z.array(z.object({ messageId: z.string(), text: z.string() })).optional(),
      state: streamStateSchema,
    })
    .optional(),
});

export const activeSchema = z.object({
  generations: z.array(
    z.object({
      generationId: z.string(),
      conversationId: z.string(),
      status: generationStatusSchema,
      startedAt: z.string(),
    }),
  ),
});

const nextCursor = z.string().nullable();
export const conversationPageSchema = z.object({ items: z.array(conversationSchema), nextCursor });
const listedMessageSchema = messageSchema.extend({
  siblings: z
    .array(z.string())
    .meta({ description: 'Messages with the same parent, itself included; of a branch only.' })
    .optional(),
});
export const messagePageSchema = z.object({ items: z.array(listedMessageSchema), nextCursor });

/** Unknown query keys are ignored: proxies and browsers add their own. */
export const pageQuerySchema = z.object({
  limit: z
    .string()
    .regex(/^[0-9]{1,3}$/, 'must be an integer from 1 to 100')
    .default('20')
    .transform(Number)
    .pipe(z.number().int().min(1).max(100)),
  cursor: z.string().max(1_024).optional(),
});

export const messageQuerySchema = pageQuerySchema.extend({
  leaf: id
    .meta({ description: 'One branch: the message that it ends with, or `latest`.' })
    .optional(),
  through: id
    .meta({ description: 'The newest branch that goes through this message; not with `leaf`.' })
    .optional(),
});

const given = z.string().max(1_024).optional();
export const streamQuerySchema = z.object({
  after: given.meta({ description: 'Cursor, where Last-Event-ID is not sent.' }),
  snapshot: z
    .enum(['', '0', '1', 'false', 'true'])
    .optional()
    .transform((text) => text === '1' || text === 'true')
    .meta({ description: '1: one `sync` frame instead of the past.' }),
});

export const titleSchema = z.strictObject({
  title: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .regex(/^[^\p{Cc}]*$/u, 'must not hold control characters'),
});

export const sessionSchema = z.object({
  tenantId: z.string(),
  userId: z.string(),
  roles: z.array(z.string()),
  expiresAt: z.string().nullable(),
});

export const healthSchema = z.object({ status: z.literal('ok') });
export const readySchema = z.object({ status: z.literal('ready') });

export const errorSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    details: jsonObjectSchema.optional(),
  }),
});

const auditEntrySchema = z.object({
  at: z.string(),
  event: z.enum(AUDIT_EVENTS),
  by: z.string().nullable(),
  client: clientSchema.nullable(),
  details: jsonObjectSchema,
});

export const approvalSchema = z.object({
  action: pendingActionSchema,
  status: z.enum(['pending', ...ACTION_OUTCOMES]),
  audit: z.array(auditEntrySchema),
});
export const approvalPageSchema = z.object({ items: z.array(pendingActionSchema), nextCursor });
export const rulePageSchema = z.object({ items: z.array(standingRuleSchema), nextCursor });

/** Names of what is used in several places of the OpenAPI document. */
export const NAMED_SCHEMAS = {
  Json: jsonSchema,
  Error: errorSchema,
  Message: messageSchema,
  Conversation: conversationSchema,
  PendingAction: pendingActionSchema,
  Decision: decisionSchema,
  StreamState: streamStateSchema,
  Started: startedSchema,
  Resumed: resumedSchema,
  Aborted: abortedSchema,
  ConversationStatus: statusSchema,
  ActiveGenerations: activeSchema,
  ConversationPage: conversationPageSchema,
  MessagePage: messagePageSchema,
  Approval: approvalSchema,
  ApprovalPage: approvalPageSchema,
  RulePage: rulePageSchema,
  Session: sessionSchema,
} as const;
