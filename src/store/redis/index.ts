export { connectRedis, type RedisConnection } from './connection.ts';
export { RedisConfigError } from './errors.ts';
export { createRedisEventTransport } from './event-transport.ts';
export { createRedisHints } from './hints.ts';
export { createRedisJobStore } from './job-store.ts';
export { redisTime } from './time.ts';
