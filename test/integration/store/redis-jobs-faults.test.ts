import { afterEach, expect, test } from '@jest/globals';
import { isUnavailable } from '../../../src/errors.ts';
import {
  connectRedis,
  createRedisJobStore,
  redisTime,
  type RedisConnection,
} from '../../../src/store/redis/index.ts';
import type { Job } from '../../../src/stream/job.ts';
import type { JobStore } from '../../../src/stream/job-store.ts';
import { FairWatch } from '../../support/fair-watch.ts';
import {
  aQueuedJob,
  finalizing,
  finished,
  paused,
  running,
  setAll,
  steered,
} from '../../support/jobs.ts';
import { auditJobs } from '../../support/redis-job-audit.ts';
import { silent } from '../../support/redis-kit.ts';
import {
  describeRedis,
  eventually,
  startRedis,
  startRedisCluster,
  type RedisServer,
  type RedisServerOptions,
} from '../../support/services.ts';

const LIMITS = { maxPerOwner: 1_000 };
const MAX_WAIT = 3_500;

/** Every call of the port. */
function everyCall(jobs: JobStore, job: Job): Record<keyof JobStore, () => Promise<unknown>> {
  const { conversationId, generationId, owner, idempotencyKey } = job;
  return {
    now: () => jobs.now(),
    insert: () => jobs.insert(aQueuedJob(), LIMITS),
    get: () => jobs.get(generationId),
    byIdempotencyKey: () => jobs.byIdempotencyKey(idempotencyKey),
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

/** What became of each call: `done`, `unavailable`, or the fault. */
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

const works = (jobs: JobStore) => async (): Promise<boolean> => {
  try {
    await jobs.ping();
    return true;
  } catch (error) {
    if (isUnavailable(error)) return false;
    throw error;
  }
};

async function expectConsistent(redis: RedisConnection): Promise<void> {
  const { found, derived } = await auditJobs(redis);
  expect(found).toEqual(derived);
}

describeRedis('jobs when the server fails', () => {
  const owned: AsyncDisposable[] = [];
  let server: RedisServer;
  let redis: RedisConnection;
  let jobs: JobStore;

  async function start(options: RedisServerOptions = {}): Promise<void> {
    server = await startRedis(options);
    owned.push(server);
    redis = await connect(server.url);
    jobs = createRedisJobStore({ redis, now: () => redisTime(redis)() });
  }

  async function connect(url: string): Promise<RedisConnection> {
    const connection = await connectRedis({ url, log: silent });
    owned.push(connection);
    return connection;
  }

  async function stored(): Promise<Job> {
    const job = aQueuedJob();
    expect(await jobs.insert(job, LIMITS)).toMatchObject({ outcome: 'inserted' });
    return job;
  }

  const all = (result: string) =>
    Object.fromEntries(Object.keys(everyCall(jobs, aQueuedJob())).map((name) => [name, result]));

  afterEach(async () => {
    for (const resource of owned.toReversed()) await resource[Symbol.asyncDispose]();
    owned.length = 0;
  });

  test('with all well every call works, by the server’s clock', async () => {
    await start();

    const { ended } = await outcomes(everyCall(jobs, await stored()));

    expect(ended).toEqual(all('done'));
    const before = Date.now();
    const told = await jobs.now();
    expect(told).toBeGreaterThan(before - 2_000);
    expect(told).toBeLessThan(Date.now() + 2_000);
  });

  test('a server that is gone makes every call fail in time, and one that came back keeps what it had', async () => {
    await start({ aof: true });
    const job = await stored();

    await server.kill();
    const { ended, took } = await outcomes(everyCall(jobs, job));

    expect(ended).toEqual(all('unavailable'));
    expect(took).toBeLessThan(MAX_WAIT);
    await server.start();
    await eventually('it works again', works(jobs), 5_000);
    expect(await jobs.get(job.generationId)).toEqual(job);
    await expectConsistent(redis);
  }, 20_000);

  test.each([
    ['was stopped', (job: Job) => ({ ...finalizing(job), fence: job.fence + 1 })],
    ['got a message', (job: Job) => steered(job, 'a-key')],
  ])(
    'a driver whose last write was lost does not undo that its job %s since',
    async (_what, then) => {
      await start();
      const job = running(await stored());
      await jobs.compareAndSet(job, job.version - 1);
      // The driver knows of one more write, which the server that took over never had.
      const lost = { ...job, version: job.version + 1 };
      const since = then(job);
      await jobs.compareAndSet(since, job.version);

      const late = await jobs.compareAndSet({ ...lost, version: lost.version + 1 }, lost.version);

      expect(late).toEqual({ outcome: 'stale', current: since });
      expect(await jobs.get(job.generationId)).toEqual(since);
    },
  );

  test('a server that hangs makes every call fail in time', async () => {
    await start();
    const job = await stored();

    server.freeze();
    const { ended, took } = await outcomes(everyCall(jobs, job));
    server.thaw();

    expect(ended).toEqual(all('unavailable'));
    expect(took).toBeLessThan(MAX_WAIT);
    await eventually('it works again', works(jobs), 5_000);
    // What it had read of the calls it has carried out, each of them whole.
    await expectConsistent(redis);
  }, 20_000);

  test('killed under writers, it has after its restart all that was acknowledged, record and indexes', async () => {
    await start({ aof: true });
    const acknowledged = new Map<string, number>();
    const writers = { over: false };
    const life = async (): Promise<void> => {
      while (!writers.over) {
        try {
          const job = await stored();
          acknowledged.set(job.generationId, 1);
          const next = [running, paused, finished][acknowledged.size % 3] ?? running;
          await jobs.compareAndSet(next(job), 1);
          acknowledged.set(job.generationId, 2);
        } catch (error) {
          if (!isUnavailable(error)) throw error;
          return;
        }
      }
    };

    const lives = Promise.all(Array.from({ length: 8 }, life));
    await eventually('some are stored', () => acknowledged.size > 50);
    await server.kill();
    writers.over = true;
    await lives;
    await server.start();
    await eventually('it works again', works(jobs), 5_000);

    for (const [id, version] of acknowledged) {
      expect((await jobs.get(id))?.version).toBeGreaterThanOrEqual(version);
    }
    await expectConsistent(redis);
  }, 30_000);

  test('connections cut again and again under writers: nothing acknowledged is lost, nobody wins twice', async () => {
    await start();
    const job = await stored();
    const steps = new Map<number, number>();
    const writer = async (name: number): Promise<void> => {
      while (steps.size < 60) {
        try {
          const current = await jobs.get(job.generationId);
          if (!current) throw new Error('gone');
          const next = { ...current, attempts: name, version: current.version + 1 };
          const { outcome } = await jobs.compareAndSet(next, current.version);
          if (outcome !== 'stored') continue;
          expect(steps.has(next.version)).toBe(false);
          steps.set(next.version, name);
          if (steps.size % 6 === 0) await server.killClients();
        } catch (error) {
          if (!isUnavailable(error)) throw error;
        }
      }
    };

    await Promise.all([1, 2, 3, 4].map(writer));

    await eventually('it works again', works(jobs), 5_000);
    const version = (await jobs.get(job.generationId))?.version ?? 0;
    expect(version).toBeGreaterThanOrEqual(Math.max(...steps.keys()));
    await expectConsistent(redis);
  }, 30_000);

  test('out of memory it refuses whole writes, reads on, and takes what makes room', async () => {
    await start();
    const [job, done] = [await stored(), await stored()];
    await jobs.compareAndSet(finished(done), 1);
    await server.admin.config('SET', 'maxmemory', '1');
    const calls = everyCall(jobs, job);

    const { ended } = await outcomes(calls);

    expect(ended).toEqual({
      ...all('done'),
      insert: 'unavailable',
      compareAndSet: 'unavailable',
      compareAndSetAll: 'unavailable',
    });
    expect(await jobs.get(job.generationId)).toEqual(job);
    await jobs.logDropped(done.generationId);
    expect(await jobs.withLogOlderThan(Date.now(), 10)).toEqual([]);
    await jobs.deleteConversation(job.conversationId);
    expect(await jobs.get(job.generationId)).toBeUndefined();
    await expectConsistent(redis);
  });

  test('a primary that became a replica is out of reach, and not a fault', async () => {
    await start();
    const job = await stored();
    await server.admin.call('REPLICAOF', '127.0.0.1', '1');

    const { ended } = await outcomes({
      insert: () => jobs.insert(aQueuedJob(), LIMITS),
      compareAndSet: () => jobs.compareAndSet(running(job), 1),
      deleteConversation: () => jobs.deleteConversation(job.conversationId),
    });

    expect(new Set(Object.values(ended))).toEqual(new Set(['unavailable']));
  });

  test('while the slot of the jobs moves to another node no write is half done', async () => {
    const cluster = await startRedisCluster();
    owned.push(cluster);
    redis = await connect(cluster.url);
    jobs = createRedisJobStore({ redis, now: () => redisTime(redis)() });
    const move = await slotMove(cluster.nodes, 'hf:{jobs}:counter');
    const job = await stored();
    await jobs.compareAndSet(paused(await stored()), 1);
    await move.begin();

    for (const key of (await move.here()).toSorted()) {
      await move.take(key);
      const { ended } = await outcomes(everyCall(jobs, job));
      const faults = Object.values(ended).filter((how) => how !== 'done' && how !== 'unavailable');
      expect(faults).toEqual([]);
    }
    await move.end();

    await eventually('the client knows the new place', async () => {
      const { ended } = await outcomes(everyCall(jobs, job));
      return Object.values(ended).every((how) => how === 'done');
    });
    await expectConsistent(redis);
  }, 60_000);
});

async function idOf({ admin }: RedisServer): Promise<string> {
  return String(await admin.call('CLUSTER', 'MYID'));
}

/** Moves the slot of a key from the node that has it to the next one, key by key. */
async function slotMove(nodes: RedisServer[], key: string) {
  const [first] = nodes;
  if (!first) throw new Error('no node');
  const slot = Number(await first.admin.call('CLUSTER', 'KEYSLOT', key));
  const at = Math.floor(slot / Math.ceil(16_384 / nodes.length));
  const [source, target] = [nodes[at], nodes[(at + 1) % nodes.length]];
  if (!source || !target) throw new Error('no node');
  const ids = { source: await idOf(source), target: await idOf(target) };
  return {
    async begin(): Promise<void> {
      await target.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids.source);
      await source.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids.target);
    },
    async here(): Promise<string[]> {
      const keys = await source.admin.call('CLUSTER', 'GETKEYSINSLOT', slot, 1_000);
      return Array.isArray(keys) ? keys.map(String) : [];
    },
    async take(name: string): Promise<void> {
      await source.admin.call('MIGRATE', '127.0.0.1', target.port, name, 0, 2_000);
    },
    async end(): Promise<void> {
      for (const name of await this.here()) await this.take(name);
      for (const { admin } of [target, source]) {
        await admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', ids.target);
      }
    },
  };
}
