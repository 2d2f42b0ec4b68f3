import { unavailable } from '../../errors.ts';
import type { FinishedJob, Job, QueuedJob } from '../../stream/job.ts';
import type { Change, InsertResult, JobStore, StoreResult } from '../../stream/job-store.ts';
import { assertNext } from '../job-version.ts';
import { keyText } from '../key-text.ts';
import type { MongoConnection } from './connection.ts';
import { setAll } from './job-batch.ts';
import { ownerText } from './job-document.ts';
import { DueJobs } from './job-due.ts';
import { slotToTry } from './job-slots.ts';
import { atMost, below, JobTable } from './job-table.ts';

export interface MongoJobStoreDeps {
  /** With `JOB_INDEXES` ensured: the unique ones decide who wins. */
  mongo: MongoConnection;
  /** The store's clock, epoch ms: `mongoTime`. */
  now: () => Promise<number>;
}

/** Each try that is lost means that somebody else inserted a job of this owner; so many in a row is no load to serve. */
const MAX_TRIES = 100;

const AGE = { at: 1, _id: 1 } as const;
const NEWEST_FIRST = { at: -1, _id: -1 } as const;

const isQueued = (job: Job): job is QueuedJob => job.status === 'queued';
const isFinished = (job: Job): job is FinishedJob => job.status === 'finished';
const isActive = ({ lane }: Job): boolean => lane === 'active';

/**
 * One document a job; every change of state is one write to one document, decided by its version and by unique
 * indexes. Nothing needs a transaction or a change stream.
 */
export function createMongoJobStore({ mongo, now }: MongoJobStoreDeps): JobStore {
  const table = new JobTable(mongo);
  const dueJobs = new DueJobs(table);

  async function blocker(job: QueuedJob): Promise<InsertResult | undefined> {
    const duplicate = await table.one({ key: keyText(job.idempotencyKey) });
    if (duplicate) return { outcome: 'duplicate', job: duplicate };
    const active = isActive(job) && (await table.one({ lane: keyText(job.conversationId) }));
    return active ? { outcome: 'busy', job: active } : undefined;
  }

  /** Later than every job of the conversation so far, however clocks were set. */
  async function placeOf({ conversationId, createdAt }: QueuedJob): Promise<number> {
    const [newest] = await table.fields(
      {
        where: { conversation: keyText(conversationId) },
        sort: NEWEST_FIRST,
        limit: 1,
      },
      ['at'],
    );
    return Math.max(createdAt, (newest?.at ?? 0) + 1);
  }

  async function slotsOf(job: QueuedJob): Promise<(number | undefined)[]> {
    const used = await table.fields({ where: { slotOf: ownerText(job.owner) } }, ['slot']);
    return used.map(({ slot }) => slot);
  }

  /** Undefined: somebody else was faster, and what is there must be read again. */
  async function tryInsert(
    job: QueuedJob,
    maxPerOwner: number,
    attempt: number,
  ): Promise<InsertResult | undefined> {
    const [used, at] = await Promise.all([slotsOf(job), placeOf(job)]);
    const slot = slotToTry(used, maxPerOwner, { attempt, chance: Math.random() });
    if (slot === undefined) {
      return (await blocker(job)) ?? { outcome: 'limit', live: used.length };
    }
    const written = await table.insert(job, { at, slot });
    if (written === 'written') return { outcome: 'inserted', job };
    const blocked = await blocker(job);
    if (!blocked && written !== 'not_there' && written.taken.includes('_id')) {
      throw new Error(`${job.generationId} was used before`);
    }
    return blocked;
  }

  async function compareAndSet({ next, expected }: Change): Promise<StoreResult> {
    const id = keyText(next.generationId);
    const written = await table.replace(id, next, expected);
    if (written === 'written') return { outcome: 'stored' };
    if (written === 'not_there') return { outcome: 'stale', current: await table.get(id) };
    // Only a document with the expected version comes to meet an index, and only two of them can refuse it.
    return { outcome: written.taken.includes('key') ? 'key_taken' : 'lane_taken' };
  }

  return {
    now,

    async insert(job, { maxPerOwner }) {
      for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
        const result = await tryInsert(job, maxPerOwner, attempt);
        if (result) return result;
      }
      throw unavailable(new Error(`${MAX_TRIES} inserts in a row were lost to others`));
    },

    async get(generationId) {
      return table.get(keyText(generationId));
    },

    async byIdempotencyKey(key) {
      return table.one({ key: keyText(key) });
    },

    async compareAndSet(next, expected) {
      assertNext({ next, expected });
      return compareAndSet({ next, expected });
    },

    async compareAndSetAll(changes) {
      changes.forEach(assertNext);
      return setAll(table, changes, compareAndSet);
    },

    async liveOf(conversationId) {
      const live = await table.many({
        where: { liveIn: keyText(conversationId) },
        sort: AGE,
      });
      return [...live.filter(isActive), ...live.filter((job) => !isActive(job))];
    },

    async latestOf(conversationId) {
      const where = { conversation: keyText(conversationId) };
      return table.one(where, NEWEST_FIRST);
    },

    async liveByOwner(owner, limit) {
      return table.many({
        where: { liveOf: ownerText(owner) },
        sort: AGE,
        limit,
      });
    },

    async claimable(limit) {
      const where = { queuedAt: atMost(Number.MAX_SAFE_INTEGER) };
      return (await table.many({ where, sort: { queuedAt: 1, _id: 1 }, limit })).filter(isQueued);
    },

    async queuePosition(generationId) {
      const id = keyText(generationId);
      const [own] = await table.fields({ where: { _id: id }, limit: 1 }, ['queuedAt']);
      const queuedAt = own?.queuedAt;
      if (queuedAt === undefined) return 0;
      const [ahead, beside] = await Promise.all([
        table.count({ queuedAt: below(queuedAt) }),
        table.count({ queuedAt, _id: atMost(id) }),
      ]);
      return ahead + beside;
    },

    async due(now, limit) {
      return dueJobs.find(now, limit);
    },

    async withLogOlderThan(before, limit) {
      const where = { logDropped: false, finishedAt: atMost(before) };
      const jobs = await table.many({ where, sort: { finishedAt: 1, ...AGE }, limit });
      return jobs.filter(isFinished);
    },

    async logDropped(generationId) {
      await table.markLogDropped(keyText(generationId));
    },

    async allOf(conversationId) {
      const where = { conversation: keyText(conversationId) };
      return table.many({ where, sort: AGE });
    },

    async deleteConversation(conversationId) {
      await table.deleteConversation(keyText(conversationId));
    },

    async ping() {
      await mongo.ping();
    },
  };
}
