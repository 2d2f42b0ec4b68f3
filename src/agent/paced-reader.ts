import type { Clock, Timer } from '../lib/clock.ts';

/** A turn of the event loop: what was read together is there by then. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

const quiet = (): void => {
  // Met by the next batch, or the source was given up and nobody cares how it ends.
};

/**
 * Reads an async iterator in batches: the next item, and those that are there with it (one network read of a model
 * often holds several). Ends at once when the signal aborts or nothing comes for `stallMs`, whatever the source does.
 */
export class PacedReader<T> {
  readonly #source: AsyncIterator<T>;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #stallMs: number;
  readonly #stalled: () => Error;
  /** A read that has begun and is not yet delivered. */
  #pending: Promise<IteratorResult<T>> | undefined;
  #fail: ((reason: unknown) => void) | undefined;
  /** When the current wait for the source began; undefined while it is not waited for. */
  #since: number | undefined;
  #timer: Timer | undefined;

  constructor(deps: {
    source: AsyncIterable<T>;
    clock: Clock;
    signal: AbortSignal | undefined;
    stallMs: number;
    stalled: () => Error;
  }) {
    this.#source = deps.source[Symbol.asyncIterator]();
    this.#clock = deps.clock;
    this.#signal = deps.signal;
    this.#stallMs = deps.stallMs;
    this.#stalled = deps.stalled;
    this.#signal?.addEventListener('abort', this.#aborted, { once: true });
  }

  /** At least one item; empty at the end of the source. */
  async batch(max: number): Promise<T[]> {
    this.#signal?.throwIfAborted();
    const first = await this.#wait(this.#take());
    if (first.done) return [];
    const items = [first.value];
    let open = true;
    const arrived = (result: IteratorResult<T>): void => {
      // The end, like a failure, is kept for the next batch: these items came before it.
      if (!open || result.done) return;
      this.#pending = undefined;
      items.push(result.value);
      if (items.length < max) pull();
    };
    const pull = (): void => {
      const next = this.#take();
      this.#pending = next;
      next.then(arrived, quiet);
    };
    // Begun before the source goes on: what needs a turn of its own is not of this read.
    const turned = turn();
    if (max > 1) pull();
    await turned;
    open = false;
    return items;
  }

  /** Leaves the source alone. It is not waited for: it may hang. */
  close(): void {
    this.#signal?.removeEventListener('abort', this.#aborted);
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#pending?.catch(quiet);
    this.#source.return?.().catch(quiet);
  }

  #take(): Promise<IteratorResult<T>> {
    const pending = this.#pending ?? this.#source.next();
    this.#pending = undefined;
    return pending;
  }

  /** Races by hand: `Promise.race` with one long-lived promise keeps a reaction for every read. */
  async #wait(read: Promise<IteratorResult<T>>): Promise<IteratorResult<T>> {
    this.#since = this.#clock.now();
    this.#timer ??= this.#clock.after(this.#stallMs, this.#watch);
    try {
      return await new Promise((resolve, reject) => {
        this.#fail = reject;
        read.then(resolve, reject);
      });
    } finally {
      this.#since = undefined;
      this.#fail = undefined;
    }
  }

  readonly #aborted = (): void => {
    this.#fail?.(this.#signal?.reason);
  };

  /** One timer for many reads: it looks how long the current one has taken. */
  readonly #watch = (): void => {
    this.#timer = undefined;
    if (this.#since === undefined) return;
    const left = this.#stallMs - (this.#clock.now() - this.#since);
    if (left > 0) this.#timer = this.#clock.after(left, this.#watch);
    else this.#fail?.(this.#stalled());
  };
}
