import { storeTime } from '../store-time.ts';
import type { RedisConnection } from './connection.ts';
import { ALL_JOBS } from './job-keys.ts';
import { redisScript } from './script.ts';
import { TIME } from './scripts/time.ts';

const time = redisScript(TIME, (reply) => {
  const [seconds, micros]: unknown[] = Array.isArray(reply) ? reply : [];
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
});

/** The clock of Redis, epoch ms: replicas whose own clocks differ agree on it. In a cluster, that of the records' server. */
export function redisTime(redis: RedisConnection): () => Promise<number> {
  return storeTime(() => time.call(redis, [ALL_JOBS.counter], []));
}
