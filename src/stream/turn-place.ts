import { notFound } from '../errors.ts';
import type { Ids } from '../lib/ids.ts';
import type { ConversationRecord, ConversationStore } from './conversation-store.ts';
import type { StartRequest } from './generations.ts';
import type { Owner } from './job.ts';
import type { JobStore } from './job-store.ts';
import { sameOwner } from './owned.ts';

/** Where a turn stands: in which conversation, and after which message. */
export interface TurnPlace {
  conversationId: string;
  parentMessageId: string | null;
  temporary: boolean;
  /** The conversation is made with this turn. */
  fresh: boolean;
}

interface Deps {
  jobs: Pick<JobStore, 'liveOf'>;
  conversations: Pick<ConversationStore, 'get' | 'message' | 'lastMessage'>;
  ids: Ids;
}

/** The caller's conversation; undefined: the turn makes it. Throws NOT_FOUND where it should be there and is not. */
export async function conversationFor(
  { conversations }: Pick<Deps, 'conversations'>,
  owner: Owner,
  request: Pick<StartRequest, 'conversationId' | 'createConversation'>,
): Promise<ConversationRecord | undefined> {
  const { conversationId, createConversation = false } = request;
  if (conversationId === undefined) return undefined;
  const known = await conversations.get(conversationId);
  if (!known && createConversation) return undefined;
  if (!known || !sameOwner(known.owner, owner)) throw notFound('conversation');
  return known;
}

export async function placeFor(
  deps: Deps,
  owner: Owner,
  request: StartRequest,
): Promise<TurnPlace> {
  // Looked up again: it may have been made, or deleted, while others of its turns were placed.
  const known = await conversationFor(deps, owner, request);
  if (!known) {
    if (request.parentMessageId) throw notFound('message');
    const { conversationId = deps.ids.sortable('conv'), temporary } = request;
    return { conversationId, parentMessageId: null, temporary, fresh: true };
  }
  const { conversationId, temporary } = known;
  const parentMessageId = await parentFor(deps, conversationId, request.parentMessageId);
  return { conversationId, parentMessageId, temporary, fresh: false };
}

/** A given id names one message for good: where another turn has it, this one gets another. */
export async function messageIdFor(
  { ids, conversations }: Deps,
  { conversationId, fresh }: TurnPlace,
  given: string | undefined,
): Promise<string> {
  if (given === undefined) return ids.sortable('msg');
  const taken = !fresh && (await conversations.message(conversationId, given)) !== undefined;
  return taken ? ids.sortable('msg') : given;
}

/** A given parent must be there; else the turn follows the newest answer, also one that is still being made. */
async function parentFor(
  { jobs, conversations }: Deps,
  conversationId: string,
  given: string | null | undefined,
): Promise<string | null> {
  if (given === null) return null;
  const live = await jobs.liveOf(conversationId);
  if (given !== undefined) {
    const known =
      live.some((job) => job.input.responseMessageId === given) ||
      (await conversations.message(conversationId, given));
    if (!known) throw notFound('message');
    return given;
  }
  const last = live.at(-1);
  if (last) return last.input.responseMessageId;
  return (await conversations.lastMessage(conversationId))?.messageId ?? null;
}
