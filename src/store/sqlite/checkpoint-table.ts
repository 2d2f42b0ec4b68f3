import type Database from 'libsql';
import type { CheckpointKey } from '../checkpoint-rules.ts';
import {
  checkpointRow,
  keyRow,
  valueRow,
  writeRow,
  type CheckpointRecord,
  type Sealed,
  type StoredCheckpoint,
  type StoredWrite,
} from './checkpoint-rows.ts';

export interface KeyQuery {
  threadId: string | undefined;
  namespace: string | undefined;
  checkpointId: string | undefined;
  /** Only ids below this one. */
  before: string | undefined;
}

export interface PendingWriteRecord {
  taskId: string;
  idx: number;
  channel: string;
  value: Sealed;
}

/** The SQL of the saver: synchronous, sealed values in and out. */
export interface CheckpointTable {
  /** With `replace` everything else of the thread's namespace goes in the same transaction. */
  put(record: CheckpointRecord, replace: boolean): void;
  /** A negative index is a slot of its own that the latest write takes; any other keeps its first write. */
  putWrites(key: CheckpointKey, writes: PendingWriteRecord[]): void;
  get(key: CheckpointKey): StoredCheckpoint | undefined;
  newest(threadId: string, namespace: string): StoredCheckpoint | undefined;
  /** Newest first. */
  keys(query: KeyQuery): CheckpointKey[];
  writesOf(key: CheckpointKey): StoredWrite[];
  deleteThread(threadId: string): void;
}

const OF_NAMESPACE = 'thread_id = ? AND checkpoint_ns = ?';
const OF_CHECKPOINT = `${OF_NAMESPACE} AND checkpoint_id = ?`;

const PUT = `INSERT INTO checkpoints
  (thread_id, checkpoint_ns, checkpoint_id, parent_id, body_type, body, metadata_type, metadata, versions)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id) DO UPDATE SET parent_id = excluded.parent_id,
    body_type = excluded.body_type, body = excluded.body, metadata_type = excluded.metadata_type,
    metadata = excluded.metadata, versions = excluded.versions`;

const PUT_VALUE = `INSERT INTO checkpoint_values (thread_id, checkpoint_ns, channel, version, type, value)
  VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO UPDATE SET type = excluded.type, value = excluded.value`;

const PUT_WRITE = `INSERT INTO checkpoint_writes
  (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO`;

/** The second arm finds writes that reached the disk after their checkpoint had been replaced. */
const DROP_OTHER_WRITES = `DELETE FROM checkpoint_writes WHERE ${OF_NAMESPACE} AND checkpoint_id <> ? AND
  (checkpoint_id IN (SELECT checkpoint_id FROM checkpoints WHERE ${OF_NAMESPACE}) OR checkpoint_id < ?)`;

const DROP_OTHER_VALUES = `DELETE FROM checkpoint_values WHERE ${OF_NAMESPACE}
  AND (channel, version) NOT IN (SELECT key, value FROM json_each(?))`;

const VALUES = `SELECT channel, held.type AS type, held.value AS value
  FROM json_each(?) AS wanted JOIN checkpoint_values AS held
  ON ${OF_NAMESPACE} AND held.channel = wanted.key AND held.version = wanted.value`;

const KEYS = `SELECT thread_id, checkpoint_ns, checkpoint_id FROM checkpoints
  WHERE (?1 IS NULL OR thread_id = ?1) AND (?2 IS NULL OR checkpoint_ns = ?2)
    AND (?3 IS NULL OR checkpoint_id = ?3) AND (?4 IS NULL OR checkpoint_id < ?4) ORDER BY seq DESC`;

