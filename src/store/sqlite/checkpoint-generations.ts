import type Database from 'libsql';
import { z } from 'zod';
import type { AttemptRef } from '../../agent/agent-runner.ts';
import { threadId, type CheckpointIndex, type Checkpoints } from '../../agent/checkpoints.ts';
import { fenceOf, generationOf, threadRange } from '../checkpoint-rules.ts';
import { SqliteCheckpointSaver } from './checkpoint-saver.ts';
import { ensureCheckpointTables } from './checkpoint-schema.ts';

/**
 * How many deleted generations are remembered. A run that was fenced off and has not noticed yet can only live in
 * this process, which is the only one to open the file: memory suffices, and a restart ends every such run. One that
 * outlives this many later deletions leaves a few rows that the next `deleteGeneration` of its id takes away.
 */
const REMEMBERED_DELETIONS = 10_000;

const COLUMNS = {
  checkpoints:
    'checkpoint_ns, checkpoint_id, parent_id, body_type, body, metadata_type, metadata, versions',
  checkpoint_values: 'checkpoint_ns, channel, version, type, value',
  checkpoint_writes: 'checkpoint_ns, checkpoint_id, task_id, idx, channel, type, value',
};

const OF_GENERATION = 'thread_id >= ? AND thread_id < ?';

const rootRow = z.object({ thread_id: z.string() });

export interface SqliteCheckpointsDeps {
  db: Database.Database;
  /** See `CheckpointSaverDeps`. Only debugging needs more than the newest. */
  keepHistory?: boolean;
}

/**
 * Checkpoints of generations. A thread holds only what going on needs (see `keepHistory`), so `fork` copies all of
 * it; checkpoint ids stay the same, because task and interrupt ids derive from them.
 */
export function createSqliteCheckpoints(
  deps: SqliteCheckpointsDeps,
): Checkpoints & CheckpointIndex {
  const { db, keepHistory = false } = deps;
  ensureCheckpointTables(db);
  const deleted = new Set<string>();
  const tables = Object.entries(COLUMNS).map(([table, columns]) => ({
    copy: db.prepare(
      `INSERT INTO ${table} (thread_id, ${columns})
       SELECT ?, ${columns} FROM ${table} WHERE thread_id = ? ORDER BY rowid`,
    ),
    deleteThread: db.prepare(`DELETE FROM ${table} WHERE thread_id = ?`),
    deleteGeneration: db.prepare(`DELETE FROM ${table} WHERE ${OF_GENERATION}`),
  }));
  const roots = db.prepare(
    `SELECT DISTINCT thread_id FROM checkpoints WHERE ${OF_GENERATION} AND checkpoint_ns = ''`,
  );

  const listed = db.prepare(
    'SELECT DISTINCT thread_id FROM checkpoints WHERE thread_id >= ? ORDER BY thread_id LIMIT ?',
  );

  function threadsBelow(attempt: AttemptRef): string[] {
    return roots
      .all(...threadRange(attempt.generationId))
      .map((row) => rootRow.parse(row).thread_id)
      .filter((thread) => fenceOf(thread) < attempt.fence);
  }

  const fork = db.transaction((from: AttemptRef, to: AttemptRef) => {
    for (const { copy, deleteThread } of tables) {
      deleteThread.run(threadId(to));
      copy.run(threadId(to), threadId(from));
    }
    if (keepHistory) return;
    // Nobody goes back behind the source: a generation that pauses often holds two copies of its state, not all.
    for (const thread of threadsBelow(from)) {
      for (const { deleteThread } of tables) deleteThread.run(thread);
    }
  });

  const deleteGeneration = db.transaction((generationId: string) => {
    for (const table of tables) table.deleteGeneration.run(...threadRange(generationId));
  });

  return {
    saver: new SqliteCheckpointSaver({
      db,
      keepHistory,
      accepts: (thread) => !deleted.has(generationOf(thread)),
    }),
    async latestFenceBelow(attempt) {
      const fences = threadsBelow(attempt).map(fenceOf);
      return fences.length > 0 ? Math.max(...fences) : undefined;
    },
    async fork(fromFence, attempt) {
      fork.immediate({ generationId: attempt.generationId, fence: fromFence }, attempt);
    },
    async generations(after, limit) {
      const [, behind] = threadRange(after);
      const rows = listed.all(after === '' ? '' : behind, limit);
      return [...new Set(rows.map((row) => generationOf(rootRow.parse(row).thread_id)))];
    },
    async deleteGeneration(generationId) {
      deleted.add(generationId);
      const [oldest] = deleted;
      if (deleted.size > REMEMBERED_DELETIONS && oldest !== undefined) deleted.delete(oldest);
      deleteGeneration.immediate(generationId);
    },
  };
}
