import type Database from 'libsql';
import type { Clock } from '../../lib/clock.ts';
import { keysOf, type FinishedJob, type Job, type QueuedJob } from '../../stream/job.ts';
import type { Change, InsertResult, JobStore, StoreResult } from '../../stream/job-store.ts';
import { assertNext } from '../job-version.ts';
import { keyText } from './cells.ts';
import { assertUsable } from './database.ts';
import { JobTable } from './job-table.ts';

const isQueued = (job: Job): job is QueuedJob => job.status === 'queued';
const isFinished = (job: Job): job is FinishedJob => job.status === 'finished';

function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'SQLITE_CONSTRAINT_UNIQUE';
}

export function createSqliteJobStore(deps: { db: Database.Database; clock: Clock }): JobStore {
  const { db, clock } = deps;
  const table = new JobTable(db);

  const insert = db.transaction((job: QueuedJob, maxPerOwner: number): InsertResult => {
    const duplicate = table.one('byKey', [keyText(job.idempotencyKey)]);
    if (duplicate) return { outcome: 'duplicate', job: duplicate };
    const active =
      job.lane === 'active' ? table.one('activeOf', [keyText(job.conversationId)]) : undefined;
    if (active) return { outcome: 'busy', job: active };
    const { tenantId, userId } = job.owner;
    const live = table.count('slotsOf', [keyText(tenantId), keyText(userId)]);
    if (live >= maxPerOwner) return { outcome: 'limit', live };
    table.insert(job);
    return { outcome: 'inserted', job };
  });

  function stale({ generationId }: Job): StoreResult {
    return { outcome: 'stale', current: table.one('byId', [keyText(generationId)]) };
  }

  function replace(next: Job, expected: number): StoreResult {
    try {
      return table.replace(next, expected) ? { outcome: 'stored' } : stale(next);
    } catch (error) {
      // The index that allows one live active job per conversation.
      if (isUniqueViolation(error)) return { outcome: 'lane_taken' };
      throw error;
    }
  }

  /** Keys lie in two tables, so what one index can't refuse is looked for before the write, under its lock. */
  function replaceSteered(next: Job, expected: number): StoreResult {
    const id = keyText(next.generationId);
    if (table.count('atVersion', [id, expected]) === 0) return stale(next);
    const keys = keysOf(next).map(keyText);
    if (keys.some((key) => table.count('othersWithKey', [key, id]) > 0)) {
      return { outcome: 'key_taken' };
    }
    const result = replace(next, expected);
    if (result.outcome === 'stored') for (const key of keys.slice(1)) table.run('steer', [key, id]);
    return result;
  }

  function apply({ next, expected }: Change): StoreResult {
    return next.steers ? replaceSteered(next, expected) : replace(next, expected);
  }

  const applyOne = db.transaction(apply);
  /** One commit; an index that refuses one of them refuses only that one. */
  const applyAll = db.transaction((changes: readonly Change[]) => changes.map(apply));

  const deleteConversation = db.transaction((conversationId: string) => {
    table.run('deleteSteers', [keyText(conversationId)]);
    table.run('deleteConversation', [keyText(conversationId)]);
  });

  return {
    async now() {
      return clock.now();
    },

    async insert(job, { maxPerOwner }) {
      return insert.immediate(job, maxPerOwner);
    },

    async get(generationId) {
      return table.one('byId', [keyText(generationId)]);
    },

    async byIdempotencyKey(key) {
      return table.one('byKey', [keyText(key)]);
    },

    async compareAndSet(next, expected) {
      assertNext({ next, expected });
      const one = { next, expected };
      return next.steers ? applyOne.immediate(one) : apply(one);
    },

    async compareAndSetAll(changes) {
      changes.forEach(assertNext);
      return applyAll.immediate(changes);
    },

    async liveOf(conversationId) {
      return table.many('liveOf', [keyText(conversationId)]);
    },

    async latestOf(conversationId) {
      return table.one('latestOf', [keyText(conversationId)]);
    },

    async liveByOwner({ tenantId, userId }, limit) {
      return table.many('liveByOwner', [keyText(tenantId), keyText(userId), limit]);
    },

    async claimable(limit) {
      return table.many('claimable', [limit]).filter(isQueued);
    },

    async queuePosition(generationId) {
      return table.count('position', [keyText(generationId)]);
    },

    async due(now, limit) {
      return table.many('due', [now, limit]);
    },

    async withLogOlderThan(before, limit) {
      return table.many('logs', [before, limit]).filter(isFinished);
    },

    async logDropped(generationId) {
      table.run('logDropped', [keyText(generationId)]);
    },

    async allOf(conversationId) {
      return table.many('allOf', [keyText(conversationId)]);
    },

    async deleteConversation(conversationId) {
      deleteConversation.immediate(conversationId);
    },

    async ping() {
      assertUsable(db);
    },
  };
}

/**
 * Ends every lease. Right after opening only: the file is locked, so every driver that held one is dead, and its
 * generations need not wait until the leases run out. Returns how many there were.
 */
export function endLeases(db: Database.Database): number {
  const table = new JobTable(db);
  return db.transaction(() => {
    const leased = table.many('leased', []);
    for (const job of leased) {
      if (!('lease' in job) || job.lease === null) continue;
      const lease = { ...job.lease, leaseUntil: 0 };
      table.replace({ ...job, lease, version: job.version + 1 }, job.version);
    }
    return leased.length;
  })();
}
