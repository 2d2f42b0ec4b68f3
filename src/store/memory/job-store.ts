import type { Clock } from '../../lib/clock.ts';
import {
  isLive,
  keysOf,
  usesSlot,
  type FinishedJob,
  type Job,
  type Owner,
  type QueuedJob,
} from '../../stream/job.ts';
import type { JobStore, StoreResult } from '../../stream/job-store.ts';
import { dueAt } from '../job-due.ts';
import { assertNext } from '../job-version.ts';

interface Entry {
  job: Job;
  logDropped: boolean;
}

/** What is kept and what is handed out share nothing, as with any store that keeps text. */
function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

const isClaimable = (job: Job): job is QueuedJob =>
  job.status === 'queued' && job.lane === 'active';
const isWaiting = (job: Job): job is QueuedJob => job.status === 'queued' && job.lane === 'waiting';
const isActive = (job: Job): boolean => isLive(job) && job.lane === 'active';

function sameOwner(a: Owner, b: Owner): boolean {
  return a.tenantId === b.tenantId && a.userId === b.userId;
}

function byQueue(a: QueuedJob, b: QueuedJob): number {
  return a.queuedAt - b.queuedAt || (a.generationId < b.generationId ? -1 : 1);
}

/**
 * Records in this process only, for tests and simulations: it scans, so it is not meant for many. Each method does its
 * work before it first yields, which makes it atomic.
 */
export function createMemoryJobStore({ clock }: { clock: Clock }): JobStore {
  /** In order of insertion: oldest first. */
  const entries = new Map<string, Entry>();

  function all(matches: (job: Job) => boolean): Job[] {
    return [...entries.values()].map(({ job }) => job).filter(matches);
  }

  function activeOf(conversationId: string): Job | undefined {
    return all((job) => job.conversationId === conversationId && isActive(job))[0];
  }

  function withKey(key: string): Job | undefined {
    return all((job) => keysOf(job).includes(key))[0];
  }

  function claimable(): QueuedJob[] {
    return all(() => true)
      .filter(isClaimable)
      .toSorted(byQueue);
  }

  function compareAndSet(next: Job, expected: number): StoreResult {
    const entry = entries.get(next.generationId);
    if (entry?.job.version !== expected) {
      return { outcome: 'stale', current: entry && copy(entry.job) };
    }
    const active = isActive(next) ? activeOf(next.conversationId) : undefined;
    if (active && active.generationId !== next.generationId) return { outcome: 'lane_taken' };
    const holders = keysOf(next).map(withKey);
    if (holders.some((holder) => holder && holder.generationId !== next.generationId)) {
      return { outcome: 'key_taken' };
    }
    entry.job = copy(next);
    return { outcome: 'stored' };
  }

  return {
    async now() {
      return clock.now();
    },

    async insert(job, { maxPerOwner }) {
      const duplicate = withKey(job.idempotencyKey);
      if (duplicate) return { outcome: 'duplicate', job: copy(duplicate) };
      const active = job.lane === 'active' ? activeOf(job.conversationId) : undefined;
      if (active) return { outcome: 'busy', job: copy(active) };
      const live = all((other) => sameOwner(other.owner, job.owner) && usesSlot(other)).length;
      if (live >= maxPerOwner) return { outcome: 'limit', live };
      if (entries.has(job.generationId)) throw new Error(`${job.generationId} was used before`);
      entries.set(job.generationId, { job: copy(job), logDropped: false });
      return { outcome: 'inserted', job: copy(job) };
    },

    async get(generationId) {
      const entry = entries.get(generationId);
      return entry && copy(entry.job);
    },

    async byIdempotencyKey(key) {
      const job = withKey(key);
      return job && copy(job);
    },

    async compareAndSet(next, expected) {
      assertNext({ next, expected });
      return compareAndSet(next, expected);
    },

    async compareAndSetAll(changes) {
      changes.forEach(assertNext);
      return changes.map(({ next, expected }) => compareAndSet(next, expected));
    },

    async liveOf(conversationId) {
      const live = all((job) => job.conversationId === conversationId && isLive(job));
      return copy([...live.filter(isActive), ...live.filter((job) => !isActive(job))]);
    },

    async latestOf(conversationId) {
      const newest = all((job) => job.conversationId === conversationId).at(-1);
      return newest && copy(newest);
    },

    async liveByOwner(owner, limit) {
      const live = all((job) => sameOwner(job.owner, owner) && isLive(job));
      return copy(live.slice(0, limit));
    },

    async claimable(limit) {
      return copy(claimable().slice(0, limit));
    },

    async queuePosition(generationId) {
      return claimable().findIndex((job) => job.generationId === generationId) + 1;
    },

    async due(now, limit) {
      const due = all(() => true)
        .map((job) => {
          const orphan = isWaiting(job) && !activeOf(job.conversationId);
          return { job, since: orphan ? job.queuedAt : (dueAt(job) ?? Infinity), orphan };
        })
        .filter(({ since, orphan }) => orphan || since <= now)
        .toSorted((a, b) => a.since - b.since);
      return copy(due.slice(0, limit).map(({ job }) => job));
    },

    async withLogOlderThan(before, limit) {
      const finished = [...entries.values()]
        .filter(({ logDropped }) => !logDropped)
        .map(({ job }) => job)
        .filter((job): job is FinishedJob => job.status === 'finished' && job.finishedAt <= before)
        .toSorted((a, b) => a.finishedAt - b.finishedAt);
      return copy(finished.slice(0, limit));
    },

    async logDropped(generationId) {
      const entry = entries.get(generationId);
      if (entry?.job.status === 'finished') entry.logDropped = true;
    },

    async allOf(conversationId) {
      return copy(all((job) => job.conversationId === conversationId));
    },

    async deleteConversation(conversationId) {
      for (const job of all((job) => job.conversationId === conversationId)) {
        entries.delete(job.generationId);
      }
    },

    async ping() {},
  };
}
