import type { FinishedJob, Job, QueuedJob } from '../../stream/job.ts';
import type { Change, JobStore, StoreResult } from '../../stream/job-store.ts';
import { assertNext } from '../job-version.ts';
import type { RedisConnection } from './connection.ts';
import { indexArguments, score } from './job-index.ts';
import {
  ALL_JOBS,
  conversationKeys,
  deleteKeys,
  idempotencyKey,
  idText,
  insertKeys,
  ownerKeys,
  RECORD_PREFIX,
  recordKey,
  replaceKeys,
} from './job-keys.ts';
import { jobOrNone } from './job-replies.ts';
import { JOB_SCRIPTS } from './job-scripts.ts';

export interface RedisJobStoreDeps {
  redis: RedisConnection;
  /** The store's clock, epoch ms: `redisTime`. */
  now: () => Promise<number>;
}

/** So many records at most in one reply that has no limit of its own. */
const PAGE = 100;

const isQueued = (job: Job): job is QueuedJob => job.status === 'queued';
const isFinished = (job: Job): job is FinishedJob => job.status === 'finished';
const isActive = ({ lane }: Job): boolean => lane === 'active';

/**
 * One hash a job, and sorted sets for what is asked about jobs. Every write is one script, which compares first and then
 * changes the record with all its indexes; every list is one script too: what it names is as the list says.
 */
export function createRedisJobStore({ redis, now }: RedisJobStoreDeps): JobStore {
  /** Jobs of an index from one rank to another, both inclusive; negative ones count from the end. */
  function range(index: string, first: number, last: number): Promise<Job[]> {
    return JOB_SCRIPTS.range.call(redis, [index], [RECORD_PREFIX, first, last]);
  }

  async function first(index: string, limit: number): Promise<Job[]> {
    return limit > 0 ? range(index, 0, limit - 1) : [];
  }

  async function earliest(
    indexes: { key: string; until: number }[],
    limit: number,
  ): Promise<Job[]> {
    if (limit <= 0) return [];
    const until = indexes.map(({ until }) => score(until));
    const args = [RECORD_PREFIX, limit, ...until];
    return JOB_SCRIPTS.earliest.call(
      redis,
      indexes.map(({ key }) => key),
      args,
    );
  }

  /** All at once: the limit of an owner bounds them. */
  async function liveOf(conversationId: string): Promise<Job[]> {
    const live = await range(conversationKeys(conversationId).live, 0, -1);
    return [...live.filter(isActive), ...live.filter((job) => !isActive(job))];
  }

  async function read(generationId: string): Promise<Job | undefined> {
    const key = recordKey(generationId);
    return jobOrNone(await redis.run((client) => client.hget(key, 'record')));
  }

  async function replace({ next, expected }: Change): Promise<StoreResult> {
    const own = [idText(next.generationId), JSON.stringify(next), next.version, expected];
    const args = [...own, ...indexArguments(next), next.fence];
    return JOB_SCRIPTS.replace.call(redis, replaceKeys(next), args);
  }

  /** With the keys of all its steers: one that comes in between is read and taken along. */
  async function remove(job: Job): Promise<void> {
    const id = [idText(job.generationId)];
    let current: Job | undefined = job;
    while (current && !(await JOB_SCRIPTS.delete.call(redis, deleteKeys(current), id))) {
      current = await read(job.generationId);
    }
  }

  return {
    now,

    async insert(job, { maxPerOwner }) {
      const { generationId, version, lane, queuedAt } = job;
      const own = [idText(generationId), JSON.stringify(job), version];
      const args = [...own, RECORD_PREFIX, maxPerOwner, lane, score(queuedAt)];
      const reply = await JOB_SCRIPTS.insert.call(redis, insertKeys(job), args);
      if (reply.outcome === 'used') throw new Error(`${generationId} was used before`);
      return reply.outcome === 'inserted' ? { outcome: 'inserted', job } : reply;
    },

    async get(generationId) {
      return read(generationId);
    },

    async byIdempotencyKey(key) {
      return JOB_SCRIPTS.byKey.call(redis, [idempotencyKey(key)], [RECORD_PREFIX]);
    },

    async compareAndSet(next, expected) {
      assertNext({ next, expected });
      return replace({ next, expected });
    },

    /** All of them are sent in one turn of the loop, which the connection makes one write. */
    async compareAndSetAll(changes) {
      changes.forEach(assertNext);
      const settled = await Promise.allSettled(changes.map(replace));
      return settled.map((result) =>
        result.status === 'fulfilled'
          ? result.value
          : { outcome: 'failed', error: result.reason as unknown },
      );
    },

    async liveOf(conversationId) {
      return liveOf(conversationId);
    },

    async latestOf(conversationId) {
      const [newest] = await range(conversationKeys(conversationId).jobs, -1, -1);
      return newest;
    },

    async liveByOwner(owner, limit) {
      return first(ownerKeys(owner).live, limit);
    },

    async claimable(limit) {
      return (await first(ALL_JOBS.queue, limit)).filter(isQueued);
    },

    async queuePosition(generationId) {
      const id = idText(generationId);
      const rank = await redis.run((client) => client.zrank(ALL_JOBS.queue, id));
      return rank === null ? 0 : rank + 1;
    },

    async due(now, limit) {
      const timed = { key: ALL_JOBS.due, until: now };
      const orphans = { key: ALL_JOBS.orphans, until: Number.MAX_SAFE_INTEGER };
      return earliest([timed, orphans], limit);
    },

    async withLogOlderThan(before, limit) {
      const logs = { key: ALL_JOBS.logs, until: before };
      return (await earliest([logs], limit)).filter(isFinished);
    },

    async logDropped(generationId) {
      const keys = [recordKey(generationId), ALL_JOBS.logs];
      await JOB_SCRIPTS.dropLog.call(redis, keys, [idText(generationId)]);
    },

    async allOf(conversationId) {
      const { jobs } = conversationKeys(conversationId);
      const all: Job[] = [];
      for (;;) {
        const page = await range(jobs, all.length, all.length + PAGE - 1);
        all.push(...page);
        if (page.length < PAGE) return all;
      }
    },

    /** The job that has the lane goes after those that wait behind it, so none of them becomes due meanwhile. */
    async deleteConversation(conversationId) {
      for (const job of (await liveOf(conversationId)).toReversed()) await remove(job);
      const { jobs } = conversationKeys(conversationId);
      for (;;) {
        const page = await range(jobs, 0, PAGE - 1);
        if (page.length === 0) return;
        await Promise.all(page.map(remove));
      }
    },

    async ping() {
      await redis.ping();
    },
  };
}