export function createCheckpointTable(db: Database.Database): CheckpointTable {
  const sql = {
    put: db.prepare(PUT),
    putValue: db.prepare(PUT_VALUE),
    putSlot: db.prepare(
      `${PUT_WRITE} UPDATE SET channel = excluded.channel, type = excluded.type, value = excluded.value`,
    ),
    putOnce: db.prepare(`${PUT_WRITE} NOTHING`),
    dropOthers: db.prepare(`DELETE FROM checkpoints WHERE ${OF_NAMESPACE} AND checkpoint_id <> ?`),
    dropOtherWrites: db.prepare(DROP_OTHER_WRITES),
    dropOtherValues: db.prepare(DROP_OTHER_VALUES),
    get: db.prepare(`SELECT * FROM checkpoints WHERE ${OF_CHECKPOINT}`),
    newest: db.prepare(`SELECT * FROM checkpoints WHERE ${OF_NAMESPACE} ORDER BY seq DESC LIMIT 1`),
    values: db.prepare(VALUES),
    writes: db.prepare(
      `SELECT task_id, channel, type, value FROM checkpoint_writes WHERE ${OF_CHECKPOINT} ORDER BY seq`,
    ),
    keys: db.prepare(KEYS),
    deleteThread: ['checkpoints', 'checkpoint_values', 'checkpoint_writes'].map((table) =>
      db.prepare(`DELETE FROM ${table} WHERE thread_id = ?`),
    ),
  };

  function writesOf({ threadId, namespace, checkpointId }: CheckpointKey): StoredWrite[] {
    return sql.writes.all(threadId, namespace, checkpointId).map((row) => writeRow.parse(row));
  }

  function complete(found: unknown): StoredCheckpoint | undefined {
    if (found === undefined) return undefined;
    const row = checkpointRow.parse(found);
    const key = keyRow.parse(row);
    return {
      ...key,
      parentId: row.parent_id ?? undefined,
      body: { type: row.body_type, data: row.body },
      metadata: { type: row.metadata_type, data: row.metadata },
      values: sql.values
        .all(row.versions, key.threadId, key.namespace)
        .map((value) => valueRow.parse(value)),
      writes: writesOf(key),
    };
  }

  function insert(record: CheckpointRecord, versions: string): void {
    const { threadId, namespace, checkpointId, body, metadata } = record;
    const key = [threadId, namespace, checkpointId, record.parentId ?? null];
    const sealed = [body.type, body.data, metadata.type, metadata.data];
    sql.put.run(...key, ...sealed, versions);
    for (const { channel, version, value } of record.changed) {
      sql.putValue.run(threadId, namespace, channel, version, value.type, value.data);
    }
  }

  const put = db.transaction((record: CheckpointRecord, replace: boolean) => {
    const { threadId, namespace, checkpointId } = record;
    const versions = JSON.stringify(record.versions);
    const own = [threadId, namespace, checkpointId];
    if (replace) {
      sql.dropOtherWrites.run(...own, threadId, namespace, checkpointId);
      sql.dropOthers.run(...own);
    }
    insert(record, versions);
    if (replace) sql.dropOtherValues.run(threadId, namespace, versions);
  });

  const putWrites = db.transaction((key: CheckpointKey, writes: PendingWriteRecord[]) => {
    for (const { taskId, idx, channel, value } of writes) {
      const statement = idx < 0 ? sql.putSlot : sql.putOnce;
      const place = [key.threadId, key.namespace, key.checkpointId, taskId, idx];
      statement.run(...place, channel, value.type, value.data);
    }
  });

  const deleteThread = db.transaction((threadId: string) => {
    for (const statement of sql.deleteThread) statement.run(threadId);
  });

  return {
    put: (record, replace) => put.immediate(record, replace),
    putWrites: (key, writes) => putWrites.immediate(key, writes),
    get: (key) => complete(sql.get.get(key.threadId, key.namespace, key.checkpointId)),
    newest: (threadId, namespace) => complete(sql.newest.get(threadId, namespace)),
    keys: (query) =>
      sql.keys
        .all(
          query.threadId ?? null,
          query.namespace ?? null,
          query.checkpointId ?? null,
          query.before ?? null,
        )
        .map((row) => keyRow.parse(row)),
    writesOf,
    deleteThread: (threadId) => deleteThread.immediate(threadId),
  };
}
