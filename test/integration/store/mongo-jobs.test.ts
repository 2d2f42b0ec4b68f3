import { beforeEach, describe, expect, test } from '@jest/globals';
import { newDocument } from '../../../src/store/mongo/job-document.ts';
import {
  createMongoJobStore,
  ensureIndexes,
  JOB_INDEXES,
  type MongoConnection,
} from '../../../src/store/mongo/index.ts';
import type { Job, QueuedJob } from '../../../src/stream/job.ts';
import type { JobStore } from '../../../src/stream/job-store.ts';
import { EPOCH } from '../../support/fake-clock.ts';
import { queriesOf, servedBy } from '../../support/index-use.ts';
import {
  aQueuedJob,
  finalizing,
  finished,
  paused,
  requeued,
  running,
  steered,
} from '../../support/jobs.ts';
import { describeMongo } from '../../support/mongo-service.ts';

const NO_LIMIT = { maxPerOwner: 1_000_000 };
const times = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n));
const storeOn = (mongo: MongoConnection): JobStore =>
  createMongoJobStore({ mongo, now: async () => EPOCH });

function tally(results: { outcome: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of results) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

async function moved<J extends Job>(jobs: JobStore, next: J): Promise<J> {
  expect(await jobs.compareAndSet(next, next.version - 1)).toEqual({ outcome: 'stored' });
  return next;
}

/** Straight into the collection: 10,000 calls would take long. */
async function manyWaiting(
  mongo: MongoConnection,
  count: number,
  conversationId: string,
): Promise<void> {
  const documents = times(count, (n) =>
    newDocument(aQueuedJob({ conversationId, lane: 'waiting', queuedAt: EPOCH + (n >> 2) }), {
      at: EPOCH + n,
      slot: n,
    }),
  ).map((document, n) => ({ ...document, slotOf: `owner ${n}` }));
  await mongo.db.collection<(typeof documents)[0]>('jobs').insertMany(documents);
}

describeMongo('jobs of many replicas', (at) => {
  let jobs: JobStore;
  /** One for each of four replicas. */
  let replicas: JobStore[];

  /** What a call asks the server. */
  const sent = (call: () => Promise<unknown>) => queriesOf(at.mongo.model('jobs', {}), call);
  const replica = (n: number): JobStore => replicas[n % replicas.length] ?? jobs;

  beforeEach(async () => {
    await at.clear();
    await ensureIndexes(at.mongo, JOB_INDEXES);
    jobs = storeOn(at.mongo);
    replicas ??= [at.mongo, await at.connect(), await at.connect(), await at.connect()].map(
      storeOn,
    );
  });

  async function inserted(overrides: Partial<QueuedJob> = {}): Promise<QueuedJob> {
    const job = aQueuedJob(overrides);
    expect(await jobs.insert(job, NO_LIMIT)).toMatchObject({ outcome: 'inserted' });
    return job;
  }

  describe('races', () => {
    test('of 200 writes at one version one wins, and all others see it', async () => {
      const job = await inserted();
      const writes = times(200, (n) => running(job, EPOCH + n));

      const results = await Promise.all(writes.map((next, n) => replica(n).compareAndSet(next, 1)));

      expect(tally(results)).toEqual({ stored: 1, stale: 199 });
      const winner = writes[results.findIndex(({ outcome }) => outcome === 'stored')];
      expect(results.filter((one) => 'current' in one).map((one) => one.current)).toEqual(
        times(199, () => winner),
      );
    });

    test('of 50 inserts with one key one is stored', async () => {
      const results = await Promise.all(
        times(50, (n) => replica(n).insert(aQueuedJob({ idempotencyKey: 'same' }), NO_LIMIT)),
      );

      expect(tally(results)).toEqual({ inserted: 1, duplicate: 49 });
    });

    test('of 20 turns and 20 steers with one key at all replicas at once one is stored', async () => {
      const key = 'tenant/user/same';
      const answers = await Promise.all(times(20, () => inserted()));

      const results = await Promise.all(
        answers.flatMap((job, n) => [
          replica(n).compareAndSet(steered(job, key), 1),
          replica(n + 1).insert(aQueuedJob({ idempotencyKey: key }), NO_LIMIT),
        ]),
      );

      expect([
        { stored: 1, key_taken: 19, duplicate: 20 },
        { key_taken: 20, inserted: 1, duplicate: 19 },
      ]).toContainEqual(tally(results));
    });

    test('of 50 inserts into one conversation one is stored', async () => {
      const results = await Promise.all(
        times(50, (n) => replica(n).insert(aQueuedJob({ conversationId: 'conv' }), NO_LIMIT)),
      );

      expect(tally(results)).toEqual({ inserted: 1, busy: 49 });
    });

    test('of 50 inserts of an owner as many as allowed are stored', async () => {
      const results = await Promise.all(
        times(50, (n) => replica(n).insert(aQueuedJob(), { maxPerOwner: 7 })),
      );

      expect(tally(results)).toEqual({ inserted: 7, limit: 43 });
    });

    test('slots that become free under load are used again, and never more than allowed', async () => {
      let most = 0;
      const owner = { tenantId: 'tenant', userId: 'busy' };
      const work = async (n: number): Promise<number> => {
        let done = 0;
        for (let round = 0; round < 6; round += 1) {
          const job = aQueuedJob({ owner });
          const { outcome } = await replica(n).insert(job, { maxPerOwner: 5 });
          if (outcome !== 'inserted') continue;
          most = Math.max(most, (await jobs.liveByOwner(owner, 100)).length);
          await moved(replica(n), finished(job));
          done += 1;
        }
        return done;
      };

      const done = await Promise.all(times(12, work));

      expect(most).toBeLessThanOrEqual(5);
      expect(done.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(5);
      expect(await jobs.insert(aQueuedJob({ owner }), { maxPerOwner: 1 })).toMatchObject({
        outcome: 'inserted',
      });
    });

    test('jobs that come back from a pause count, and are never refused', async () => {
      const owner = { tenantId: 'tenant', userId: 'pausing' };
      const waiting = await Promise.all(
        times(3, async () => moved(jobs, paused(await inserted({ owner })))),
      );
      await Promise.all(waiting.map((job) => moved(jobs, requeued(job, EPOCH))));

      const results = await Promise.all(
        times(20, (n) => replica(n).insert(aQueuedJob({ owner }), { maxPerOwner: 5 })),
      );

      expect(tally(results)).toEqual({ inserted: 2, limit: 18 });
      const refused = results.find(({ outcome }) => outcome === 'limit');
      expect(refused).toEqual({ outcome: 'limit', live: 5 });
    });

    test('a job that is queued again keeps its slot', async () => {
      const owner = { tenantId: 'tenant', userId: 'again' };
      const job = await moved(jobs, running(await inserted({ owner })));
      await moved(jobs, requeued(job, EPOCH));

      expect(await jobs.insert(aQueuedJob({ owner }), { maxPerOwner: 1 })).toEqual({
        outcome: 'limit',
        live: 1,
      });
    });
  });

  describe('order', () => {
    test('a later insert into a conversation comes later, though its clock was set back', async () => {
      const conversationId = 'conv';
      const first = await inserted({ conversationId, createdAt: EPOCH });
      await moved(jobs, finished(first));
      const second = await inserted({ conversationId, createdAt: EPOCH - 300_000 });

      expect(await jobs.latestOf(conversationId)).toEqual(second);
      expect((await jobs.allOf(conversationId)).map((job) => job.generationId)).toEqual([
        first.generationId,
        second.generationId,
      ]);
    });
  });

  describe('jobs that wait', () => {
    test('are found behind any number of others whose turn has not come, in bounded steps', async () => {
      await inserted({ conversationId: 'conv' });
      await manyWaiting(at.mongo, 10_400, 'conv');
      const orphan = await inserted({ lane: 'waiting', queuedAt: EPOCH + 900_000 });

      expect(await jobs.due(EPOCH, 10)).toEqual([]);
      expect(await jobs.due(EPOCH, 10)).toEqual([orphan]);
    });

    test('for nobody are given oldest first, as many as asked for, over pages', async () => {
      await manyWaiting(at.mongo, 1_203, 'nobody');

      const due = await jobs.due(EPOCH, 1_000);

      expect(due).toHaveLength(1_000);
      const places = due.map((job) => ('queuedAt' in job ? job.queuedAt : 0));
      expect(places).toEqual(places.toSorted((a, b) => a - b));
      expect(new Set(due.map(({ generationId }) => generationId)).size).toBe(1_000);
      expect(places.at(-1)).toBe(EPOCH + 249);
    });
  });

  describe('a record that MongoDB could not hold', () => {
    const MB = 1024 * 1024;
    const large = <J extends Job>(job: J, megabytes: number): J => ({
      ...job,
      input: { ...job.input, text: 'x'.repeat(megabytes * MB) },
    });

    test('of a new job is refused as too large a request', async () => {
      const insert = jobs.insert(large(aQueuedJob(), 13), NO_LIMIT);

      await expect(insert).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE', status: 413 });
    });

    test('ends a run with a code, and leaves room to write that end', async () => {
      const job = await inserted();

      await expect(jobs.compareAndSet(large(running(job), 13), 1)).rejects.toMatchObject({
        name: 'RunError',
        code: 'RECORD_TOO_LARGE',
      });

      expect(await jobs.get(job.generationId)).toEqual(job);
      await moved(jobs, large(finalizing(job), 13));
      await expect(
        jobs.compareAndSet(large(finished(finalizing(job)), 17), 2),
      ).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
    });
  });

  test('what the record holds comes back as it was, keys and strings of every kind', async () => {
    const odd = ['a.b', '$set', '', '\u0000', '\ud800', '__proto__x', 'ключ', '🐙'];
    const args = Object.fromEntries(odd.map((key) => [key, { [key]: [key, null, 1e21, -0.5] }]));
    const job = await inserted({ spec: { ...aQueuedJob().spec, metadata: args } });

    expect(JSON.stringify(await jobs.get(job.generationId))).toBe(JSON.stringify(job));
  });

  test('a document whose one key is a string, as they were before there were steers, is like any other', async () => {
    const old = await inserted();
    const raw = at.mongo.db.collection<{ _id: string }>('jobs');
    const idempotencyKey = old.idempotencyKey;
    await raw.updateOne({ _id: old.generationId }, { $set: { key: idempotencyKey } });
    const other = await inserted();

    expect(await jobs.byIdempotencyKey(idempotencyKey)).toEqual(old);
    expect(await jobs.insert(aQueuedJob({ idempotencyKey }), NO_LIMIT)).toEqual({
      outcome: 'duplicate',
      job: old,
    });
    expect(await jobs.compareAndSet(steered(other, idempotencyKey), 1)).toEqual({
      outcome: 'key_taken',
    });
    const next = await moved(jobs, steered(old, 'tenant/user/steer'));
    for (const key of [idempotencyKey, 'tenant/user/steer']) {
      expect(await jobs.byIdempotencyKey(key)).toEqual(next);
    }
  });

  describe('indexes', () => {
    test('every query is entered by an index that also gives the order', async () => {
      const job = await inserted();
      await inserted({ lane: 'waiting', conversationId: job.conversationId });
      const { generationId, conversationId, owner } = job;
      const calls: Record<string, [() => Promise<unknown>, string[]]> = {
        insert: [() => jobs.insert(aQueuedJob(), NO_LIMIT), ['slots', 'conversation']],
        full: [
          () => jobs.insert(aQueuedJob(), { maxPerOwner: 0 }),
          ['slots', 'conversation', 'key', 'lane'],
        ],
        get: [() => jobs.get(generationId), ['_id_']],
        byKey: [() => jobs.byIdempotencyKey('key'), ['key']],
        write: [() => jobs.compareAndSet(running(job), 1), ['_id_']],
        liveOf: [() => jobs.liveOf(conversationId), ['live']],
        latestOf: [() => jobs.latestOf(conversationId), ['conversation']],
        allOf: [() => jobs.allOf(conversationId), ['conversation']],
        owner: [() => jobs.liveByOwner(owner, 10), ['owner']],
        claimable: [() => jobs.claimable(10), ['queue']],
        due: [() => jobs.due(EPOCH, 10), ['due', 'waiting', 'lane']],
        logs: [() => jobs.withLogOlderThan(EPOCH, 10), ['logs']],
        dropped: [() => jobs.logDropped(generationId), ['_id_']],
        delete: [() => jobs.deleteConversation('other'), ['conversation']],
      };

      for (const [name, [call, wanted]] of Object.entries(calls)) {
        const used = (await sent(call)).map((query) => servedBy(JOB_INDEXES, query)[0]);
        expect([name, used]).toEqual([name, wanted]);
      }
    });

    test('the place in the queue is counted in its index', async () => {
      const { generationId } = await inserted();

      const queries = await sent(() => jobs.queuePosition(generationId));

      expect(queries.map((query) => servedBy(JOB_INDEXES, query))).toEqual([
        ['_id_'],
        ['queue'],
        ['_id_', 'queue'],
      ]);
    });
  });
});
