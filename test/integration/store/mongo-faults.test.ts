import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { mongo } from 'mongoose';
import { isUnavailable } from '../../../src/errors.ts';
import { asStoreError } from '../../../src/store/mongo/errors.ts';
import {
  createMongoJobStore,
  ensureIndexes,
  JOB_INDEXES,
  mongoTime,
} from '../../../src/store/mongo/index.ts';
import type { Job } from '../../../src/stream/job.ts';
import type { JobStore } from '../../../src/stream/job-store.ts';
import { settle } from '../../support/fake-clock.ts';
import { FairWatch } from '../../support/fair-watch.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { aQueuedJob, running, setAll } from '../../support/jobs.ts';
import { addressOf, atPort, describeMongo } from '../../support/mongo-service.ts';
import { eventually } from '../../support/services.ts';

const MAX_WAIT = 4_000;
const LIMITS = { maxPerOwner: 1_000 };

/** Every call of the port. */
function everyCall(jobs: JobStore, job: Job): Record<keyof JobStore, () => Promise<unknown>> {
  const { conversationId, generationId, owner } = job;
  return {
    now: () => jobs.now(),
    insert: () => jobs.insert(aQueuedJob(), LIMITS),
    get: () => jobs.get(generationId),
    byIdempotencyKey: () => jobs.byIdempotencyKey('key'),
    compareAndSet: () => jobs.compareAndSet(running(job), job.version),
    compareAndSetAll: () => setAll(jobs, [{ next: running(job), expected: job.version }]),
    liveOf: () => jobs.liveOf(conversationId),
    latestOf: () => jobs.latestOf(conversationId),
    liveByOwner: () => jobs.liveByOwner(owner, 10),
    claimable: () => jobs.claimable(10),
    queuePosition: () => jobs.queuePosition(generationId),
    due: () => jobs.due(Date.now(), 10),
    withLogOlderThan: () => jobs.withLogOlderThan(Date.now(), 10),
    logDropped: () => jobs.logDropped(generationId),
    allOf: () => jobs.allOf(conversationId),
    deleteConversation: () => jobs.deleteConversation('other'),
    ping: () => jobs.ping(),
  };
}

/** What became of each call, and how long the longest took, ms. */
async function outcomes(calls: Record<string, () => Promise<unknown>>) {
  const watch = new FairWatch();
  const ended = await Promise.all(
    Object.entries(calls).map(async ([name, call]) => {
      const error: unknown = await call().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      return [name, error === undefined ? 'done' : isUnavailable(error) ? 'unavailable' : error];
    }),
  );
  return { ended: Object.fromEntries(ended), took: watch.stop() };
}

/** Asks until it works. */
async function recovered(jobs: JobStore): Promise<number> {
  const began = performance.now();
  const watch = new FairWatch();
  for (;;) {
    try {
      await jobs.ping();
      return watch.stop();
    } catch (error) {
      if (!isUnavailable(error) || performance.now() - began > 20_000) throw error;
    }
  }
}

