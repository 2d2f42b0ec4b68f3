import type { Clock, Timer } from '../lib/clock.ts';

export interface LingeringDeps {
  clock: Clock;
  /** Least time, ms; at most twice as long. */
  ms: number;
  /** Its time is over. */
  over(id: string): void;
}

/** What is kept for a while after its last use, in case it is used again. One timer for all, and only while there is any. */
export class Lingering implements Disposable {
  readonly #deps: LingeringDeps;
  /** Since the last tick, and since before it. */
  #young = new Set<string>();
  #old = new Set<string>();
  #timer: Timer | undefined;

  constructor(deps: LingeringDeps) {
    this.#deps = deps;
  }

  add(id: string): void {
    this.#old.delete(id);
    this.#young.add(id);
    this.#arm();
  }

  delete(id: string): void {
    this.#young.delete(id);
    this.#old.delete(id);
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#young.clear();
    this.#old.clear();
  }

  #arm(): void {
    this.#timer ??= this.#deps.clock.after(this.#deps.ms, () => this.#tick());
  }

  #tick(): void {
    this.#timer = undefined;
    const over = this.#old;
    this.#old = this.#young;
    this.#young = new Set();
    if (this.#old.size > 0) this.#arm();
    for (const id of over) this.#deps.over(id);
  }
}
