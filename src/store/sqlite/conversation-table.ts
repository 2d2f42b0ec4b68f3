import type Database from 'libsql';
import type { ConversationRecord } from '../../stream/conversation-store.ts';
import type { Owner } from '../../stream/job.ts';
import type { TimeKey } from '../page-cursor.ts';
import { all, first, keyText, text, type Row, type SqlValue } from './cells.ts';

/** The record was written by this program together with its columns: it is parsed, not checked again. */
export function conversationIn(row: Row): ConversationRecord {
  const record: ConversationRecord = JSON.parse(text(row, 'record'));
  return record;
}

const LISTED = 'tenant_id = ? AND user_id = ? AND purge_at IS NULL AND record IS NOT NULL';
const LIST = `SELECT record FROM conversations WHERE ${LISTED}`;
const NEWEST_FIRST = 'ORDER BY updated_at DESC, conversation_id DESC LIMIT ?';

function prepare(db: Database.Database) {
  return {
    insert: db.prepare(
      `INSERT INTO conversations (updated_at, purge_at, record, conversation_id, tenant_id, user_id)
       VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (conversation_id) DO NOTHING`,
    ),
    replace: db.prepare(
      'UPDATE conversations SET updated_at = ?, purge_at = ?, record = ? WHERE conversation_id = ?',
    ),
    find: db.prepare(
      'SELECT record FROM conversations WHERE conversation_id = ? AND record IS NOT NULL',
    ),
    list: db.prepare(`${LIST} ${NEWEST_FIRST}`),
    listAfter: db.prepare(`${LIST} AND (updated_at, conversation_id) < (?, ?) ${NEWEST_FIRST}`),
    idle: db.prepare(
      `SELECT record FROM conversations WHERE purge_at IS NULL AND record IS NOT NULL AND updated_at <= ?
         AND (updated_at, conversation_id) > (?, ?) ORDER BY updated_at, conversation_id LIMIT ?`,
    ),
    allOf: db.prepare(
      `SELECT record FROM conversations WHERE tenant_id = ? AND user_id = ? AND conversation_id > ?
       AND record IS NOT NULL ORDER BY conversation_id LIMIT ?`,
    ),
    purgeable: db.prepare(
      'SELECT record FROM conversations WHERE purge_at <= ? AND record IS NOT NULL ORDER BY purge_at LIMIT ?',
    ),
    bury: db.prepare(
      `INSERT INTO conversations (conversation_id, tenant_id, user_id, updated_at) VALUES (?, '', '', '')
       ON CONFLICT (conversation_id) DO UPDATE SET
         tenant_id = '', user_id = '', updated_at = '', purge_at = NULL, record = NULL`,
    ),
  };
}

const NEVER = Number.MAX_SAFE_INTEGER;

function changing(record: ConversationRecord): SqlValue[] {
  // Temporary ones, and only they, have a time to go: that is how the list leaves them out.
  const purgeAt = record.temporary ? (record.purgeAt ?? NEVER) : null;
  return [record.updatedAt, purgeAt, JSON.stringify(record)];
}

/** The SQL of conversations: synchronous. A row without a record is a tombstone. */
export class ConversationTable {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Database.Database) {
    this.#sql = prepare(db);
  }

  /** Does nothing where there is a row already, be it a tombstone. */
  insert(record: ConversationRecord): void {
    const { conversationId, owner } = record;
    const keys = [conversationId, owner.tenantId, owner.userId].map(keyText);
    this.#sql.insert.run([...changing(record), ...keys]);
  }

  replace(record: ConversationRecord): void {
    this.#sql.replace.run([...changing(record), keyText(record.conversationId)]);
  }

  find(conversationId: string): ConversationRecord | undefined {
    const row = first(this.#sql.find, [keyText(conversationId)]);
    return row && conversationIn(row);
  }

  list(
    { tenantId, userId }: Owner,
    after: TimeKey | undefined,
    limit: number,
  ): ConversationRecord[] {
    const owner = [keyText(tenantId), keyText(userId)];
    const rows = after
      ? all(this.#sql.listAfter, [...owner, after[0], keyText(after[1]), limit])
      : all(this.#sql.list, [...owner, limit]);
    return rows.map(conversationIn);
  }

  idleSince(before: string, [at, id]: TimeKey, limit: number): ConversationRecord[] {
    return all(this.#sql.idle, [before, at, keyText(id), limit]).map(conversationIn);
  }

  allOf({ tenantId, userId }: Owner, after: string, limit: number): ConversationRecord[] {
    const owner = [keyText(tenantId), keyText(userId)];
    return all(this.#sql.allOf, [...owner, keyText(after), limit]).map(conversationIn);
  }

  purgeable(now: number, limit: number): string[] {
    return all(this.#sql.purgeable, [now, limit]).map((row) => conversationIn(row).conversationId);
  }

  bury(conversationId: string): void {
    this.#sql.bury.run([keyText(conversationId)]);
  }
}
