import { afterAll } from '@jest/globals';
import { FaultProxy } from './fault-proxy.ts';
import { addressOf, atPort, describeMongo } from './mongo-service.ts';
import { type ServerProcess, useServers } from './server-process.ts';
import {
  describeRedis,
  type RedisServer,
  type RedisServerOptions,
  startRedis,
} from './services.ts';

/** Real replicas on a real Redis and a MongoDB, with proxies in between that can do harm. */

export interface ClusterOptions {
  replicas?: number;
  env?: Record<string, string>;
  redis?: RedisServerOptions;
  /** Arguments for Node itself. */
  node?: string[];
}

export interface Cluster {
  readonly replicas: readonly ServerProcess[];
  readonly urls: readonly string[];
  readonly redis: RedisServer;
  /** Between replicas and Redis. */
  readonly redisFaults: FaultProxy;
  /** Between replicas and MongoDB. */
  readonly mongoFaults: FaultProxy;
  /** The environment of a replica, to start one more by hand. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Clusters {
  start(options?: ClusterOptions): Promise<Cluster>;
}

/** A suite that needs Redis and MongoDB; skipped loudly without, or failed under REQUIRE_SERVICES=1. */
export function describeCluster(name: string, fn: (clusters: Clusters) => void): void {
  describeRedis(name, () => {
    describeMongo(name, (mongo) => {
      const servers = useServers();
      const open: AsyncDisposable[] = [];
      afterAll(async () => {
        for (const held of open.toReversed()) await held[Symbol.asyncDispose]();
      });

      fn({
        async start({ replicas = 2, env = {}, redis: options = { aof: true }, node } = {}) {
          const redis = await startRedis(options);
          open.push(redis);
          const redisFaults = await FaultProxy.start({ host: '127.0.0.1', port: redis.port });
          const mongoFaults = await FaultProxy.start(addressOf(mongo.uri));
          for (const proxy of [redisFaults, mongoFaults]) {
            open.push({ [Symbol.asyncDispose]: () => proxy.down() });
          }
          const shared = {
            PROFILE: 'cluster',
            REDIS_URL: `redis://127.0.0.1:${redisFaults.port}`,
            // Not shared with a cluster that lives still: one set of records belongs to one Redis.
            MONGODB_URI: atPort(mongo.another(), mongoFaults.port),
            MAX_GENERATIONS_PER_USER: '1000',
            MAX_STREAMS_PER_USER: '1000',
            ...env,
          };
          const started = await Promise.all(
            Array.from({ length: replicas }, () => servers.start(shared, node)),
          );
          return {
            replicas: started,
            urls: started.map(({ baseUrl }) => baseUrl),
            redis,
            redisFaults,
            mongoFaults,
            env: shared,
          };
        },
      });
    });
  });
}
