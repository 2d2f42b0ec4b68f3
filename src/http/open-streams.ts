import { AppError } from '../errors.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import type { Owner } from '../stream/job.ts';

/** A stream as its registry sees it. */
export interface OpenStream {
  /** Writes a comment, unless the reader is behind: then its silence is its own. */
  heartbeat(): void;
  /** Cuts the connection. Never a clean end. */
  destroy(): void;
}

/** A place among the streams of a user; released once, when the response is over. */
export interface StreamPlace {
  /** From now on the stream gets heartbeats. */
  attach(stream: OpenStream): void;
  release(): void;
}

export interface OpenStreamsDeps {
  clock: Clock;
  heartbeatMs: number;
  maxPerUser: number;
}

/**
 * Every open stream of this process: counts per user, one ticker for all heartbeats (it runs only while a stream is
 * open), and the cut at shutdown.
 */
export class OpenStreams {
  readonly #deps: OpenStreamsDeps;
  readonly #perUser = new Map<string, number>();
  readonly #streams = new Set<OpenStream>();
  #ticker: Timer | undefined;

  constructor(deps: OpenStreamsDeps) {
    this.#deps = deps;
  }

  get total(): number {
    return this.#streams.size;
  }

  /** Throws TOO_MANY_STREAMS at the user's limit. */
  reserve(owner: Owner): StreamPlace {
    const key = JSON.stringify([owner.tenantId, owner.userId]);
    const count = this.#perUser.get(key) ?? 0;
    if (count >= this.#deps.maxPerUser) {
      throw new AppError(
        'TOO_MANY_STREAMS',
        `No more than ${this.#deps.maxPerUser} streams may be open at a time.`,
        { headers: { 'Retry-After': '1' } },
      );
    }
    this.#perUser.set(key, count + 1);
    let held: OpenStream | undefined;
    let released = false;
    return {
      attach: (stream) => {
        held = stream;
        this.#attach(stream);
      },
      release: () => {
        if (released) return;
        released = true;
        this.#forget(key);
        if (held !== undefined) this.#detach(held);
      },
    };
  }

  /** Cuts every stream: their clients come back with their cursors, where there is another replica to that one. */
  destroyAll(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  #attach(stream: OpenStream): void {
    this.#streams.add(stream);
    this.#ticker ??= this.#nextTick();
  }

  #detach(stream: OpenStream): void {
    this.#streams.delete(stream);
    if (this.#streams.size > 0) return;
    this.#ticker?.cancel();
    this.#ticker = undefined;
  }

  #forget(key: string): void {
    const left = (this.#perUser.get(key) ?? 1) - 1;
    if (left === 0) this.#perUser.delete(key);
    else this.#perUser.set(key, left);
  }

  #nextTick(): Timer {
    return this.#deps.clock.after(this.#deps.heartbeatMs, () => {
      this.#ticker = this.#nextTick();
      for (const stream of this.#streams) stream.heartbeat();
    });
  }
}
