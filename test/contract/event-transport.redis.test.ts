import { afterAll, beforeAll } from '@jest/globals';
import { Cluster } from 'ioredis';
import { systemClock } from '../../src/lib/clock.ts';
import {
  connectRedis,
  createRedisEventTransport,
  type RedisConnection,
} from '../../src/store/redis/index.ts';
import { silent } from '../support/redis-kit.ts';
import { describeRedis, startRedis, startRedisCluster } from '../support/services.ts';
import { describeEventTransport } from './event-transport.ts';

const EXPIRY = { open: 3_600_000, closed: 60_000 };

/** One server for all of them: each test finds it empty. */
function describeOn(name: string, start: () => Promise<AsyncDisposable & { url: string }>): void {
  describeRedis(`event transport on ${name}`, () => {
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

    describeEventTransport({
      name,
      create: () => ({
        transport: createRedisEventTransport({
          redis,
          clock: systemClock,
          expiry: EXPIRY,
          pollMs: 200,
        }),
        destroy: () => flush(redis),
      }),
    });
  });
}

async function flush(redis: RedisConnection): Promise<void> {
  await redis.run(async (client) => {
    const nodes = client instanceof Cluster ? client.nodes('master') : [client];
    await Promise.all(nodes.map((node) => node.flushall()));
  });
}

describeOn('redis', () => startRedis());
describeOn('redis cluster', startRedisCluster);
