import { createHash } from 'node:crypto';
import { AppError, notFound } from '../../errors.ts';
import { ID_PATTERN } from '../../http/schemas.ts';
import { hashOf } from '../../lib/json.ts';
import type { ConversationStore } from '../../stream/conversation-store.ts';
import type { AgainRequest, Generations, StartRequest } from '../../stream/generations.ts';
import type { Owner } from '../../stream/job.ts';
import type { Message } from '../../stream/message.ts';
import { questionOf, saidIn } from '../../stream/turn-again.ts';
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

export type TurnFor =
  { kind: 'start'; request: StartRequest } | { kind: 'again'; request: AgainRequest };

/** The turn that a client wants: a new one, one beside an old one where a message is edited, or another answer. */
export async function turnFor(
  deps: Deps,
  of: TurnOf,
  wanted: Exclude<Wanted<UserMessage>, { kind: 'answer' }>,
): Promise<TurnFor> {
  if (wanted.kind === 'turn') {
    return startOf(of, await submitted(deps, of.conversationId, wanted));
  }
  return regenerated(deps, of, wanted);
}

function startOf({ conversationId, body }: TurnOf, turn: Turn): TurnFor {
  const { agentId, onBusy } = body;
  const { messageId: _messageId, ...rest } = turn;
  const request = {
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
  return { kind: 'start', request };
}

/** `key`: the same for a repeat, another one once there is another answer. */
function againOf({ conversationId, body }: TurnOf, target: string, key: string): TurnFor {
  const { agentId, onBusy } = body;
  const request: AgainRequest = {
    kind: 'regenerate',
    conversationId,
    target,
    idempotencyKey: `${conversationId}:${key}`,
    ...(agentId !== undefined && { agentId }),
    onBusy,
    metadata: {},
    bodyHash: hashOf({ target, agentId }),
  };
  return { kind: 'again', request };
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

/** A message that is sent once more with another text is an edit; with the same text it is the same turn. */
async function submitted(
  deps: Deps,
  conversationId: string,
  { user, again }: Extract<Wanted<UserMessage>, { kind: 'turn' }>,
): Promise<Turn> {
  const { conversations } = deps;
  const { text, files } = user;
  const plain = { ...fieldsOf(user), messageId: ownId(user.id) };
  const known = again ? await conversations.message(conversationId, plain.messageId) : undefined;
  if (known?.role !== 'user') return plain;
  const newest = await conversations.lastMessage(conversationId);
  const now = newest && (await questionOf(conversations, newest));
  if (saidIn(known) === text && now?.messageId === known.messageId) return plain;
  return {
    text,
    files,
    messageId: idBeside(user.id, text, newest),
    parentMessageId: known.parentMessageId,
  };
}

/** Another answer beside the one that is named, which may still be under way; else beside the newest one. */
async function regenerated(
  deps: Deps,
  of: TurnOf,
  { user, messageId }: Extract<Wanted<UserMessage>, { kind: 'regenerate' }>,
): Promise<TurnFor> {
  const { conversationId } = of;
  const newest = await deps.conversations.lastMessage(conversationId);
  const named = messageId === user?.id ? undefined : messageId;
  if (named !== undefined) {
    if (!ID_PATTERN.test(named)) throw notFound('message');
    return againOf(of, named, idBeside(named, '', newest));
  }
  const asked = await lastAsked(deps, { conversationId, newest, user });
  if (asked) return againOf(of, asked.messageId, idBeside(asked.messageId, '', newest));
  // It never came to us: clients make again what failed.
  if (user) return startOf(of, { ...fieldsOf(user), messageId: ownId(user.id) });
  await refuseBusy(deps, of);
  throw notFound('message');
}

function fieldsOf({ text, files }: UserMessage): Pick<Turn, 'text' | 'files'> {
  return { text, files };
}

async function lastAsked(
  { conversations }: Deps,
  at: { conversationId: string; newest: Message | undefined; user: UserMessage | undefined },
): Promise<Message | undefined> {
  const { conversationId, newest, user } = at;
  const now = newest && (await questionOf(conversations, newest));
  if (!user || (now && isOf(now, user.id))) return now;
  const stored = await conversations.message(conversationId, ownId(user.id));
  return stored?.role === 'user' ? stored : undefined;
}

/** The answer that is being made is no message yet. */
async function refuseBusy({ generations }: Deps, { owner, conversationId }: TurnOf): Promise<void> {
  const { active } = await generations.status(owner, conversationId);
  if (!active) return;
  throw new AppError('CONVERSATION_BUSY', 'Another answer of this conversation is under way.');
}
