import { AppError, notFound } from '../errors.ts';
import type { ConversationStore, Page, PageRequest } from './conversation-store.ts';
import type { Message } from './message.ts';
import { lineTo, newestLeaf, siblings } from './message-tree.ts';

/** A message of a branch. */
export interface BranchMessage extends Message {
  /** All messages with its parent, itself included, oldest first. */
  siblings: string[];
}

type Conversations = Pick<ConversationStore, 'links' | 'some'>;

/** Names the leaf too: what is the newest branch may be another one when the next page is asked for. */
const cursorOf = (leaf: string, last: string): string => `${leaf}/${last}`;

/** Which branch: the one that ends there, the newest one that goes through there, or the newest of all. */
export interface BranchOf {
  conversationId: string;
  leaf?: string | undefined;
  through?: string | undefined;
}

/**
 * A page of a branch, oldest first. Throws NOT_FOUND where there is no such message, INVALID_REQUEST where the cursor is
 * not of this branch.
 */
export async function branchPage(
  conversations: Conversations,
  { conversationId, leaf, through }: BranchOf,
  { limit, cursor }: PageRequest,
): Promise<Page<BranchMessage>> {
  const links = await conversations.links(conversationId);
  const [end, after] =
    cursor === undefined ? [leaf ?? newestLeaf(links, through)] : placeIn(cursor, leaf);
  if (end === undefined) return { items: [], nextCursor: null };
  const line = lineTo(links, end);
  if (line.length === 0) throw notFound('message');
  if (through !== undefined && !line.includes(through)) throw notOurs();
  const from = after === undefined ? 0 : line.indexOf(after) + 1;
  if (after !== undefined && from === 0) throw notOurs();
  const ids = line.slice(from, from + limit);
  const of = siblings(links);
  const found = await conversations.some(conversationId, ids);
  const items = found.map((message) => ({ ...message, siblings: of(message.messageId) }));
  const last = ids.at(-1);
  const more = last !== undefined && from + limit < line.length;
  return { items, nextCursor: more ? cursorOf(end, last) : null };
}

function placeIn(cursor: string, leaf: string | undefined): [leaf: string, after: string] {
  const [end, after, rest] = cursor.split('/');
  if (!end || !after || rest !== undefined || (leaf !== undefined && leaf !== end)) throw notOurs();
  return [end, after];
}

function notOurs(): AppError {
  return new AppError('INVALID_REQUEST', 'The cursor is not one of this branch.');
}
