import { isUnavailable } from '../../errors.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Hint, Hints } from '../../stream/hints.ts';
import type { RedisConnection } from './connection.ts';
import { decodeHint, encodeHint } from './hint-codec.ts';
import { HINTS_CHANNEL, inboxChannel } from './keys.ts';
import { NewsLine } from './news-line.ts';
import { QuietLine } from './quiet-line.ts';

/** How often it is looked whether the connections are alive, ms: nothing else would tell of a server that hangs. */
const PROBE_MS = 2_000;

export interface RedisHintsDeps {
  redis: RedisConnection;
  clock: Clock;
  /** Tells this replica's own messages from those of the others. */
  replicaId: string;
}

/**
 * Hints on one channel for all, and one for each replica. The first listener opens connections of its own, the last one
 * that leaves closes them.
 */
export function createRedisHints({ redis, clock, replicaId }: RedisHintsDeps): Hints {
  const listeners = new Set<(hint: Hint, from: string) => void>();
  let line: NewsLine | undefined;
  /** For what is told to one replica, which is much. */
  let quiet: QuietLine | undefined;
  let timer: Timer | undefined;

  function watch(): void {
    timer = clock.after(PROBE_MS, () => {
      line?.probe();
      quiet?.probe();
      watch();
    });
  }

  function hear(message: string): void {
    const heard = decodeHint(message);
    if (!heard || heard.from === replicaId) return;
    for (const listener of listeners) listener(heard.hint, heard.from);
  }

  function publish(channel: string, message: string): void {
    redis.publish(channel, message).catch((err: unknown) => {
      // A hint may be lost, and that Redis is out of reach is told by the connection.
      if (!isUnavailable(err)) redis.log.error({ err }, 'a hint could not be sent');
    });
  }

  return {
    publish: (hint) => publish(HINTS_CHANNEL, encodeHint({ from: replicaId, hint })),

    tell(replica, hint) {
      const message = encodeHint({ from: replicaId, hint });
      const channel = inboxChannel(replica);
      if (!quiet?.publish(channel, message)) publish(channel, message);
    },

    listen(listener) {
      // Each call counts, also with the same function.
      const own = (hint: Hint, from: string): void => listener(hint, from);
      listeners.add(own);
      if (!line) {
        line = new NewsLine({
          redis,
          clock,
          onMessage: (_channel, message) => hear(message),
          onListening() {},
        });
        line.want(HINTS_CHANNEL);
        line.want(inboxChannel(replicaId));
        quiet = new QuietLine({ redis, clock });
        watch();
      }
      return {
        [Symbol.dispose]() {
          listeners.delete(own);
          if (listeners.size > 0) return;
          timer?.cancel();
          void line?.[Symbol.asyncDispose]();
          void quiet?.[Symbol.asyncDispose]();
          line = undefined;
          quiet = undefined;
        },
      };
    },
  };
}
