import type Database from 'libsql';
import type { FileQuota, FileRecord } from '../../files/file-store.ts';
import type { Owner } from '../../stream/owner.ts';
import type { TimeKey } from '../page-cursor.ts';
import { all, first, integer, keyText, text, type Row } from './cells.ts';

/** A file, and the name under which its bytes are. */
export interface FileRow {
  file: FileRecord;
  blob: string;
}

/** The record was written by this program together with its columns: it is parsed, not checked again. */
function rowOf(row: Row): FileRow {
  const file: FileRecord = JSON.parse(text(row, 'record'));
  // The one thing of it that changes.
  return { file: { ...file, lastUsedAt: text(row, 'last_used_at') }, blob: text(row, 'blob') };
}

const SELECT = 'SELECT record, last_used_at, blob FROM files';
const OWNED = 'tenant_id = ? AND user_id = ?';
const NEWEST_FIRST = 'ORDER BY created_at DESC, file_id DESC LIMIT ?';

function prepare(db: Database.Database) {
  return {
    insert: db.prepare(
      `INSERT INTO files (file_id, tenant_id, user_id, conversation_id, created_at, last_used_at, size, blob, record)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    find: db.prepare(`${SELECT} WHERE file_id = ?`),
    used: db.prepare(
      `SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM files WHERE ${OWNED}`,
    ),
    list: db.prepare(`${SELECT} WHERE ${OWNED} ${NEWEST_FIRST}`),
    listAfter: db.prepare(
      `${SELECT} WHERE ${OWNED} AND (created_at, file_id) < (?, ?) ${NEWEST_FIRST}`,
    ),
    touch: db.prepare('UPDATE files SET last_used_at = ? WHERE file_id = ? AND last_used_at < ?'),
    remove: db.prepare('DELETE FROM files WHERE file_id = ? RETURNING blob'),
    removeOf: db.prepare('DELETE FROM files WHERE conversation_id = ? RETURNING blob'),
    unused: db.prepare(`${SELECT} WHERE last_used_at <= ? ORDER BY last_used_at, file_id LIMIT ?`),
    byBlob: db.prepare('SELECT 1 AS known FROM files WHERE blob = ?'),
  };
}

const keysOf = ({ tenantId, userId }: Owner): string[] => [keyText(tenantId), keyText(userId)];

/** The SQL of files: synchronous. */
export class FileTable {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Database.Database) {
    this.#sql = prepare(db);
  }

  insert({ file, blob }: FileRow): void {
    const { fileId, owner, conversationId, createdAt, lastUsedAt, size } = file;
    const conversation = conversationId === null ? null : keyText(conversationId);
    const keys = [keyText(fileId), ...keysOf(owner), conversation, createdAt, lastUsedAt];
    this.#sql.insert.run([...keys, size, blob, JSON.stringify(file)]);
  }

  find(fileId: string): FileRow | undefined {
    const row = first(this.#sql.find, [keyText(fileId)]);
    return row && rowOf(row);
  }

  used(owner: Owner): FileQuota {
    const row = first(this.#sql.used, keysOf(owner)) ?? {};
    return { files: integer(row, 'files'), bytes: integer(row, 'bytes') };
  }

  list(owner: Owner, after: TimeKey | undefined, limit: number): FileRecord[] {
    const rows = after
      ? all(this.#sql.listAfter, [...keysOf(owner), after[0], keyText(after[1]), limit])
      : all(this.#sql.list, [...keysOf(owner), limit]);
    return rows.map((row) => rowOf(row).file);
  }

  touch(fileId: string, at: string): void {
    this.#sql.touch.run([at, keyText(fileId), at]);
  }

  /** Names of the bytes that nobody has any more. */
  remove(fileId: string): string[] {
    return all(this.#sql.remove, [keyText(fileId)]).map((row) => text(row, 'blob'));
  }

  removeOf(conversationId: string): string[] {
    return all(this.#sql.removeOf, [keyText(conversationId)]).map((row) => text(row, 'blob'));
  }

  unused(before: string, limit: number): FileRecord[] {
    return all(this.#sql.unused, [before, limit]).map((row) => rowOf(row).file);
  }

  hasBlob(blob: string): boolean {
    return first(this.#sql.byBlob, [blob]) !== undefined;
  }
}
