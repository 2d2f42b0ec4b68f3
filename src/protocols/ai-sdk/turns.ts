import { createHash } from 'node:crypto';
import { AppError, notFound } from '../../errors.ts';
import { ID_PATTERN } from '../../http/schemas.ts';
import { hashOf } from '../../lib/json.ts';
import type { ConversationStore } from '../../stream/conversation-store.ts';
import type { Generations, StartRequest } from '../../stream/generations.ts';
import type { Owner } from '../../stream/job.ts';
import type { Message } from '../../stream/message.ts';
import type { ChatBody, UserMessage, Wanted } from './request.ts';

interface Deps {
  conversations: Pick<ConversationStore, 'message' | 'lastMessage'>;
  generations: Pick<Generations, 'status'>;
}

export interface TurnOf {
  owner: Owner;
  conversationId: string;
  body: Pick<ChatBody, 'agentId' | 'onBusy'>;
}

interface Turn extends Pick<StartRequest, 'text' | 'files' | 'parentMessageId'> {
  messageId: string;
}

/** The turn that a client wants: a new one, or one beside an old one where a message is edited or an answer made again. */
export async function turnFor(
  deps: Deps,
  of: TurnOf,
  wanted: Exclude<Wanted, { kind: 'answer' }>,
): Promise<StartRequest> {
  const { conversationId, body } = of;
  const turn =
    wanted.kind === 'turn'
      ? await submitted(deps, conversationId, wanted)
      : await regenerated(deps, of, wanted);
  const { agentId, onBusy } = body;
  const { messageId: _messageId, ...rest } = turn;
  return {
    ...turn,
    idempotencyKey: `${conversationId}:${turn.messageId}`,
    conversationId,
    createConversation: true,
    ...(agentId !== undefined && { agentId }),
    onBusy,
    temporary: false,
    metadata: {},
    bodyHash: hashOf({ ...rest, agentId }),
  };
}

const digest = (text: string, length: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, length);

/** Our id of a message that the client made. */
function ownId(clientId: string): string {
  return ID_PATTERN.test(clientId) ? clientId : `msg_h${digest(clientId, 40)}`;
}

const besidePrefix = (clientId: string): string => `msg_x${digest(clientId, 20)}`;

/**
 * Of a turn that takes the place of another for the client, who keeps the message's id: another id for each text, and
 * for each time that it is asked for.
 */
function idBeside(clientId: string, text: string, newest: Message | undefined): string {
  return besidePrefix(clientId) + digest(JSON.stringify([text, newest?.messageId ?? null]), 20);
}

function isOf(message: Message, clientId: string): boolean {
  const { messageId } = message;
  return messageId === ownId(clientId) || messageId.startsWith(besidePrefix(clientId));
}

function textOf({ content }: Message): string {
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

/** The user's side of a turn. */
async function askedIn(
  { conversations }: Deps,
  conversationId: string,
  message: Message | undefined,
): Promise<Message | undefined> {
  if (message?.role !== 'assistant') return message;
  const { parentMessageId } = message;
  return parentMessageId === null
    ? undefined
    : conversations.message(conversationId, parentMessageId);
}

/** A message that is sent once more with another text is an edit; with the same text it is the same turn. */
async function submitted(
  deps: Deps,
  conversationId: string,
  { user, again }: Extract<Wanted, { kind: 'turn' }>,
): Promise<Turn> {
  const { conversations } = deps;
  const { text, files } = user;
  const plain = { ...fieldsOf(user), messageId: ownId(user.id) };
  const known = again ? await conversations.message(conversationId, plain.messageId) : undefined;
  if (known?.role !== 'user') return plain;
  const newest = await conversations.lastMessage(conversationId);
  const now = await askedIn(deps, conversationId, newest);
  if (textOf(known) === text && now?.messageId === known.messageId) return plain;
  return {
    text,
    files,
    messageId: idBeside(user.id, text, newest),
    parentMessageId: known.parentMessageId,
  };
}

/** A turn beside the one whose answer is made again, with our text of it. */
async function regenerated(
  deps: Deps,
  of: TurnOf,
  { user, messageId }: Extract<Wanted, { kind: 'regenerate' }>,
): Promise<Turn> {
  const { conversationId } = of;
  const newest = await deps.conversations.lastMessage(conversationId);
  const named = messageId === user?.id ? undefined : messageId;
  const asked =
    named === undefined
      ? await lastAsked(deps, { conversationId, newest, user })
      : await askedIn(deps, conversationId, await messageOf(deps, conversationId, named));
  if (asked) {
    const text = textOf(asked);
    const { parentMessageId, messageId: ours } = asked;
    const id = idBeside(user?.id ?? ours, text, newest);
    return { text, files: user?.files ?? [], messageId: id, parentMessageId };
  }
  // It never came to us: clients make again what failed.
  if (user && named === undefined) return { ...fieldsOf(user), messageId: ownId(user.id) };
  await refuseBusy(deps, of);
  throw notFound('message');
}

function fieldsOf({ text, files }: UserMessage): Pick<Turn, 'text' | 'files'> {
  return { text, files };
}

async function messageOf(
  { conversations }: Deps,
  conversationId: string,
  messageId: string,
): Promise<Message | undefined> {
  return ID_PATTERN.test(messageId) ? conversations.message(conversationId, messageId) : undefined;
}

async function lastAsked(
  deps: Deps,
  at: { conversationId: string; newest: Message | undefined; user: UserMessage | undefined },
): Promise<Message | undefined> {
  const { conversationId, newest, user } = at;
  const now = await askedIn(deps, conversationId, newest);
  if (!user || (now && isOf(now, user.id))) return now;
  const stored = await messageOf(deps, conversationId, ownId(user.id));
  return stored?.role === 'user' ? stored : undefined;
}

/** The answer that is being made is no message yet. */
async function refuseBusy({ generations }: Deps, { owner, conversationId }: TurnOf): Promise<void> {
  const { active } = await generations.status(owner, conversationId);
  if (!active) return;
  throw new AppError('CONVERSATION_BUSY', 'Another answer of this conversation is under way.');
}
