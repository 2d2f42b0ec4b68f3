export { connectRedis, redisTime, type RedisConnection } from './connection.ts';
export { RedisConfigError } from './errors.ts';
