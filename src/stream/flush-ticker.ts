import type { Clock, Timer } from '../lib/clock.ts';

export interface Flushable {
  flush(): Promise<void>;
}

/** One timer for all logs of the process: what was appended within a window is stored together. */
export class FlushTicker implements Disposable {
  readonly #clock: Clock;
  readonly #window: number;
  readonly #waiting = new Set<Flushable>();
  #timer: Timer | undefined;

  constructor(clock: Clock, windowMs: number) {
    this.#clock = clock;
    this.#window = windowMs;
  }

  add(log: Flushable): void {
    this.#waiting.add(log);
    this.#timer ??= this.#clock.after(this.#window, () => this.#tick());
  }

  remove(log: Flushable): void {
    this.#waiting.delete(log);
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
  }

  #tick(): void {
    this.#timer = undefined;
    const due = [...this.#waiting];
    this.#waiting.clear();
    // A failure stays with the writer, whose driver meets it at its next append.
    for (const log of due) void log.flush().catch(() => undefined);
  }
}
