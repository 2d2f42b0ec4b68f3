import type Database from 'libsql';

/**
 * Checkpoints are stored in parts: the body without channel values, and each channel value once per version, so a
 * step that changed one channel does not write the others again.
 *
 * `seq` orders rows by the time they were written. Checkpoint ids are ordered too, but by a clock that may step back
 * between two runs of the process.
 */
const TABLES = `
CREATE TABLE IF NOT EXISTS checkpoints (
  seq INTEGER PRIMARY KEY,
  thread_id TEXT NOT NULL,
  checkpoint_ns TEXT NOT NULL,
  checkpoint_id TEXT NOT NULL,
  parent_id TEXT,
  body_type TEXT NOT NULL,
  body BLOB NOT NULL,
  metadata_type TEXT NOT NULL,
  metadata BLOB NOT NULL,
  versions TEXT NOT NULL,
  UNIQUE (thread_id, checkpoint_ns, checkpoint_id)
);
CREATE TABLE IF NOT EXISTS checkpoint_values (
  thread_id TEXT NOT NULL,
  checkpoint_ns TEXT NOT NULL,
  channel TEXT NOT NULL,
  version TEXT NOT NULL,
  type TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (thread_id, checkpoint_ns, channel, version)
);
CREATE TABLE IF NOT EXISTS checkpoint_writes (
  seq INTEGER PRIMARY KEY,
  thread_id TEXT NOT NULL,
  checkpoint_ns TEXT NOT NULL,
  checkpoint_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  idx INTEGER NOT NULL,
  channel TEXT NOT NULL,
  type TEXT NOT NULL,
  value BLOB NOT NULL,
  UNIQUE (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
);
`;

export function ensureCheckpointTables(db: Database.Database): void {
  db.exec(TABLES);
}
