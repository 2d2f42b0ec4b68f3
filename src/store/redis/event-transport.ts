import type { Clock } from '../../lib/clock.ts';
import type {
  AppendRequest,
  AppendResult,
  EventTransport,
  LogInfo,
  StoredEvent,
} from '../../stream/event-transport.ts';
import { assertAppendable, isRepeat, ReadBudget } from '../log-rules.ts';
import type { RedisConnection } from './connection.ts';
import { logKeys } from './keys.ts';
import { encodeEntry, parseState } from './log-codec.ts';
import { listLogs } from './log-list.ts';
import { LOG_SCRIPTS } from './log-scripts.ts';
import { watchLogs } from './log-watch.ts';

export interface RedisEventTransportDeps {
  redis: RedisConnection;
  clock: Clock;
  /**
   * After so many ms without a new entry a log is gone: a safety net under what `drop` should have removed. While it
   * is open it must outlast the longest wait for a decision.
   */
  expiry: { open: number; closed: number };
  /** How often the heads of followed logs that were silent are looked at, ms. */
  pollMs?: number;
}

const POLL_MS = 2_000;

/**
 * Logs in Redis, one stream per generation. An append is one round trip, which checks, keeps and publishes; whoever
 * follows the log on another replica has the entries from the message and reads nothing.
 */
export function createRedisEventTransport(deps: RedisEventTransportDeps): EventTransport {
  const { redis, clock, expiry, pollMs = POLL_MS } = deps;

  async function read(
    generationId: string,
    { after, limit, maxBytes }: { after: number; limit: number; maxBytes: number },
  ): Promise<{ events: StoredEvent[]; info: LogInfo } | undefined> {
    const args = [after, limit, maxBytes];
    const found = await LOG_SCRIPTS.read.call(redis, keysOf(generationId), args);
    if (!found) return undefined;
    const budget = new ReadBudget({ limit, maxBytes });
    for (const event of found.events) {
      if (event.seq > after && !budget.take(event)) break;
    }
    return { events: budget.events, info: found.info };
  }

  /** Is it there already, from a call whose answer was lost? The rare case: worth a reading. */
  async function isThere(request: AppendRequest, head: number): Promise<boolean> {
    if (request.expected >= head) return false;
    const { generationId, expected, events } = request;
    const bytes = events.reduce((sum, { data }) => sum + Buffer.byteLength(data), 0);
    const range = { after: expected, limit: events.length, maxBytes: bytes };
    const page = await read(generationId, range);
    // What is not from there on (lost) is no repeat.
    return page !== undefined && isRepeat(request, page.info.head, () => page.events);
  }

  return {
    async create(generationId) {
      await LOG_SCRIPTS.create.call(redis, keysOf(generationId), [expiry.open]);
    },

    fence: (generationId, fence) =>
      LOG_SCRIPTS.fence.call(redis, keysOf(generationId), [fence, expiry.open]),

    async append(request): Promise<AppendResult> {
      assertAppendable(request);
      const { generationId, fence, expected, events, final } = request;
      const head = expected + events.length;
      const reply = await LOG_SCRIPTS.append.call(redis, keysOf(generationId), [
        fence,
        expected,
        events.length,
        encodeEntry(request),
        final ? -expiry.closed : expiry.open,
      ]);
      switch (reply.outcome) {
        case 'appended':
          return { outcome: 'appended', head };
        case 'missing':
          return { outcome: 'missing' };
        case 'out_of_sequence':
          return (await isThere(request, reply.head)) ? { outcome: 'appended', head } : reply;
        case 'stale_fence':
        case 'closed':
          return reply;
        default:
          return reply satisfies never;
      }
    },

    async info(generationId) {
      const state = await redis.run((client) => client.get(logKeys(generationId).state));
      return state === null ? undefined : parseState(state).info;
    },

    read,

    watch: (listener) => watchLogs({ redis, clock, pollMs, listener }),

    async drop(generationId) {
      await LOG_SCRIPTS.drop.call(redis, keysOf(generationId), []);
    },

    list: (cursor, limit) => listLogs(redis, cursor, limit),

    ping: () => redis.ping(),
  };
}

function keysOf(generationId: string): [string, string] {
  const { state, entries } = logKeys(generationId);
  return [state, entries];
}
