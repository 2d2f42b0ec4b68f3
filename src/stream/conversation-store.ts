import type { Owner } from './job.ts';
import type { Conversation, Message } from './message.ts';
import type { Link } from './message-tree.ts';

/** Port: conversations and their messages, the durable record that outlives logs. */

export interface ConversationRecord extends Conversation {
  owner: Owner;
  /** Epoch ms after which a temporary conversation is deleted; null: kept. */
  purgeAt: number | null;
  /** The branch that it is a copy of. Never changes. */
  forkedFrom?: { conversationId: string; messageId: string };
}

/** A conversation as its owner sees it. */
export function publicConversation(record: ConversationRecord): Conversation {
  const { conversationId, title, temporary, createdAt, updatedAt } = record;
  return { conversationId, title, temporary, createdAt, updatedAt };
}

export interface Page<T> {
  items: T[];
  /** Opaque; stays right when rows are inserted or vanish. Null on the last page. */
  nextCursor: string | null;
}

export interface PageRequest {
  limit: number;
  /** As given by an earlier page; rejects with AppError INVALID_REQUEST if it is none. */
  cursor: string | undefined;
}

/** Place in the list of those that nobody touched for long. */
export type IdleConversation = Pick<Conversation, 'conversationId' | 'updatedAt'>;

export interface ConversationStore {
  /** Creates it unless it exists (then nothing changes). False: it was deleted, and stays so. */
  ensure(conversation: ConversationRecord): Promise<boolean>;
  get(conversationId: string): Promise<ConversationRecord | undefined>;
  /** Not temporary, newest `updatedAt` first. */
  list(owner: Owner, page: PageRequest): Promise<Page<Conversation>>;
  /** Every one of an owner, temporary ones too, in the order of their ids. */
  allOf(owner: Owner, page: PageRequest): Promise<Page<ConversationRecord>>;
  /**
   * `generated` titles never overwrite one that is there; `user` ones always do. Returns the record after the write.
   */
  setTitle(
    conversationId: string,
    title: string,
    by: 'generated' | 'user',
  ): Promise<ConversationRecord | undefined>;
  /** Raises `updatedAt` (ISO), never lowers it; and `purgeAt` where the conversation is temporary. */
  touch(conversationId: string, updatedAt: string, purgeAt: number | null): Promise<void>;
  /** Deletes it and its messages; leaves a tombstone so that a late writer can't bring it back. */
  delete(conversationId: string): Promise<void>;
  /** Shown to nobody any more, and `purgeable` from now on: whatever becomes of us, somebody completes the deletion. */
  condemn(conversationId: string): Promise<void>;
  /**
   * Makes a temporary conversation one that is kept, with this `updatedAt`. Nothing changes where it is none, or is
   * condemned. Returns the record after the write.
   */
  keep(conversationId: string, updatedAt: string): Promise<ConversationRecord | undefined>;
  /** Conversations whose `purgeAt` is at or before `now`. */
  purgeable(now: number, limit: number): Promise<string[]>;
  /**
   * Not temporary, last touched at or before `before` (ISO), the longest untouched first; those behind `after`, which
   * an earlier call ended with.
   */
  idleSince(
    before: string,
    after: IdleConversation | undefined,
    limit: number,
  ): Promise<IdleConversation[]>;
  /**
   * Inserts or replaces a message. `fence` guards it: a write with a lower fence than the stored one changes nothing
   * and returns `stale_fence`. `gone`: the conversation was deleted.
   */
  upsertMessage(message: Message, fence: number): Promise<'stored' | 'stale_fence' | 'gone'>;
  message(conversationId: string, messageId: string): Promise<Message | undefined>;
  /** Those that are there, in the order asked for. */
  some(conversationId: string, messageIds: readonly string[]): Promise<Message[]>;
  /** Which message each one follows, oldest first. */
  links(conversationId: string): Promise<Link[]>;
  /** Oldest first. */
  messages(conversationId: string, page: PageRequest): Promise<Page<Message>>;
  /** The newest message of a conversation, undefined if it has none. */
  lastMessage(conversationId: string): Promise<Message | undefined>;
  /** The branch from the first message to this one, oldest first; [] if there is no such message. */
  branch(conversationId: string, leafMessageId: string): Promise<Message[]>;
  ping(): Promise<void>;
}
