import { createHash } from 'node:crypto';
import type { RedisConnection } from './connection.ts';
import { isReplyOf } from './errors.ts';

export type ScriptArgument = string | number | Buffer;

/** A command in Lua: one file under `scripts/`, atomic on the server, sent by its hash. */
export interface RedisScript<T> {
  /** All keys in one hash slot. Throws `unavailable` where the server is out of reach. */
  call(
    redis: RedisConnection,
    keys: readonly string[],
    args: readonly ScriptArgument[],
  ): Promise<T>;
}

/**
 * `lua` is the text of a file under `scripts/`, which begins with `#!lua`: Redis then refuses it as a whole when it is
 * out of memory, and not halfway. `parse` makes the outcome of the reply, or throws.
 */
export function redisScript<T>(lua: string, parse: (reply: unknown) => T): RedisScript<T> {
  const sha = createHash('sha1').update(lua).digest('hex');
  return {
    async call(redis, keys, args) {
      const reply = await redis.run(async (client): Promise<unknown> => {
        try {
          return await client.evalsha(sha, keys.length, ...keys, ...args);
        } catch (error) {
          // This node has not seen it yet, or was told to forget: EVAL makes it known.
          if (!isReplyOf(error, 'NOSCRIPT')) throw error;
          return client.eval(lua, keys.length, ...keys, ...args);
        }
      });
      return parse(reply);
    },
  };
}
