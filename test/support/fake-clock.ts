import type { Clock, Timer } from '../../src/lib/clock.ts';

/** 2026-01-01T00:00:00.000Z: any fixed moment will do. */
export const EPOCH = Date.UTC(2026, 0, 1);

/** Lets everything that is ready run: promises, and I/O callbacks that need a few turns of the loop. */
export async function settle(turns = 10): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

interface Entry {
  at: number;
  fn: () => void;
}

/** Time that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now: number;
  /** In order of creation, which breaks ties. */
  readonly #timers = new Set<Entry>();

  constructor(now: number = EPOCH) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** As in Node a timer takes at least 1 ms, so a timer that renews itself can't hold `advance` for ever. */
  after(ms: number, fn: () => void): Timer {
    const entry = { at: this.#now + Math.max(1, ms), fn };
    this.#timers.add(entry);
    return { cancel: () => void this.#timers.delete(entry) };
  }

  /** Timers that neither fired nor were cancelled: 0 at the end of a test that cleans up. */
  get pending(): number {
    return this.#timers.size;
  }

  /**
   * Moves time on by `ms` and fires what becomes due on the way, in order, each at its own moment. What a timer
   * sets off settles before the next one fires, so timers that it makes or cancels count.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let due = this.#next(end); due; due = this.#next(end)) {
      this.#timers.delete(due);
      // A jump of the wall clock may have gone past it.
      this.#now = Math.max(this.#now, due.at);
      due.fn();
      await settle();
    }
    this.#now = Math.max(this.#now, end);
  }

  /** Moves the wall clock without firing anything: a process that was stopped, or a clock that was set. */
  jump(ms: number): void {
    this.#now += ms;
  }

  #next(end: number): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of this.#timers) {
      if (entry.at <= end && (!first || entry.at < first.at)) first = entry;
    }
    return first;
  }
}
