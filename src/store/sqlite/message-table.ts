import type Database from 'libsql';
import type { Message } from '../../stream/message.ts';
import type { Link } from '../../stream/message-tree.ts';
import { textOfKey } from '../key-text.ts';
import { all, first, integer, keyText, text, type Row } from './cells.ts';

export interface PlacedMessage {
  /** Rises in the order of first insertion; an update keeps it. */
  ord: number;
  fence: number;
  message: Message;
}

/** The record was written by this program: it is parsed, not checked again. */
function placed(row: Row): PlacedMessage {
  const message: Message = JSON.parse(text(row, 'record'));
  return { ord: integer(row, 'ord'), fence: integer(row, 'fence'), message };
}

const SELECT = 'SELECT ord, fence, record FROM messages WHERE conversation_id = ?';

/** Answered by an index alone: answers are long, and a tree has many. */
export const LINKS =
  'SELECT message_id, parent FROM messages WHERE conversation_id = ? ORDER BY ord';

function linkIn(row: Row): Link {
  const parentMessageId: string | null = JSON.parse(text(row, 'parent'));
  return { messageId: textOfKey(text(row, 'message_id')), parentMessageId };
}

function prepare(db: Database.Database) {
  return {
    upsert: db.prepare(
      `INSERT INTO messages (conversation_id, message_id, fence, record, parent) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (conversation_id, message_id)
       DO UPDATE SET fence = excluded.fence, record = excluded.record, parent = excluded.parent`,
    ),
    find: db.prepare(`${SELECT} AND message_id = ?`),
    after: db.prepare(`${SELECT} AND ord > ? ORDER BY ord LIMIT ?`),
    links: db.prepare(LINKS),
    last: db.prepare(`${SELECT} ORDER BY ord DESC LIMIT 1`),
    deleteAll: db.prepare('DELETE FROM messages WHERE conversation_id = ?'),
  };
}

/** The SQL of messages: synchronous. */
export class MessageTable {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Database.Database) {
    this.#sql = prepare(db);
  }

  upsert(message: Message, fence: number): void {
    const key = [message.conversationId, message.messageId].map(keyText);
    const parent = JSON.stringify(message.parentMessageId);
    this.#sql.upsert.run([...key, fence, JSON.stringify(message), parent]);
  }

  find(conversationId: string, messageId: string): PlacedMessage | undefined {
    const row = first(this.#sql.find, [keyText(conversationId), keyText(messageId)]);
    return row && placed(row);
  }

  after(conversationId: string, ord: number, limit: number): PlacedMessage[] {
    return all(this.#sql.after, [keyText(conversationId), ord, limit]).map(placed);
  }

  links(conversationId: string): Link[] {
    return all(this.#sql.links, [keyText(conversationId)]).map(linkIn);
  }

  last(conversationId: string): PlacedMessage | undefined {
    const row = first(this.#sql.last, [keyText(conversationId)]);
    return row && placed(row);
  }

  deleteAll(conversationId: string): void {
    this.#sql.deleteAll.run([keyText(conversationId)]);
  }
}
