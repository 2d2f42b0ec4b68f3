import type Database from 'libsql';
import { first, integer } from './cells.ts';
import { OperatorError } from '../../lib/operator-error.ts';

/** A tool policy that says nothing, as it was when runs began to have one. */
const NO_POLICY =
  '{"enabled":true,"mode":"default","allow":[],"deny":[],"ask":[],"allowedDecisions":[],"approvers":[],' +
  '"fourEyes":false,"suppressAlwaysAllow":[],"defaultToNo":[],"onExpiry":"fail","allowChangedAgent":false}';

/**
 * Each entry brings the file from version `index` to `index + 1`. One that was released is never edited: later
 * changes are new entries.
 *
 * Records are one JSON text each. The columns beside it are copies of what is searched by, written in the same
 * statement; nothing is ever read from them as a fact.
 */
export const MIGRATIONS = [
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
  `
  CREATE TABLE approvals (
    action_id TEXT PRIMARY KEY,
    -- Empty until it is opened, and when its conversation was deleted.
    conversation_id TEXT NOT NULL,
    status TEXT NOT NULL,
    -- NULL: not opened yet, or deleted.
    record TEXT
  );
  CREATE INDEX approvals_conversation ON approvals (conversation_id) WHERE record IS NOT NULL;
  -- Who may see an approval that is pending: its owner, and each role; nobody any more when it has ended.
  CREATE TABLE approval_audience (
    tenant_id TEXT NOT NULL,
    member TEXT NOT NULL,
    created_at TEXT NOT NULL,
    action_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, member, created_at, action_id)
  ) WITHOUT ROWID;
  CREATE INDEX approval_audience_action ON approval_audience (action_id);
  CREATE TABLE approval_audit (
    ord INTEGER PRIMARY KEY,
    action_id TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    at TEXT NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (action_id, entry_id)
  );
  CREATE TABLE approval_rules (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    rule_id TEXT NOT NULL,
    conversation_id TEXT,
    created_at TEXT NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0,
    record TEXT NOT NULL,
    PRIMARY KEY (tenant_id, user_id, rule_id)
  ) WITHOUT ROWID;
  CREATE INDEX approval_rules_listed ON approval_rules (tenant_id, user_id, created_at, rule_id) WHERE revoked = 0;
  CREATE INDEX approval_rules_conversation ON approval_rules (conversation_id) WHERE conversation_id IS NOT NULL;

  -- Records of the version before. Their pauses were not announced to approvers: a lease that is over has it done.
  UPDATE jobs SET due_at = 0, record = json_set(record, '$.interruptId', NULL, '$.warnAt', NULL,
    '$.lease', json('{"driver":"","leaseUntil":0}')) WHERE status = 'paused';
  UPDATE jobs SET record = json_set(record, '$.answered',
    json_object('action', json_extract(record, '$.answered'), 'interruptId', NULL))
    WHERE json_extract(record, '$.answered') IS NOT NULL;
  UPDATE jobs SET record = json_set(record, '$.spec.policy', json_object(
    'service', json('${NO_POLICY}'), 'agent', json('${NO_POLICY}')));

  CREATE TABLE outbox (
    ord INTEGER PRIMARY KEY,
    item_id TEXT NOT NULL UNIQUE,
    event TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    -- NULL: delivered or given up; only the id is kept.
    next_at INTEGER,
    payload TEXT
  );
  CREATE INDEX outbox_due ON outbox (next_at) WHERE next_at IS NOT NULL;
  `,
  `
  CREATE TABLE files (
    file_id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    conversation_id TEXT,
    created_at TEXT NOT NULL,
    last_used_at TEXT NOT NULL,
    size INTEGER NOT NULL,
    -- Name of the bytes in the folder.
    blob TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL
  );
  CREATE INDEX files_listed ON files (tenant_id, user_id, created_at, file_id);
  CREATE INDEX files_conversation ON files (conversation_id) WHERE conversation_id IS NOT NULL;
  CREATE INDEX files_unused ON files (last_used_at, file_id);

  -- Whose data is to be deleted, until it is.
  CREATE TABLE erasures (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
  ) WITHOUT ROWID;
  CREATE INDEX conversations_owner ON conversations (tenant_id, user_id, conversation_id) WHERE record IS NOT NULL;
  `,
  `
  CREATE INDEX conversations_idle ON conversations (updated_at, conversation_id)
    WHERE purge_at IS NULL AND record IS NOT NULL;
  CREATE INDEX approvals_ended ON approvals (json_extract(record, '$.action.createdAt'), action_id)
    WHERE record IS NOT NULL AND status <> 'pending';

  -- Records of before agents came from a file: what a turn is frozen with has since then a date, and why it has its agent.
  UPDATE jobs SET record = json_set(record,
    '$.spec.anchor', strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(record, '$.createdAt') / 1000.0, 'unixepoch'),
    '$.spec.route', json('{"by":"default"}'), '$.spec.files', json('[]'))
    WHERE json_extract(record, '$.spec.anchor') IS NULL;
  `,
  `
  -- Idempotency keys of steers; none of them is in jobs too.
  CREATE TABLE job_steers (
    idempotency_key TEXT PRIMARY KEY,
    generation_id TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX job_steers_job ON job_steers (generation_id);
  -- For those that ended and for all: few wait.
  DROP INDEX approvals_ended;
  CREATE INDEX approvals_proposed ON approvals (json_extract(record, '$.action.createdAt'), action_id)
    WHERE record IS NOT NULL;
  `,
  `
  -- Whom a message follows, as JSON: of a conversation's tree nothing but this index is read.
  ALTER TABLE messages ADD COLUMN parent TEXT NOT NULL DEFAULT 'null';
  UPDATE messages SET parent = record -> '$.parentMessageId';
  DROP INDEX messages_place;
  CREATE INDEX messages_place ON messages (conversation_id, ord, message_id, parent);
  `,
  `
  -- Sequence of the oldest entry kept, which was always 1: logs are not trimmed.
  ALTER TABLE logs DROP COLUMN first;
  `,
];

/** The file was written by a newer version of this program. */
export class DatabaseTooNewError extends OperatorError {
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
