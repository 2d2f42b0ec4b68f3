import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { ID_PATTERN } from '../../http/schemas.ts';
import { validate } from '../../http/validate.ts';
import { givenFile, type GivenFile } from '../given-files.ts';
import { type ApprovalId, parseApprovalId } from './approval-id.ts';
import { ASK_USER, CUSTOM } from './tool-parts.ts';

/**
 * What a client of the AI SDK asks for, read out of the history that it sends: the text of the last user message, or
 * the answers in an assistant message, by their ids. Nothing else of that history is looked at.
 */

export interface Limits {
  /** Characters. */
  textChars: number;
}

/** A chat of the client's: any short text without control characters. */
export const chatIdSchema = z.string().regex(/^[^\p{Cc}]{1,200}$/u, 'must be 1 to 200 characters');

const messagesSchema = z.array(z.unknown()).max(10_000);
const id = z.string().regex(ID_PATTERN);

/** Transports add what they like: keys that are not named here are ignored. */
export const chatBodySchema = z
  .object({
    id: chatIdSchema.meta({
      description: "The chat's id, made by the client, or a conversationId.",
    }),
    messages: messagesSchema
      .meta({
        description: 'UIMessages; only the last one, or the one that `messageId` names, is read.',
      })
      .exactOptional(),
    message: z
      .unknown()
      .meta({ description: 'The last message alone, in the place of `messages`.' })
      .exactOptional(),
    trigger: z.enum(['submit-message', 'regenerate-message']).default('submit-message'),
    messageId: z.string().min(1).max(1_000).nullish(),
    agentId: id.exactOptional(),
    onBusy: z.enum(['reject', 'enqueue', 'interrupt']).default('reject'),
  })
  .meta({
    examples: [
      {
        id: 'chat-1',
        trigger: 'submit-message',
        messages: [{ id: 'm-1', role: 'user', parts: [{ type: 'text', text: 'say 5 200' }] }],
      },
    ],
  });
export type ChatBody = z.infer<typeof chatBodySchema>;

export interface UserMessage {
  id: string;
  text: string;
  /** Those that were uploaded before. */
  files: { fileId: string }[];
}

/** As it came: bytes in it are no files yet. */
export interface GivenMessage extends Omit<UserMessage, 'files'> {
  files: GivenFile[];
}

export interface GivenDecision extends ApprovalId {
  approved: boolean;
  reason?: string;
}

export interface GivenOutput {
  toolCallId: string;
  /** To what a graph asked in its own form: it is the response as it stands. */
  custom: boolean;
  /** Of the question, where the client kept what it was given. */
  actionId: string | undefined;
  /** Undefined: the client's tool failed. */
  output: unknown;
}

export type Wanted<M = GivenMessage> =
  /** `again`: the client says that this message took the place of one of the same id. */
  | { kind: 'turn'; user: M; again: boolean }
  | { kind: 'answer'; decisions: GivenDecision[]; outputs: GivenOutput[] }
  | { kind: 'regenerate'; user: M | undefined; messageId: string | undefined };

export function wantedBy(body: ChatBody, limits: Limits): Wanted {
  const messages = body.messages ?? (body.message === undefined ? [] : [body.message]);
  const messageId = body.messageId ?? undefined;
  const last = messages.at(-1);
  if (body.trigger === 'regenerate-message') {
    const user = roleOf(last) === 'user' ? userMessage(last, limits) : undefined;
    return { kind: 'regenerate', user, messageId };
  }
  const named = messages.findLast((message) => isRecord(message) && message['id'] === messageId);
  const subject = roleOf(named) === 'assistant' ? named : last;
  if (roleOf(subject) === 'assistant') return { kind: 'answer', ...answersIn(subject) };
  if (roleOf(subject) === 'user') {
    const user = userMessage(subject, limits);
    return { kind: 'turn', user, again: user.id === messageId };
  }
  throw invalid('The last of `messages` must be a message of the user or of the assistant.');
}

function invalid(message: string): AppError {
  return new AppError('INVALID_REQUEST', message);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function roleOf(message: unknown): 'user' | 'assistant' | undefined {
  const role = isRecord(message) ? message['role'] : undefined;
  return role === 'user' || role === 'assistant' ? role : undefined;
}

const userSchema = z.object({ id: z.string().min(1).max(1_000), parts: z.array(z.unknown()) });
const textSchema = z.object({ text: z.string() });
const fileSchema = z.object({
  type: z.literal('file'),
  mediaType: z.string().min(1).max(200),
  filename: z.string().max(1_000).exactOptional(),
  url: z.string(),
});

function userMessage(message: unknown, limits: Limits): GivenMessage {
  const { id, parts } = validate(userSchema, message);
  const typed = (type: string): unknown[] =>
    parts.filter((part) => isRecord(part) && part['type'] === type);
  const text = typed('text')
    .map((part) => validate(textSchema, part).text)
    .join('\n');
  if (text.trim() === '') throw invalid('The message has no text.');
  if (text.length > limits.textChars) {
    throw invalid(`The message has more than ${limits.textChars} characters.`);
  }
  const files = typed('file').map((part) => validate(fileSchema, part));
  if (files.length > MAX_FILES) throw invalid(`A message may have ${MAX_FILES} files.`);
  return { id, text, files: files.map(fileOf) };
}

const MAX_FILES = 10;

function fileOf({ url, filename, mediaType }: z.infer<typeof fileSchema>): GivenFile {
  return givenFile(url, { mediaType, ...(filename !== undefined && { name: filename }) });
}

const partsSchema = z.object({ parts: z.array(z.unknown()) });
const approvalSchema = z.object({
  id: z.string().max(2_000),
  approved: z.boolean(),
  reason: z.string().max(10_000).nullish(),
});
const toolCallIdSchema = z.object({ toolCallId: z.string().min(1).max(1_000) });

function answersIn(message: unknown): { decisions: GivenDecision[]; outputs: GivenOutput[] } {
  const parts = validate(partsSchema, message).parts.filter(isRecord);
  const decisions = parts
    .filter((part) => part['state'] === 'approval-responded')
    .flatMap((part) => decisionIn(part['approval']));
  const outputs = parts
    .filter((part) => isOf(part, ASK_USER) || isOf(part, CUSTOM))
    .flatMap(outputIn);
  return { decisions, outputs };
}

function isOf(part: Record<string, unknown>, tool: string): boolean {
  return part['type'] === `tool-${tool}` || part['toolName'] === tool;
}

/** Nothing where the approval is none of ours. */
function decisionIn(value: unknown): GivenDecision[] {
  const { id, approved, reason } = validate(approvalSchema, value);
  const known = parseApprovalId(id);
  if (!known) return [];
  return [{ ...known, approved, ...(typeof reason === 'string' && { reason }) }];
}

function outputIn(part: Record<string, unknown>): GivenOutput[] {
  const { state, output } = part;
  if (state !== 'output-available' && state !== 'output-error') return [];
  const { toolCallId } = validate(toolCallIdSchema, part);
  const known = actionIdSchema.safeParse(part).data?.callProviderMetadata.holdfast.actionId;
  const said = state === 'output-error' ? undefined : output;
  return [{ toolCallId, actionId: known, output: said, custom: isOf(part, CUSTOM) }];
}

const actionIdSchema = z.object({
  callProviderMetadata: z.object({ holdfast: z.object({ actionId: id }) }),
});