describeMongo('jobs when the network fails', (at) => {
  let proxy: FaultProxy;
  let jobs: JobStore;
  /** Past the proxy. */
  let direct: JobStore;

  beforeAll(async () => {
    proxy = await FaultProxy.start(addressOf(at.uri));
    const mongo = await at.connect(atPort(at.uri, proxy.port));
    await ensureIndexes(mongo, JOB_INDEXES);
    jobs = createMongoJobStore({ mongo, now: () => mongoTime(mongo)() });
    direct = createMongoJobStore({ mongo: at.mongo, now: mongoTime(at.mongo) });
  });

  beforeEach(async () => {
    await at.clear();
  });

  afterAll(async () => {
    await proxy.down();
  });

  async function stored(): Promise<Job> {
    const job = aQueuedJob();
    await jobs.insert(job, LIMITS);
    return job;
  }

  const all = (result: string) =>
    Object.fromEntries(Object.keys(everyCall(jobs, aQueuedJob())).map((name) => [name, result]));

  test('with all well every call works', async () => {
    const { ended } = await outcomes(everyCall(jobs, await stored()));

    expect(ended).toEqual(all('done'));
  });

  test.each(['down', 'hang'] as const)(
    'a server that is %s makes every call fail in time, and works again by itself',
    async (fault) => {
      const job = await stored();

      await proxy[fault]();
      const { ended, took } = await outcomes(everyCall(jobs, job));
      await proxy.up();

      expect(ended).toEqual(all('unavailable'));
      expect(took).toBeLessThan(MAX_WAIT);
      expect(await recovered(jobs)).toBeLessThan(5_000);
      expect(await jobs.get(job.generationId)).toBeDefined();
    },
  );

  test('a bulk write that finds no server is out of reach, though the driver makes another error of it', async () => {
    const client = new mongo.MongoClient(atPort(at.uri, proxy.port), {
      serverSelectionTimeoutMS: 50,
    });
    // Its patience is short: a machine that is busy may not connect within it.
    await eventually('it connects', () =>
      client.connect().then(
        () => true,
        () => false,
      ),
    );
    const documents = client.db('none').collection<{ _id: string }>('none');

    await proxy.down();
    const write = { updateOne: { filter: { _id: '1' }, update: { $set: { a: 1 } } } };
    const failure = (): Promise<unknown> =>
      documents.bulkWrite([write]).catch((reason: unknown) => reason);
    // The first ones find out by their sockets, the last knows of no server.
    const errors = [await failure(), await failure(), await failure()];
    await client.close();
    await proxy.up();

    for (const error of errors) {
      expect(error).toBeInstanceOf(mongo.MongoBulkWriteError);
      expect(isUnavailable(asStoreError(error))).toBe(true);
    }
    await recovered(jobs);
  });

  test('connections that are cut between calls are replaced without anybody noticing', async () => {
    const job = await stored();

    for (let round = 0; round < 10; round += 1) {
      proxy.cut();
      // Until the driver's sockets know: a call in the very same moment may fail.
      await settle();
      expect(await jobs.get(job.generationId)).toEqual(job);
    }
  });

  test('cut again and again under writers, nothing acknowledged is lost and nobody wins twice', async () => {
    const job = await stored();
    let acknowledged = 0;
    let left = 40;
    const writer = async (): Promise<void> => {
      while (left > 0) {
        try {
          const current = await jobs.get(job.generationId);
          if (!current) throw new Error('gone');
          const next = { ...current, version: current.version + 1 };
          const { outcome } = await jobs.compareAndSet(next, current.version);
          if (outcome !== 'stored') continue;
          acknowledged += 1;
          left -= 1;
          if (acknowledged % 5 === 0) proxy.cut();
        } catch (error) {
          if (!isUnavailable(error)) throw error;
        }
      }
    };

    await Promise.all([writer(), writer(), writer(), writer()]);

    const version = (await direct.get(job.generationId))?.version ?? 0;
    // A write whose answer was lost for good may be there without having been acknowledged; never the reverse.
    expect(version - 1).toBeGreaterThanOrEqual(acknowledged);
  });

  describe('an answer that is lost on its way', () => {
    /** The command's name as it stands in the request. */
    const WRITE = '\u0002update\u0000';
    const INSERT = '\u0002insert\u0000';

    test('once: the driver asks again, and the write is one', async () => {
      const job = await stored();
      proxy.loseReplies(WRITE, 1);

      expect(await jobs.compareAndSet(running(job), 1)).toEqual({ outcome: 'stored' });

      expect(proxy.unlost).toBe(0);
      expect(await direct.get(job.generationId)).toEqual(running(job));
    });

    test('twice: unavailable; the same write again learns that it is there', async () => {
      const job = await stored();
      const next = running(job);
      proxy.loseReplies(WRITE, 2);

      await expect(jobs.compareAndSet(next, 1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });

      expect(proxy.unlost).toBe(0);
      expect(await jobs.compareAndSet(next, 1)).toEqual({ outcome: 'stale', current: next });
    });

    test('the same for somebody else’s write: stale, with what is there', async () => {
      const job = await stored();
      proxy.loseReplies(WRITE, 2);
      const lost = jobs.compareAndSet(running(job, 1), 1);
      await expect(lost).rejects.toMatchObject({ code: 'UNAVAILABLE' });

      const other = await direct.compareAndSet(running(job, 2), 1);

      expect(other).toEqual({ outcome: 'stale', current: running(job, 1) });
    });

    test('of many writes once: the driver asks again, and each write is one', async () => {
      const [job, other, late] = [await stored(), await stored(), await stored()];
      const current = running(late, 1);
      await direct.compareAndSet(current, 1);
      proxy.loseReplies(WRITE, 1);
      const changes = [job, other, late].map((it) => ({ next: running(it, 2), expected: 1 }));

      const results = await jobs.compareAndSetAll(changes);

      expect(proxy.unlost).toBe(0);
      expect(results).toEqual([
        { outcome: 'stored' },
        { outcome: 'stored' },
        { outcome: 'stale', current },
      ]);
    });

    test('of many writes twice: unavailable; the same writes again learn that they are there', async () => {
      const changes = [await stored(), await stored()].map((job) => ({
        next: running(job),
        expected: 1,
      }));
      proxy.loseReplies(WRITE, 2);

      await expect(jobs.compareAndSetAll(changes)).rejects.toMatchObject({ code: 'UNAVAILABLE' });

      expect(proxy.unlost).toBe(0);
      expect(await jobs.compareAndSetAll(changes)).toEqual(
        changes.map(({ next }) => ({ outcome: 'stale', current: next })),
      );
    });

    test('an insert: unavailable, and again it is a duplicate of itself', async () => {
      const job = aQueuedJob();
      proxy.loseReplies(INSERT, 2);

      await expect(jobs.insert(job, LIMITS)).rejects.toMatchObject({ code: 'UNAVAILABLE' });

      expect(await jobs.insert(job, LIMITS)).toEqual({ outcome: 'duplicate', job });
      expect(await direct.liveOf(job.conversationId)).toEqual([job]);
    });
  });
});
