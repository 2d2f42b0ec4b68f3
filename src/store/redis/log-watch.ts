import { isUnavailable } from '../../errors.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { LogListener, LogWatch } from '../../stream/event-transport.ts';
import type { RedisConnection } from './connection.ts';
import { logKeys, type LogKeys } from './keys.ts';
import { decodeNews, parseState } from './log-codec.ts';
import { NewsLine } from './news-line.ts';

/** Heads asked for in one go. */
const CHUNK = 500;

interface Followed {
  generationId: string;
  keys: LogKeys;
  /** Where the listener is or was told to look. */
  head: number;
  /** Fence of the entry there; undefined as long as only the listener knows. */
  fence: number | undefined;
  /** Something came for it since the last look at all of them. */
  heard: boolean;
}

export interface LogWatchDeps {
  redis: RedisConnection;
  clock: Clock;
  pollMs: number;
  listener: LogListener;
}

/**
 * Tells of logs by what is published with each append. Messages may be lost: after a subscription, after each reconnect
 * and once per interval the heads of the logs that were silent are compared.
 */
export function watchLogs(deps: LogWatchDeps): LogWatch {
  return new RedisLogWatch(deps);
}

class RedisLogWatch implements LogWatch {
  readonly #deps: LogWatchDeps;
  readonly #line: NewsLine;
  /** By channel. */
  readonly #logs = new Map<string, Followed>();
  #timer: Timer | undefined;
  #polling = false;
  #closed = false;

  constructor(deps: LogWatchDeps) {
    this.#deps = deps;
    this.#line = new NewsLine({
      redis: deps.redis,
      clock: deps.clock,
      onMessage: (channel, message) => this.#hear(channel, message),
      onListening: (channels) => void this.#look(channels),
    });
  }

  follow(generationId: string, head: number): void {
    if (this.#closed) return;
    const keys = logKeys(generationId);
    this.#logs.set(keys.entries, { generationId, keys, head, fence: undefined, heard: false });
    this.#line.want(keys.entries);
    this.#arm();
  }

  unfollow(generationId: string): void {
    const { entries } = logKeys(generationId);
    if (this.#logs.delete(entries)) this.#line.unwant(entries);
    if (this.#logs.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#logs.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#line[Symbol.asyncDispose]();
  }

  #hear(channel: string, message: string): void {
    const log = this.#logs.get(channel);
    if (!log) return;
    log.heard = true;
    const news = decodeNews(message);
    const last = news?.events.at(-1);
    if (!news || !last) {
      // Dropped: nothing of it is left to go on from.
      log.head = 0;
      log.fence = 0;
      return this.#deps.listener(log.generationId);
    }
    // An entry of before what the listener read, which was under way: it knows it, and what is behind it.
    if (last.seq > log.head || log.fence !== undefined) {
      log.head = last.seq;
      log.fence = last.fence;
    }
    this.#deps.listener(log.generationId, news);
  }

  #arm(): void {
    if (this.#timer || this.#polling || this.#closed || this.#logs.size === 0) return;
    this.#timer = this.#deps.clock.after(this.#deps.pollMs, () => {
      this.#timer = undefined;
      void this.#poll();
    });
  }

  async #poll(): Promise<void> {
    this.#polling = true;
    this.#line.probe();
    const silent: string[] = [];
    for (const [channel, log] of this.#logs) {
      if (!log.heard) silent.push(channel);
      log.heard = false;
    }
    await this.#look(silent);
    this.#polling = false;
    this.#arm();
  }

  /** Compares heads, and tells of those that are others. Never rejects: what fails is looked at with the next poll. */
  async #look(channels: readonly string[]): Promise<void> {
    const logs = channels.flatMap((channel) => this.#logs.get(channel) ?? []);
    for (let at = 0; at < logs.length && !this.#closed; at += CHUNK) {
      try {
        await this.#compare(logs.slice(at, at + CHUNK));
      } catch (err) {
        if (!isUnavailable(err)) {
          this.#deps.redis.log.error({ err }, 'logs could not be looked at');
        }
        return;
      }
    }
  }

  async #compare(logs: readonly Followed[]): Promise<void> {
    const asked = logs.map((log) => ({ log, head: log.head, fence: log.fence }));
    const found = await this.#deps.redis.run((client) =>
      Promise.all(logs.map(({ keys }) => client.get(keys.state))),
    );
    asked.forEach(({ log, head, fence }, index) => {
      // It went on, or is followed anew or no more, since it was asked for.
      if (log.head !== head || log.fence !== fence) return;
      if (this.#logs.get(log.keys.entries) !== log) return;
      const text = found[index];
      const state = typeof text === 'string' ? parseState(text) : undefined;
      log.head = state?.info.head ?? 0;
      log.fence = state?.last ?? 0;
      const same = log.head === head && (fence === undefined || log.fence === fence);
      if (!same) this.#deps.listener(log.generationId);
    });
  }
}
