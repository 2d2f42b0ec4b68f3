import { z } from 'zod';
import { routeSchema } from '../agent/run-spec.ts';
import {
  conversationSchema,
  jsonObjectSchema,
  jsonSchema,
  messageErrorSchema,
  messageSchema,
  pathSchema,
  tokenCountSchema,
  toolResultStatusSchema,
  usageSchema,
} from './message.ts';
import {
  actionOutcomeSchema,
  answersSchema,
  decisionSchema,
  pendingActionSchema,
} from './pending-action.ts';

/** The events of a generation's log (docs/PROTOCOL.md section 3). */

export const OUTCOMES = [
  'completed',
  'aborted',
  'failed',
  'expired',
  'superseded',
  'interrupted',
] as const;
export const outcomeSchema = z.enum(OUTCOMES);
/** How a generation ended. */
export type Outcome = z.infer<typeof outcomeSchema>;

export const generationStatusSchema = z.enum([
  'queued',
  'running',
  'paused',
  'finalizing',
  ...OUTCOMES,
]);
export type GenerationStatus = z.infer<typeof generationStatusSchema>;

const part = z.number().int().nonnegative();
const sequence = z.number().int().nonnegative();
const path = pathSchema.optional();
/** The model call that opened a part, on the part's first delta only: recovery keeps what is checkpointed by it. */
const call = z.string().optional();

/** What a reader holds: the fold of the log up to some sequence. */
export const streamStateSchema = z.object({
  generationId: z.string(),
  conversationId: z.string(),
  status: generationStatusSchema,
  message: messageSchema,
  pendingAction: pendingActionSchema.optional(),
  usage: usageSchema.optional(),
  title: z.string().optional(),
});
export type StreamState = z.infer<typeof streamStateSchema>;

const event = <T extends string, S extends z.ZodRawShape>(type: T, shape: S) =>
  z.object({ type: z.literal(type), ...shape });

export const eventBodySchema = z.discriminatedUnion('type', [
  event('created', {
    conversationId: z.string(),
    generationId: z.string(),
    agentId: z.string(),
    model: z.string(),
    userMessage: messageSchema,
    responseMessageId: z.string(),
    /** Why this agent answers. */
    route: routeSchema.optional(),
    /** Of the answer, where it goes on with another answer; else the user's message is. */
    parentMessageId: z.string().optional(),
  }),
  event('queued', { position: z.number().int().positive() }),
  event('text_delta', { part, text: z.string(), path, call }),
  event('reasoning_delta', { part, text: z.string(), path, call }),
  event('tool_call', { part, toolCallId: z.string(), name: z.string(), path }),
  event('tool_args_delta', { toolCallId: z.string(), text: z.string() }),
  event('tool_ready', { toolCallId: z.string(), name: z.string(), args: jsonObjectSchema }),
  event('tool_result', {
    toolCallId: z.string(),
    status: toolResultStatusSchema,
    output: z.string(),
  }),
  event('pending_action', { action: pendingActionSchema }),
  event('action_resolved', {
    actionId: z.string(),
    outcome: actionOutcomeSchema,
    decisions: z.array(decisionSchema).optional(),
    answers: answersSchema.optional(),
    response: jsonSchema.optional(),
    decidedBy: z.string().nullable(),
    decidedAt: z.string(),
  }),
  /** The pending action expires soon if nobody answers. */
  event('action_expiring', { actionId: z.string(), expiresAt: z.string() }),
  event('agent', {
    path: pathSchema,
    agentId: z.string(),
    state: z.enum(['started', 'finished']),
  }),
  /** Who answers the user from here on. */
  event('hand_off', { toolCallId: z.string(), agentId: z.string(), model: z.string() }),
  event('usage', {
    call: tokenCountSchema,
    total: tokenCountSchema,
    contextUsed: z.number().int().nonnegative(),
    contextMax: z.number().int().nonnegative().nullable(),
    path,
  }),
  event('title', { title: z.string() }),
  event('attachment', {
    part,
    name: z.string(),
    mediaType: z.string(),
    url: z.string().optional(),
    data: jsonSchema.optional(),
    path,
  }),
  /** What the user wrote meanwhile, where the agent heard it; `heard` false: the answer ended before that. */
  event('steered', { part, messageId: z.string(), text: z.string(), heard: z.boolean() }),
  event('custom', { data: jsonSchema, path }),
  event('segment', {
    reason: z.enum(['resumed', 'recovered']),
    keep: sequence,
    state: streamStateSchema.optional(),
    /** The model call that made each part of `state`, for the next recovery. */
    calls: z.array(z.string().nullable()).optional(),
  }),
  event('done', {
    status: outcomeSchema,
    message: messageSchema
      .partial({ content: true })
      .extend({ contentHash: z.string().optional() }),
    conversation: conversationSchema,
    usage: usageSchema.nullable(),
    error: messageErrorSchema.optional(),
  }),
]);
/** An event without its place in the log. */
export type EventBody = z.infer<typeof eventBodySchema>;
export type EventType = EventBody['type'];
export type EventOf<T extends EventType> = Extract<EventBody, { type: T }>;

/** Why a reader must replace what it has. */
export const resetReasonSchema = z.enum(['malformed', 'epoch', 'expired']);
export type ResetReason = z.infer<typeof resetReasonSchema>;

/** An entry of the log: `fence` names the driver that wrote it, `at` is ISO 8601 UTC with milliseconds. */
export interface LogEvent {
  seq: number;
  fence: number;
  at: string;
  body: EventBody;
}

/** A delta may be shown before it is durable; everything else is awaited first. */
export function isDelta(type: string): boolean {
  return type === 'text_delta' || type === 'reasoning_delta' || type === 'tool_args_delta';
}
