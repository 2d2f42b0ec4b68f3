import type Database from 'libsql';
import { first, integer } from './cells.ts';

/**
 * Each entry brings the file from version `index` to `index + 1`. One that was released is never edited: later
 * changes are new entries.
 *
 * Records are one JSON text each. The columns beside it are copies of what is searched by, written in the same
 * statement; nothing is ever read from them as a fact.
 */
const MIGRATIONS = [
  `
  CREATE TABLE jobs (
    ord INTEGER PRIMARY KEY,
    generation_id TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    status TEXT NOT NULL,
    lane TEXT NOT NULL,
    queued_at INTEGER,
    due_at INTEGER,
    finished_at INTEGER,
    log_dropped INTEGER NOT NULL DEFAULT 0,
    record TEXT NOT NULL
  );
  CREATE UNIQUE INDEX jobs_active ON jobs (conversation_id) WHERE lane = 'active' AND status <> 'finished';
  CREATE INDEX jobs_conversation ON jobs (conversation_id);
  CREATE INDEX jobs_owner ON jobs (tenant_id, user_id) WHERE status <> 'finished';
  CREATE INDEX jobs_queue ON jobs (queued_at, generation_id) WHERE status = 'queued' AND lane = 'active';
  CREATE INDEX jobs_waiting ON jobs (conversation_id) WHERE status = 'queued' AND lane = 'waiting';
  CREATE INDEX jobs_due ON jobs (due_at) WHERE due_at IS NOT NULL;
  CREATE INDEX jobs_logs ON jobs (finished_at) WHERE finished_at IS NOT NULL AND log_dropped = 0;

  CREATE TABLE logs (
    id INTEGER PRIMARY KEY,
    generation_id TEXT NOT NULL UNIQUE,
    head INTEGER NOT NULL,
    first INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    closed INTEGER NOT NULL
  );
  -- Rows of all logs lie in the order they were written, so a commit of many logs fills few pages.
  CREATE TABLE log_batches (
    id INTEGER PRIMARY KEY,
    log_id INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    events TEXT NOT NULL
  );
  CREATE UNIQUE INDEX log_batches_place ON log_batches (log_id, last_seq);

  CREATE TABLE conversations (
    conversation_id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    purge_at INTEGER,
    -- NULL: a tombstone.
    record TEXT
  );
  CREATE INDEX conversations_listed ON conversations (tenant_id, user_id, updated_at, conversation_id)
    WHERE purge_at IS NULL AND record IS NOT NULL;
  CREATE INDEX conversations_purge ON conversations (purge_at) WHERE purge_at IS NOT NULL;
  CREATE TABLE messages (
    ord INTEGER PRIMARY KEY,
    conversation_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    fence INTEGER NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (conversation_id, message_id)
  );
  CREATE INDEX messages_place ON messages (conversation_id, ord);
  `,
];

/** The file was written by a newer version of this program. */
export class DatabaseTooNewError extends Error {
  override name = 'DatabaseTooNewError';
  constructor(path: string, found: number) {
    super(
      `The database ${path} has schema version ${found}; this version knows ${MIGRATIONS.length}. ` +
        'Start the newer version, or restore an older copy of the file.',
    );
  }
}

export function migrate(db: Database.Database, path: string): void {
  const found = first(db.prepare('SELECT user_version FROM pragma_user_version'), []);
  const version = found ? integer(found, 'user_version') : 0;
  if (version > MIGRATIONS.length) throw new DatabaseTooNewError(path, version);
  MIGRATIONS.slice(version).forEach((sql, index) => {
    // The version is part of the transaction: a crash leaves the step undone as a whole.
    db.transaction(() => {
      db.exec(sql);
      db.exec(`PRAGMA user_version = ${version + index + 1}`);
    })();
  });
}
