import { AppError, notFound } from '../errors.ts';
import type { ConversationStore, Page, PageRequest } from './conversation-store.ts';
import type { Message } from './message.ts';
import { lineTo, newestLeaf, siblings, type Link } from './message-tree.ts';

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
  /** Answers that are being made, read before the call: part of the tree, and no messages yet. */
  live?: readonly Link[];
}

/**
 * A page of a branch, oldest first. Throws NOT_FOUND where there is no such message, INVALID_REQUEST where the cursor is
 * not of this branch.
 */
export async function branchPage(
  conversations: Conversations,
  of: BranchOf,
  { limit, cursor }: PageRequest,
): Promise<Page<BranchMessage>> {
  const { conversationId, live = [] } = of;
  const links = joined(await conversations.links(conversationId), live);
  const { line, from } = placeIn(links, of, cursor);
  const ids = line.slice(from, from + limit);
  const siblingsOf = siblings(links);
  const found = await conversations.some(conversationId, ids);
  const items = found.map((message) => ({ ...message, siblings: siblingsOf(message.messageId) }));
  const [end, last] = [line.at(-1), ids.at(-1)];
  const more = end !== undefined && last !== undefined && from + limit < line.length;
  return { items, nextCursor: more ? cursorOf(end, last) : null };
}

function joined(stored: Link[], live: readonly Link[]): Link[] {
  const known = new Set(stored.map(({ messageId }) => messageId));
  return [...stored, ...live.filter(({ messageId }) => !known.has(messageId))];
}

/** The whole branch, and where in it the page begins. */
function placeIn(
  links: readonly Link[],
  { leaf, through }: BranchOf,
  cursor: string | undefined,
): { line: string[]; from: number } {
  const { end = leaf ?? newestLeaf(links, through), after } = parsed(cursor, leaf);
  if (end === undefined) return { line: [], from: 0 };
  const line = lineTo(links, end);
  if (line.length === 0) throw notFound('message');
  if (through !== undefined && !line.includes(through)) throw notOurs();
  if (after === undefined) return { line, from: 0 };
  if (!line.includes(after)) throw notOurs();
  return { line, from: line.indexOf(after) + 1 };
}

function parsed(
  cursor: string | undefined,
  leaf: string | undefined,
): { end?: string; after?: string } {
  if (cursor === undefined) return {};
  const [end, after, rest] = cursor.split('/');
  if (!end || !after || rest !== undefined || (leaf !== undefined && leaf !== end)) throw notOurs();
  return { end, after };
}

function notOurs(): AppError {
  return new AppError('INVALID_REQUEST', 'The cursor is not one of this branch.');
}
