import { z } from 'zod';

/** Any JSON value. Depth and size are checked by the walker at the edge, before zod recurses. */
export const jsonSchema = z.json();
export const jsonObjectSchema = z.record(z.string(), jsonSchema);

/** The tool-call ids that lead from the root agent to the sub-agent that produced something. */
export const pathSchema = z.array(z.string()).min(1);

export const TOOL_RESULT_STATUS = [
  'ok',
  'error',
  'rejected',
  'responded',
  'outcome_unknown',
  'denied',
] as const;
export const toolResultStatusSchema = z.enum(TOOL_RESULT_STATUS);
export type ToolResultStatus = z.infer<typeof toolResultStatusSchema>;

const toolStatusSchema = z.enum([
  'streaming',
  'ready',
  'waiting',
  'running',
  ...TOOL_RESULT_STATUS,
]);

const path = pathSchema.optional();

export const textPartSchema = z.object({ type: z.literal('text'), text: z.string(), path });
export const reasoningPartSchema = z.object({
  type: z.literal('reasoning'),
  text: z.string(),
  path,
});
export const toolCallPartSchema = z.object({
  type: z.literal('tool_call'),
  toolCallId: z.string(),
  name: z.string(),
  /** The effective arguments: what ran or will run. `{}` until they are complete. */
  args: jsonObjectSchema,
  /** What the model asked for, where a person edited it. */
  proposedArgs: jsonObjectSchema.optional(),
  status: toolStatusSchema,
  output: z.string().optional(),
  decision: z.string().optional(),
  path,
});
export const attachmentPartSchema = z.object({
  type: z.literal('attachment'),
  name: z.string(),
  mediaType: z.string(),
  url: z.string().optional(),
  data: jsonSchema.optional(),
  path,
});
/** What the user wrote while the answer was being made, where the agent heard it. */
export const steeredPartSchema = z.object({
  type: z.literal('steered'),
  /** As the client named it. */
  messageId: z.string(),
  text: z.string(),
  /** False: the answer ended before that. */
  heard: z.boolean(),
});

export const partSchema = z.discriminatedUnion('type', [
  textPartSchema,
  reasoningPartSchema,
  toolCallPartSchema,
  attachmentPartSchema,
  steeredPartSchema,
]);
export type TextPart = z.infer<typeof textPartSchema>;
export type ReasoningPart = z.infer<typeof reasoningPartSchema>;
export type ToolCallPart = z.infer<typeof toolCallPartSchema>;
export type SteeredPart = z.infer<typeof steeredPartSchema>;
export type MessagePart = z.infer<typeof partSchema>;

const tokens = z.number().int().nonnegative();
/** Tokens. `cacheRead` is part of the input, `reasoning` part of the output. */
export const tokenCountSchema = z.object({
  inputTokens: tokens,
  outputTokens: tokens,
  cacheRead: tokens,
  reasoning: tokens,
});
export type TokenCount = z.infer<typeof tokenCountSchema>;

/** Cumulative over the generation; `contextUsed` is the size of the last model call, `contextMax` null if unknown. */
export const usageSchema = tokenCountSchema.extend({
  contextUsed: tokens,
  contextMax: tokens.nullable(),
});
export type Usage = z.infer<typeof usageSchema>;

export const messageErrorSchema = z.object({ code: z.string(), message: z.string() });

export const messageSchema = z.object({
  messageId: z.string(),
  conversationId: z.string(),
  parentMessageId: z.string().nullable(),
  role: z.enum(['user', 'assistant']),
  content: z.array(partSchema),
  status: z.enum(['streaming', 'complete', 'unfinished']),
  error: messageErrorSchema.optional(),
  usage: usageSchema.optional(),
  agentId: z.string(),
  model: z.string(),
  createdAt: z.string(),
});
export type Message = z.infer<typeof messageSchema>;

export const conversationSchema = z.object({
  conversationId: z.string(),
  title: z.string().nullable(),
  temporary: z.boolean(),
  createdAt: z.string(),
  updatedAt: z.string(),
});
export type Conversation = z.infer<typeof conversationSchema>;
