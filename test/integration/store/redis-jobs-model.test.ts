import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createMemoryJobStore } from '../../../src/store/memory/index.ts';
import {
  connectRedis,
  createRedisJobStore,
  type RedisConnection,
} from '../../../src/store/redis/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { auditJobs, jobKeys } from '../../support/redis-job-audit.ts';
import { JobLives, jobSteps, type JobStep } from '../../support/redis-job-model.ts';
import { flushRedis } from '../../support/redis-jobs.ts';
import { silent } from '../../support/redis-kit.ts';
import { describeRedis, startRedis, startRedisCluster } from '../../support/services.ts';

/** `toEqual` takes its time; it is asked where there is something to tell. */
function expectSame(got: unknown, wanted: unknown): void {
  if (JSON.stringify(got) !== JSON.stringify(wanted)) expect(got).toEqual(wanted);
}

/** One life after another, each on an empty server. */
async function live(redis: RedisConnection, steps: JobStep[]): Promise<void> {
  await flushRedis(redis);
  const clock = new FakeClock();
  const model = createMemoryJobStore({ clock });
  const store = createRedisJobStore({ redis, now: async () => clock.now() });
  const lives = new JobLives([model, store]);
  for (const step of steps) {
    const [wanted, got] = await lives.play(step);
    expectSame(got, wanted);
    const { found, derived } = await auditJobs(redis);
    expect(found).toEqual(derived);
    const [known, kept] = await lives.answers();
    expectSame(kept, known);
  }
  await lives.deleteAll();
  const left = await jobKeys(redis);
  expect(left.filter((key) => !key.endsWith(':counter'))).toEqual([]);
}

function describeOn(
  name: string,
  start: () => Promise<AsyncDisposable & { url: string }>,
  numRuns: number,
): void {
  describeRedis(`random lives of jobs on ${name}`, () => {
    let server: Awaited<ReturnType<typeof start>>;
    let redis: RedisConnection;

    beforeAll(async () => {
      server = await start();
      redis = await connectRedis({ url: server.url, log: silent });
    }, 60_000);

    afterAll(async () => {
      await redis[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });

    test('every answer is that of the memory store, every index what the records say, nothing is left', async () => {
      expect.hasAssertions();
      await fc.assert(
        fc.asyncProperty(jobSteps, (steps) => live(redis, steps)),
        { numRuns },
      );
    }, 120_000);
  });
}

describeOn('redis', () => startRedis(), 30);
describeOn('redis cluster', startRedisCluster, 6);
