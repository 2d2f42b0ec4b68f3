import { afterAll, beforeAll } from '@jest/globals';
import {
  connectRedis,
  createRedisJobStore,
  type RedisConnection,
} from '../../src/store/redis/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { flushRedis } from '../support/redis-jobs.ts';
import { silent } from '../support/redis-kit.ts';
import { describeRedis, startRedis, startRedisCluster } from '../support/services.ts';
import { describeJobStore } from './job-store.ts';

/** One server for all of them: each test finds it empty. */
function describeOn(name: string, start: () => Promise<AsyncDisposable & { url: string }>): void {
  describeRedis(`job store on ${name}`, () => {
    let server: Awaited<ReturnType<typeof start>>;
    let redis: RedisConnection;

    beforeAll(async () => {
      server = await start();
      redis = await connectRedis({ url: server.url, log: silent });
    });

    afterAll(async () => {
      await redis[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });

    describeJobStore({
      name,
      create() {
        const clock = new FakeClock();
        const store = createRedisJobStore({ redis, now: async () => clock.now() });
        return { store, clock, destroy: () => flushRedis(redis) };
      },
    });
  });
}

describeOn('redis', () => startRedis());
describeOn('redis cluster', startRedisCluster);
