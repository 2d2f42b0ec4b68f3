import type Database from 'libsql';
import type { AppendRequest, AppendResult, EventTransport } from '../../stream/event-transport.ts';
import { encodeBatch } from '../log-batch.ts';
import { assertAppendable } from '../log-rules.ts';
import { LogWatchers } from '../log-watchers.ts';
import { assertUsable } from './database.ts';
import { LogTable } from './log-table.ts';

interface QueuedAppend {
  request: AppendRequest;
  encoded: string;
  resolve: (result: AppendResult) => void;
  reject: (error: unknown) => void;
}

/**
 * Logs in SQLite. The appends that arrive in one turn of the event loop commit together: the more generations run at
 * once, the less a token costs. The queue is bounded by its callers, who wait for each append.
 */
export function createSqliteEventTransport({ db }: { db: Database.Database }): EventTransport {
  const table = new LogTable(db);
  const watchers = new LogWatchers((id) => table.info(id)?.head ?? 0);
  let queue: QueuedAppend[] = [];

  /** A transaction that fails takes what is known in memory with it. */
  function atomically<T>(work: () => T): T {
    try {
      return db.transaction(work).immediate();
    } catch (error) {
      table.forget();
      throw error;
    }
  }

  function commit(): void {
    const batch = queue;
    queue = [];
    let results: AppendResult[];
    try {
      results = atomically(() =>
        batch.map(({ request, encoded }) => table.append(request, encoded)),
      );
    } catch (error) {
      for (const { reject } of batch) reject(error);
      return;
    }
    results.forEach((result, index) => {
      const entry = batch[index];
      if (!entry) return;
      entry.resolve(result);
      if (result.outcome === 'appended') watchers.notify(entry.request.generationId);
    });
  }

  return {
    async create(generationId) {
      table.create(generationId);
    },

    async fence(generationId, fence) {
      return atomically(() => {
        const log = table.info(generationId);
        if (!log) return undefined;
        if (fence < log.fence) return { outcome: 'stale_fence', fence: log.fence };
        table.fence(generationId, fence);
        return { ...log, fence };
      });
    },

    async append(request) {
      // Checked before it is queued: a caller's mistake must not fail the others of its turn.
      assertAppendable(request);
      const encoded = encodeBatch(request.events);
      const result = new Promise<AppendResult>((resolve, reject) => {
        queue.push({ request, encoded, resolve, reject });
      });
      if (queue.length === 1) setImmediate(commit);
      return result;
    },

    async info(generationId) {
      const log = table.info(generationId);
      return log && { ...log };
    },

    async read(generationId, range) {
      const page = table.read(generationId, range);
      return page && { events: page.events, info: { ...page.info } };
    },

    watch: (listener) => watchers.watch(listener),

    async drop(generationId) {
      atomically(() => table.drop(generationId));
      watchers.notify(generationId);
    },

    async list(cursor, limit) {
      return table.list(Number(cursor ?? 0), limit);
    },

    async ping() {
      assertUsable(db);
    },
  };
}
