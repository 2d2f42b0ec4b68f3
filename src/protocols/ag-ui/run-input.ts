import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { ID_PATTERN } from '../../http/schemas.ts';
import { validate } from '../../http/validate.ts';
import { hashOf, type JsonObject } from '../../lib/json.ts';
import type { StartRequest } from '../../stream/generations.ts';
import { jsonSchema } from '../../stream/message.ts';
import { resumeEntrySchema } from './resume.ts';

/**
 * RunAgentInput as far as it is read (https://docs.ag-ui.com/spec/1.0/basic/run-input). What AG-UI may add is left
 * alone, as it asks for.
 */

/** Visible characters only: the id is echoed, and is part of a URL. */
const CLIENT_ID = /^[^\p{C}]{1,128}$/u;
const clientId = z.string().regex(CLIENT_ID, 'must be 1 to 128 visible characters');

const messageSchema = z.object({
  id: z.string().optional(),
  role: z.enum(['developer', 'system', 'assistant', 'user', 'tool', 'activity', 'reasoning']),
  content: z.unknown().optional(),
});
type ClientMessage = z.infer<typeof messageSchema>;

const EXAMPLE = {
  threadId: 'thread-1',
  runId: 'run-1',
  messages: [{ id: 'message-1', role: 'user', content: 'say 5 200' }],
  tools: [],
  context: [],
  state: {},
  forwardedProps: {},
};

export const runInputSchema = z
  .object({
    threadId: clientId.meta({ description: 'The conversation, by a name of the client.' }),
    runId: clientId.meta({ description: 'The idempotency key of a turn.' }),
    messages: z
      .array(messageSchema)
      .max(100_000)
      .meta({ description: 'Only the last message of the user is read.' }),
    tools: z.array(jsonSchema).optional().meta({ description: 'Ignored: agents have theirs.' }),
    context: z.array(jsonSchema).max(1_000).optional(),
    state: jsonSchema.optional().meta({ description: 'Ignored: agents share none.' }),
    forwardedProps: jsonSchema.optional(),
    resume: z
      .array(resumeEntrySchema)
      .max(1_000)
      .optional()
      .meta({ description: 'Answers to every interrupt of the pause.' }),
  })
  .meta({ examples: [EXAMPLE] });
export type RunInput = z.infer<typeof runInputSchema>;

/** Of a client that comes back: CopilotKit sends all of RunAgentInput here too. */
export const threadSchema = z
  .object({ threadId: clientId })
  .meta({ examples: [{ threadId: 'thread-1' }] });

export const threadIdSchema = clientId;

export const runQuerySchema = z.object({
  threadId: clientId.optional().meta({ description: 'Name of the thread in the frames.' }),
  runId: clientId.optional().meta({ description: 'Name of the run that was asked for.' }),
  after: z
    .string()
    .regex(ID_PATTERN)
    .optional()
    .meta({ description: 'Begin with the run that the answer to this action began.' }),
  snapshot: z
    .enum(['0', '1'])
    .optional()
    .transform((text) => text === '1')
    .meta({ description: '1: with the messages that came before.' }),
});

/** The message that a run is asked to answer. */
export interface Asked {
  /** The client's, where it can be ours too. */
  messageId: string | undefined;
  text: string;
}

interface Limits {
  textChars: number;
  bodyBytes: number;
}

/** What may stand behind the last message of the user and changes nothing. */
const BESIDE: ReadonlySet<ClientMessage['role']> = new Set([
  'developer',
  'system',
  'activity',
  'reasoning',
]);

/** The new message of the user, or undefined where the last word is not the user's. */
export function lastAsked({ messages }: RunInput, limits: Limits): Asked | undefined {
  const last = messages.findLast(({ role }) => !BESIDE.has(role));
  if (last?.role !== 'user') return undefined;
  const { id = '' } = last;
  return {
    messageId: ID_PATTERN.test(id) ? id : undefined,
    text: validate(textSchema(limits), last.content),
  };
}

function textSchema({ textChars }: Limits): z.ZodType<string> {
  const part = z.object({ type: z.literal('text', 'only text can be read'), text: z.string() });
  const parts = z.array(part).transform((all) => all.map(({ text }) => text).join('\n'));
  return z.union([z.string(), parts], 'must be text, or parts that are text').pipe(
    z
      .string()
      .max(textChars)
      .refine((text) => text.trim() !== '', 'must not be empty'),
  );
}

/** `conversationId` and `parentMessageId` are the caller's to add. */
export function turnOf(
  input: RunInput,
  asked: Asked,
  { agentId, limits }: { agentId: string | undefined; limits: Limits },
): StartRequest {
  const metadata = metadataOf(input, limits);
  const { text, messageId } = asked;
  return {
    text,
    createConversation: true,
    idempotencyKey: `ag-ui:${input.runId}`,
    ...(messageId !== undefined && { messageId }),
    ...(agentId !== undefined && { agentId }),
    onBusy: 'reject',
    temporary: false,
    files: [],
    metadata,
    bodyHash: hashOf({ text, messageId, agentId, metadata }),
  };
}

/** What the application says to its agent, under the names that AG-UI has for it. */
function metadataOf({ context = [], forwardedProps }: RunInput, limits: Limits): JsonObject {
  const given = forwardedProps !== undefined && forwardedProps !== null;
  const metadata: JsonObject = {
    ...(context.length > 0 && { context }),
    ...(given && JSON.stringify(forwardedProps) !== '{}' && { forwardedProps }),
  };
  if (JSON.stringify(metadata).length > limits.bodyBytes) {
    throw new AppError(
      'PAYLOAD_TOO_LARGE',
      `context and forwardedProps are larger than ${limits.bodyBytes} characters.`,
    );
  }
  return metadata;
}
