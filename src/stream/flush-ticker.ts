import type { Clock, Timer } from '../lib/clock.ts';

/** After about so many ms of flushing others get their turn: readers of other logs must not wait for all of them. */
const TURN_MS = 1;

export interface Flushable {
  flush(): Promise<void>;
}

export interface FlushTickerDeps {
  clock: Clock;
  /** Runs `task` soon, after what is going on now. */
  schedule(task: () => void): void;
}

/** One timer for all logs of the process: what was appended within a window is stored together. */
export class FlushTicker implements Disposable {
  readonly #deps: FlushTickerDeps;
  readonly #window: number;
  readonly #waiting = new Set<Flushable>();
  /** Their window is over, their turn has not come. */
  readonly #due = new Set<Flushable>();
  #timer: Timer | undefined;

  constructor(deps: FlushTickerDeps, windowMs: number) {
    this.#deps = deps;
    this.#window = windowMs;
  }

  add(log: Flushable): void {
    this.#waiting.add(log);
    this.#timer ??= this.#deps.clock.after(this.#window, () => this.#tick());
  }

  remove(log: Flushable): void {
    this.#waiting.delete(log);
    this.#due.delete(log);
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#due.clear();
  }

  #tick(): void {
    this.#timer = undefined;
    const under = this.#due.size > 0;
    for (const log of this.#waiting) this.#due.add(log);
    this.#waiting.clear();
    if (!under) this.#flush();
  }

  #flush(): void {
    const until = this.#deps.clock.now() + TURN_MS;
    for (const log of this.#due) {
      this.#due.delete(log);
      // A failure stays with the writer, whose driver meets it at its next append.
      void log.flush().catch(() => undefined);
      if (this.#deps.clock.now() >= until) break;
    }
    if (this.#due.size > 0) this.#deps.schedule(() => this.#flush());
  }
}
