import { Cluster } from 'ioredis';
import type { RedisConnection } from '../../src/store/redis/index.ts';

/** Empties the server, or every node of the cluster. */
export async function flushRedis(redis: RedisConnection): Promise<void> {
  await redis.run(async (client) => {
    const nodes = client instanceof Cluster ? client.nodes('master') : [client];
    await Promise.all(nodes.map((node) => node.flushall()));
  });
}
