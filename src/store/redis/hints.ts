import { z } from 'zod';
import { isUnavailable } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Hint, Hints } from '../../stream/hints.ts';
import type { RedisConnection } from './connection.ts';
import { HINTS_CHANNEL } from './keys.ts';
import { NewsLine } from './news-line.ts';

export interface RedisHintsDeps {
  redis: RedisConnection;
  clock: Clock;
  /** Tells this replica's own messages from those of the others. */
  replicaId: string;
}

const Message = z.object({
  from: z.string(),
  hint: z.discriminatedUnion('type', [
    z.object({ type: z.literal('queued') }),
    z.object({ type: z.literal('fenced'), generationId: z.string(), fence: z.number().int() }),
  ]),
});

/** Hints on one channel. The first listener opens a connection of its own, the last one that leaves closes it. */
export function createRedisHints({ redis, clock, replicaId }: RedisHintsDeps): Hints {
  const listeners = new Set<(hint: Hint) => void>();
  let line: NewsLine | undefined;

  function hear(message: string): void {
    const hint = hintOf(message, replicaId);
    if (hint) for (const listener of listeners) listener(hint);
  }

  return {
    publish(hint) {
      const message = JSON.stringify({ from: replicaId, hint });
      redis
        .run((client) => client.publish(HINTS_CHANNEL, message))
        .catch((err: unknown) => {
          // A hint may be lost, and that Redis is out of reach is told by the connection.
          if (!isUnavailable(err)) redis.log.error({ err }, 'a hint could not be sent');
        });
    },

    listen(listener) {
      // Each call counts, also with the same function.
      const own = (hint: Hint): void => listener(hint);
      listeners.add(own);
      if (!line) {
        line = new NewsLine({
          redis,
          clock,
          onMessage: (_channel, message) => hear(message),
          onListening() {},
        });
        line.want(HINTS_CHANNEL);
      }
      return {
        [Symbol.dispose]() {
          listeners.delete(own);
          if (listeners.size > 0) return;
          void line?.[Symbol.asyncDispose]();
          line = undefined;
        },
      };
    },
  };
}

/** Undefined: it is no hint, or one of our own. */
function hintOf(message: string, replicaId: string): Hint | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(message);
  } catch {
    // SyntaxError: whoever else writes to this channel, it is no hint.
    return undefined;
  }
  const { data } = Message.safeParse(parsed);
  return data && data.from !== replicaId ? data.hint : undefined;
}
