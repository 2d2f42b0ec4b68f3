import type { Redis } from 'ioredis';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { RedisConnection } from './connection.ts';
import { endOf } from './end-of.ts';

/** Waits before the line is opened again, ms. */
const RETRY = { first: 50, longest: 1_000 };

export interface NewsLineDeps {
  redis: RedisConnection;
  clock: Clock;
  onMessage(channel: string, message: string): void;
  /** What is published on these channels from now on arrives; what was before may not have. Also after a reconnect. */
  onListening(channels: readonly string[]): void;
}

/**
 * One connection for any number of subscriptions. It opens with the first channel, stays, and comes back as often as it
 * breaks, on whatever node is there then. Changes of one turn go out together.
 */
export class NewsLine implements AsyncDisposable {
  readonly #deps: NewsLineDeps;
  readonly #wanted = new Set<string>();
  /** What was subscribed on this connection and not unsubscribed; answers may still be under way. */
  readonly #asked = new Set<string>();
  /** Wanted since the last flush, or not confirmed on this connection. */
  #fresh = new Set<string>();
  /** Unwanted since the last flush. */
  #stale = new Set<string>();
  #link: Redis | undefined;
  #retry: Timer | undefined;
  #failures = 0;
  #flushing = false;
  #closed = false;

  constructor(deps: NewsLineDeps) {
    this.#deps = deps;
  }

  /** `onListening` follows for each call, also where the channel was wanted already. */
  want(channel: string): void {
    this.#wanted.add(channel);
    this.#fresh.add(channel);
    this.#stale.delete(channel);
    this.#schedule();
  }

  unwant(channel: string): void {
    this.#wanted.delete(channel);
    this.#fresh.delete(channel);
    this.#stale.add(channel);
    this.#schedule();
  }

  /** Finds out whether the connection is alive: one that hangs is thrown away, and replaced. */
  probe(): void {
    // A failure ends the connection, which is heard of where it was opened.
    if (this.#link?.status === 'ready') this.#link.ping().catch(ignore);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#wanted.clear();
    this.#fresh.clear();
    this.#retry?.cancel();
    this.#retry = undefined;
    await endOf(this.#link);
  }

  #schedule(): void {
    if (this.#flushing || this.#closed) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#closed) return;
    if (!this.#link) {
      if (this.#wanted.size > 0 && !this.#retry) this.#open();
      return;
    }
    // Not connected yet: it flushes when it is.
    if (this.#link.status === 'ready') this.#settle(this.#link);
  }

  /** Brings the subscriptions to what is wanted. */
  #settle(link: Redis): void {
    const fresh = [...this.#fresh];
    this.#fresh = new Set();
    const dropped = [...this.#stale].filter((channel) => this.#asked.has(channel));
    this.#stale = new Set();
    const added = fresh.filter((channel) => !this.#asked.has(channel));
    for (const channel of dropped) this.#asked.delete(channel);
    for (const channel of added) this.#asked.add(channel);
    // Where one of these fails the connection is of no use: a new one begins anew.
    const fail = (): void => link.disconnect();
    if (dropped.length > 0) link.unsubscribe(...dropped).catch(fail);
    if (fresh.length === 0) return;
    // Those that were asked for before are confirmed before these: one connection, one order.
    const confirmed = link.subscribe(...(added.length > 0 ? added : fresh.slice(0, 1)));
    confirmed.then(() => this.#deps.onListening(fresh)).catch(fail);
  }

  #open(): void {
    const link = this.#deps.redis.line('holdfast-news');
    if (!link) return this.#later();
    this.#link = link;
    // The connection of the commands tells the operator; `end` follows.
    link.on('error', ignore);
    link.on('message', (channel: string, message: string) => {
      this.#deps.onMessage(channel, message);
    });
    link.once('end', () => {
      this.#link = undefined;
      this.#asked.clear();
      this.#stale.clear();
      for (const channel of this.#wanted) this.#fresh.add(channel);
      this.#later();
    });
    link.once('ready', () => {
      this.#failures = 0;
      this.#flush();
    });
    link.connect().catch(ignore);
  }

  #later(): void {
    if (this.#closed || this.#wanted.size === 0) return;
    const wait = Math.min(RETRY.first * 2 ** this.#failures, RETRY.longest);
    this.#failures = Math.min(this.#failures + 1, 10);
    this.#retry = this.#deps.clock.after(wait, () => {
      this.#retry = undefined;
      this.#flush();
    });
  }
}

function ignore(): void {}
