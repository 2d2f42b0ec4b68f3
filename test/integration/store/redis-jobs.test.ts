import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  jest,
  test,
} from '@jest/globals';
import {
  connectRedis,
  createRedisJobStore,
  type RedisConnection,
} from '../../../src/store/redis/index.ts';
import { deleteKeys } from '../../../src/store/redis/job-keys.ts';
import { JOB_SCRIPTS } from '../../../src/store/redis/job-scripts.ts';
import type { Job, QueuedJob } from '../../../src/stream/job.ts';
import type { JobStore } from '../../../src/stream/job-store.ts';
import { EPOCH } from '../../support/fake-clock.ts';
import { aQueuedJob, finished, paused, requeued, running, steered } from '../../support/jobs.ts';
import { auditJobs, jobKeys } from '../../support/redis-job-audit.ts';
import { flushRedis } from '../../support/redis-jobs.ts';
import { silent } from '../../support/redis-kit.ts';
import { describeRedis, startRedis, type RedisServer } from '../../support/services.ts';

const NO_LIMIT = { maxPerOwner: 1_000_000 };
const REPLICAS = 4;

const times = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n));
const storeOn = (redis: RedisConnection): JobStore =>
  createRedisJobStore({ redis, now: async () => EPOCH });

function tally(results: { outcome: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of results) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

async function inserted(jobs: JobStore, overrides: Partial<QueuedJob> = {}): Promise<QueuedJob> {
  const job = aQueuedJob(overrides);
  expect(await jobs.insert(job, NO_LIMIT)).toMatchObject({ outcome: 'inserted' });
  return job;
}

async function moved<J extends Job>(jobs: JobStore, next: J): Promise<J> {
  expect(await jobs.compareAndSet(next, next.version - 1)).toEqual({ outcome: 'stored' });
  return next;
}

/** Claims until nothing is left: how many it got. */
async function claimAll(jobs: JobStore): Promise<number> {
  for (let won = 0; ;) {
    const [job] = await jobs.claimable(1);
    if (!job) return won;
    const { outcome } = await jobs.compareAndSet(running(job), job.version);
    if (outcome === 'stored') won += 1;
  }
}

async function expectConsistent(redis: RedisConnection): Promise<void> {
  const { found, derived } = await auditJobs(redis);
  expect(found).toEqual(derived);
}

describeRedis('jobs of many replicas', () => {
  let server: RedisServer;
  let redis: RedisConnection;
  let open: RedisConnection[];
  let jobs: JobStore;
  let replicas: JobStore[];
  const replica = (n: number): JobStore => replicas[n % replicas.length] ?? jobs;

  beforeAll(async () => {
    server = await startRedis();
    open = await Promise.all(times(REPLICAS, () => connectRedis({ url: server.url, log: silent })));
    replicas = open.map(storeOn);
    const [first] = open;
    if (!first) throw new Error('no replica');
    redis = first;
    jobs = storeOn(redis);
  });

  beforeEach(() => flushRedis(redis));

  afterEach(() => expectConsistent(redis));

  afterAll(async () => {
    await Promise.all(open.map((connection) => connection[Symbol.asyncDispose]()));
    await server[Symbol.asyncDispose]();
  });

  describe('races', () => {
    test('of 200 writes at one version one wins, and all others see it', async () => {
      const job = await inserted(jobs);
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
      expect(await jobs.claimable(100)).toHaveLength(1);
    });

    test('of 20 turns and 20 steers with one key at all replicas at once one is stored', async () => {
      const key = 'tenant/user/same';
      const answers = await Promise.all(times(20, () => inserted(jobs)));

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
      expect(await jobs.allOf('conv')).toHaveLength(1);
    });

    test('of 50 inserts of an owner as many as allowed are stored', async () => {
      const results = await Promise.all(
        times(50, (n) => replica(n).insert(aQueuedJob(), { maxPerOwner: 7 })),
      );

      expect(tally(results)).toEqual({ inserted: 7, limit: 43 });
    });

    test('slots come free with the jobs that had them, also by pauses, and never twice', async () => {
      const owner = { tenantId: 'tenant', userId: 'busy' };
      const [first, second] = await Promise.all(times(2, () => inserted(jobs, { owner })));
      if (!first || !second) throw new Error('not inserted');
      const full = { maxPerOwner: 2 };
      expect(await jobs.insert(aQueuedJob({ owner }), full)).toEqual({ outcome: 'limit', live: 2 });

      const pause = await moved(jobs, paused(first));
      await moved(jobs, { ...pause, attempts: 1, version: pause.version + 1 });
      await moved(jobs, finished(second));

      const again = times(20, (n) => replica(n).insert(aQueuedJob({ owner }), full));
      expect(tally(await Promise.all(again))).toEqual({ inserted: 2, limit: 18 });
      await moved(jobs, requeued({ ...pause, version: pause.version + 1 }, EPOCH));
      expect(await jobs.insert(aQueuedJob({ owner }), full)).toEqual({ outcome: 'limit', live: 3 });
    });

    test('of 50 replicas that claim from one queue each job gets one', async () => {
      await Promise.all(times(20, () => inserted(jobs)));

      const won = await Promise.all(times(50, (n) => claimAll(replica(n))));

      expect(won.reduce((sum, count) => sum + count, 0)).toBe(20);
    });

    test('lists under a storm of writes hold nothing that does not belong there', async () => {
      const all = await Promise.all(times(30, (n) => inserted(jobs, { queuedAt: EPOCH + n })));
      const life = async (job: QueuedJob): Promise<void> => {
        let current: Job = job;
        for (const next of [running, paused, running, finished]) {
          current = await moved(jobs, next(current));
        }
      };
      const storm = { over: false };
      const watch = async (n: number): Promise<void> => {
        while (!storm.over) {
          const [queue, live] = await Promise.all([
            replica(n).claimable(100),
            replica(n).liveByOwner({ tenantId: 'tenant', userId: 'user' }, 100),
          ]);
          expect(queue.filter(({ status }) => status !== 'queued')).toEqual([]);
          expect(live.filter(({ status }) => status === 'finished')).toEqual([]);
        }
      };

      const watches = times(REPLICAS, watch);
      await Promise.all(all.map(life));
      storm.over = true;
      await Promise.all(watches);

      expect(await jobs.withLogOlderThan(EPOCH, 100)).toHaveLength(30);
    });
  });

  test('a server that forgets its scripts in between is told them again, by calls that meet too', async () => {
    const job = await inserted(jobs);
    await moved(jobs, running(job));

    await server.admin.script('FLUSH');
    const results = await Promise.all(
      times(30, (n) => replica(n).insert(aQueuedJob({ conversationId: 'conv' }), NO_LIMIT)),
    );

    expect(tally(results)).toEqual({ inserted: 1, busy: 29 });
    await server.admin.script('FLUSH');
    expect(await jobs.liveOf('conv')).toHaveLength(1);
    await server.admin.script('FLUSH');
    expect(await jobs.compareAndSet(finished(running(job)), 2)).toEqual({ outcome: 'stored' });
  });

  test('of a deleted conversation not one key is left, however long it was and whatever it was at', async () => {
    const conversationId = 'conv';
    for (const job of times(230, () => aQueuedJob({ conversationId }))) {
      await jobs.insert(job, NO_LIMIT);
      await moved(jobs, finished(job));
    }
    const early = await inserted(jobs, { conversationId, lane: 'waiting' });
    const active = await inserted(jobs, { conversationId });
    await inserted(jobs, { conversationId, lane: 'waiting' });
    await moved(jobs, running(active));
    expect(await jobs.allOf(conversationId)).toHaveLength(233);
    await jobs.logDropped(early.generationId);

    await jobs.deleteConversation(conversationId);

    expect(await jobKeys(redis)).toEqual(['hf:{jobs}:counter']);
  });

  test('a deletion that stops halfway leaves indexes that say what is there', async () => {
    const conversationId = 'conv';
    const active = await inserted(jobs, { conversationId });
    const behind = await inserted(jobs, { conversationId, lane: 'waiting' });

    await JOB_SCRIPTS.delete.call(redis, deleteKeys(active), [active.generationId]);

    expect(await jobs.due(EPOCH, 10)).toEqual([behind]);
    await expectConsistent(redis);
  });

  test('a steer that comes between the look at a job and its deletion is deleted with it', async () => {
    const job = await moved(jobs, steered(await inserted(jobs), 'tenant/user/first'));
    const remove = JOB_SCRIPTS.delete.call.bind(JOB_SCRIPTS.delete);
    const spy = jest.spyOn(JOB_SCRIPTS.delete, 'call').mockImplementationOnce(async (...args) => {
      await moved(replica(1), steered(job, 'tenant/user/late'));
      return remove(...args);
    });

    await jobs.deleteConversation(job.conversationId);

    expect(spy).toHaveBeenCalledTimes(2);
    expect(await jobKeys(redis)).toEqual(['hf:{jobs}:counter']);
    spy.mockRestore();
  });

  test('while a conversation is deleted, nobody who waits in it becomes due', async () => {
    const conversationId = 'conv';
    await inserted(jobs, { conversationId });
    for (let n = 0; n < 40; n += 1) await inserted(jobs, { conversationId, lane: 'waiting' });
    const deletion = { over: false };
    const seen: Job[] = [];
    const watch = async (): Promise<void> => {
      while (!deletion.over) seen.push(...(await replica(1).due(EPOCH, 100)));
    };

    const watching = watch();
    await jobs.deleteConversation(conversationId);
    deletion.over = true;
    await watching;

    expect(seen).toEqual([]);
  });

  test('any record and any write costs one round trip', async () => {
    const job = await inserted(jobs);
    await jobs.due(EPOCH, 10);
    await jobs.claimable(10);
    const before = await server.calls('evalsha');

    await jobs.compareAndSet(running(job), 1);
    await jobs.due(EPOCH, 10);
    await jobs.claimable(10);
    await jobs.liveOf(job.conversationId);

    expect((await server.calls('evalsha')) - before).toBe(4);
  });
});
