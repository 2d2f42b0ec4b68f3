import { publicConversation, type ConversationStore } from '../../stream/conversation-store.ts';
import { keyText, textOfKey } from '../key-text.ts';
import { decodeCursor, pageOf, placeOf, type TimeKey, isIdKey } from '../page-cursor.ts';
import type { MongoConnection } from './connection.ts';
import { ConversationCollection } from './conversation-collection.ts';
import { CONVERSATION_DOCUMENT_INDEXES } from './conversation-document.ts';
import type { IndexSpec } from './indexes.ts';
import { MESSAGE_INDEXES, MessageCollection } from './message-collection.ts';

/** To be ensured before the store is used. */
export const CONVERSATION_INDEXES: readonly IndexSpec[] = [
  ...CONVERSATION_DOCUMENT_INDEXES,
  ...MESSAGE_INDEXES,
];

/**
 * What a writer left that died between its write and its look at the tombstone is removed so long after the deletion,
 * ms: no call of the driver takes effect as late as that.
 */
const SWEEP_AFTER = 120_000;
const LAST_DATE = 8.64e15;

function isMessageKey(key: unknown): key is [place: number] {
  return Array.isArray(key) && key.length === 1 && Number.isSafeInteger(key[0]);
}

/** From a message to the first one, or to where one is missing or comes again: a circle must not hold the process. */
export function lineage(parents: ReadonlyMap<string, string | undefined>, leaf: string): string[] {
  const line = new Set<string>();
  for (let id: string | undefined = leaf; id !== undefined && parents.has(id) && !line.has(id);) {
    line.add(id);
    id = parents.get(id);
  }
  return [...line];
}

/**
 * A document for each conversation and each message; every write is atomic in one of them. A deleted conversation is a
 * tombstone first, and its messages go afterwards. Whoever writes a message takes a place in the living conversation
 * before, looks whether it still lives after, and takes the message back where it does not: of the two orders in which
 * a write and a deletion can meet, one has the message removed by the deleter, the other by the writer. Tombstones are
 * kept for 30 days.
 */
export function createMongoConversationStore({
  mongo,
}: {
  mongo: MongoConnection;
}): ConversationStore {
  const conversations = new ConversationCollection(mongo);
  const messages = new MessageCollection(mongo);

  async function sweep(now: number, limit: number): Promise<void> {
    const before = new Date(Math.min(now, LAST_DATE) - SWEEP_AFTER);
    const ids = await conversations.unswept(before, limit);
    if (ids.length === 0) return;
    await messages.removeAll(ids);
    await conversations.swept(ids, before);
  }

  return {
    async ensure(conversation) {
      const id = keyText(conversation.conversationId);
      await conversations.insert(id, conversation);
      return conversations.isLive(id);
    },

    async get(conversationId) {
      return conversations.get(keyText(conversationId));
    },

    async list(owner, page) {
      const rows = await conversations.list(owner, placeOf(page), page.limit + 1);
      return pageOf(rows, page.limit, {
        item: publicConversation,
        key: ({ updatedAt, conversationId }) => [updatedAt, conversationId],
      });
    },

    async allOf(owner, { limit, cursor }) {
      const [after] = cursor === undefined ? [''] : decodeCursor(cursor, isIdKey);
      return pageOf(await conversations.allOf(owner, after, limit + 1), limit, {
        item: (record) => record,
        key: ({ conversationId }) => [conversationId],
      });
    },

    async setTitle(conversationId, title, by) {
      const id = keyText(conversationId);
      return (await conversations.setTitle(id, title, by)) ?? conversations.get(id);
    },

    async touch(conversationId, updatedAt, purgeAt) {
      await conversations.touch(keyText(conversationId), updatedAt, purgeAt);
    },

    async condemn(conversationId) {
      await conversations.condemn(keyText(conversationId));
    },

    async keep(conversationId, updatedAt) {
      const id = keyText(conversationId);
      return (await conversations.keep(id, updatedAt)) ?? conversations.get(id);
    },

    async delete(conversationId) {
      const id = keyText(conversationId);
      await conversations.bury(id);
      await messages.removeAll([id]);
    },

    async idleSince(before, after, limit) {
      const place: TimeKey | undefined = after && [after.updatedAt, keyText(after.conversationId)];
      const idle = await conversations.idleSince(before, place, limit);
      return idle.map(({ conversationId, updatedAt }) => ({ conversationId, updatedAt }));
    },

    async purgeable(now, limit) {
      // Asked for every few seconds by every replica, which makes it the place to finish what a crash left undone.
      await sweep(now, limit);
      return conversations.purgeable(now, limit);
    },

    async upsertMessage(message, fence) {
      const id = keyText(message.conversationId);
      const place = await conversations.nextPlace(id);
      if (place === undefined) return 'gone';
      const stored = await messages.upsert(message, fence, place);
      if (await conversations.isLive(id)) return stored ? 'stored' : 'stale_fence';
      await messages.remove(id, keyText(message.messageId));
      return 'gone';
    },

    async message(conversationId, messageId) {
      return messages.get(keyText(conversationId), keyText(messageId));
    },

    async some(conversationId, messageIds) {
      return messages.many(keyText(conversationId), messageIds.map(keyText));
    },

    async links(conversationId) {
      const parents = await messages.parents(keyText(conversationId));
      return [...parents].map(([message, parent]) => ({
        messageId: textOfKey(message),
        parentMessageId: parent === undefined ? null : textOfKey(parent),
      }));
    },

    async messages(conversationId, { limit, cursor }) {
      const [after] = cursor === undefined ? [0] : decodeCursor(cursor, isMessageKey);
      return pageOf(await messages.after(keyText(conversationId), after, limit + 1), limit, {
        item: ({ message }) => message,
        key: ({ place }) => [place],
      });
    },

    async lastMessage(conversationId) {
      return messages.last(keyText(conversationId));
    },

    async branch(conversationId, leafMessageId) {
      const id = keyText(conversationId);
      const line = lineage(await messages.parents(id), keyText(leafMessageId));
      return messages.many(id, line.toReversed());
    },

    async ping() {
      await mongo.ping();
    },
  };
}
