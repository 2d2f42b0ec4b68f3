import type Database from 'libsql';
import type { ConversationRecord, ConversationStore } from '../../stream/conversation-store.ts';
import type { Conversation, Message } from '../../stream/message.ts';
import { decodeCursor, pageOf, timePage, type TimeKey, isIdKey } from '../page-cursor.ts';
import { ConversationTable } from './conversation-table.ts';
import { assertUsable } from './database.ts';
import { MessageTable } from './message-table.ts';

function isMessageKey(key: unknown): key is [ord: number] {
  return Array.isArray(key) && key.length === 1 && Number.isSafeInteger(key[0]);
}

function shown(record: ConversationRecord): Conversation {
  const { conversationId, title, temporary, createdAt, updatedAt } = record;
  return { conversationId, title, temporary, createdAt, updatedAt };
}

const later = (a: number | null, b: number | null): number | null =>
  a === null || (b !== null && b > a) ? b : a;

export function createSqliteConversationStore({
  db,
}: {
  db: Database.Database;
}): ConversationStore {
  const conversations = new ConversationTable(db);
  const messages = new MessageTable(db);

  const remove = db.transaction((conversationId: string) => {
    messages.deleteAll(conversationId);
    conversations.bury(conversationId);
  });

  return {
    async ensure(conversation) {
      conversations.insert(conversation);
      return conversations.find(conversation.conversationId) !== undefined;
    },

    async get(conversationId) {
      return conversations.find(conversationId);
    },

    async list(owner, page) {
      return timePage(page, (after, limit) => conversations.list(owner, after, limit), {
        item: shown,
        key: ({ updatedAt, conversationId }) => [updatedAt, conversationId],
      });
    },

    async allOf(owner, { limit, cursor }) {
      const [after] = cursor === undefined ? [''] : decodeCursor(cursor, isIdKey);
      return pageOf(conversations.allOf(owner, after, limit + 1), limit, {
        item: (record) => record,
        key: ({ conversationId }) => [conversationId],
      });
    },

    async setTitle(conversationId, title, by) {
      const record = conversations.find(conversationId);
      if (!record || (by === 'generated' && record.title !== null)) return record;
      const titled = { ...record, title };
      conversations.replace(titled);
      return titled;
    },

    async touch(conversationId, updatedAt, purgeAt) {
      const record = conversations.find(conversationId);
      if (!record) return;
      conversations.replace({
        ...record,
        updatedAt: updatedAt > record.updatedAt ? updatedAt : record.updatedAt,
        purgeAt: record.temporary ? later(record.purgeAt, purgeAt) : record.purgeAt,
      });
    },

    async condemn(conversationId) {
      const record = conversations.find(conversationId);
      if (record) conversations.replace({ ...record, temporary: true, purgeAt: 0 });
    },

    async keep(conversationId, updatedAt) {
      const record = conversations.find(conversationId);
      if (!record?.temporary || record.purgeAt === 0) return record;
      const kept = { ...record, temporary: false, purgeAt: null, updatedAt };
      conversations.replace(kept);
      return kept;
    },

    async delete(conversationId) {
      remove.immediate(conversationId);
    },

    async idleSince(before, after, limit) {
      const place: TimeKey = after ? [after.updatedAt, after.conversationId] : ['', ''];
      const idle = conversations.idleSince(before, place, limit);
      return idle.map(({ conversationId, updatedAt }) => ({ conversationId, updatedAt }));
    },

    async purgeable(now, limit) {
      return conversations.purgeable(now, limit);
    },

    async upsertMessage(message, fence) {
      // No await in between: the connection is ours alone, so this is one step.
      const { conversationId, messageId } = message;
      if (!conversations.find(conversationId)) return 'gone';
      const known = messages.find(conversationId, messageId);
      if (known && fence < known.fence) return 'stale_fence';
      messages.upsert(message, fence);
      return 'stored';
    },

    async message(conversationId, messageId) {
      return messages.find(conversationId, messageId)?.message;
    },

    async some(conversationId, messageIds) {
      return messageIds.flatMap((id) => messages.find(conversationId, id)?.message ?? []);
    },

    async links(conversationId) {
      return messages.links(conversationId);
    },

    async messages(conversationId, { limit, cursor }) {
      const [after] = cursor === undefined ? [0] : decodeCursor(cursor, isMessageKey);
      return pageOf(messages.after(conversationId, after, limit + 1), limit, {
        item: ({ message }) => message,
        key: ({ ord }) => [ord],
      });
    },

    async lastMessage(conversationId) {
      return messages.last(conversationId)?.message;
    },

    async branch(conversationId, leafMessageId) {
      const branch: Message[] = [];
      // A message that answers itself, however far round, must not hold the process.
      const seen = new Set<string>();
      for (let id: string | null = leafMessageId; id !== null && !seen.has(id);) {
        seen.add(id);
        const message: Message | undefined = messages.find(conversationId, id)?.message;
        if (message) branch.push(message);
        id = message?.parentMessageId ?? null;
      }
      return branch.toReversed();
    },

    async ping() {
      assertUsable(db);
    },
  };
}

/**
 * Removes the tombstones of conversations that no record belongs to. Right after opening only: a late writer that a
 * tombstone must stop is either of this process or the recovery of a record. Returns how many there were.
 */
export function dropTombstones(db: Database.Database): number {
  return db
    .prepare(
      `DELETE FROM conversations WHERE record IS NULL AND conversation_id NOT IN (SELECT conversation_id FROM jobs)`,
    )
    .run([]).changes;
}
