export { connectRedis, redisTime, type RedisConnection } from './connection.ts';
export { RedisConfigError } from './errors.ts';
export { createRedisJobStore } from './job-store.ts';
