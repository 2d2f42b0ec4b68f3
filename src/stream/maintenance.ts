import type { Log } from '../lib/log.ts';

/** Work that time makes, besides the generations' own: a little of it at a time. */
export interface Chore {
  /** As metrics and logs name it. */
  readonly name: string;
  /** Does at most so much, and says what it did. `now`: the store's clock, epoch ms. */
  run(now: number, limit: number): Promise<ChoreResult>;
}

export interface ChoreResult {
  deleted: number;
  /** There may be more: it is wanted again soon. */
  more: boolean;
}

export interface MaintenanceDeps {
  chores: readonly Chore[];
  log: Log;
  deleted(what: string, count: number): void;
}

/** Things deleted at once. */
const BATCH = 100;
/** Chores that found nothing more to do rest for so long, ms. */
const REST = 60_000;

/**
 * Every replica does the chores in its scans, each for itself: what two of them find at the same time is deleted once,
 * and nothing at all is the matter with the second.
 */
export class Maintenance {
  readonly #deps: MaintenanceDeps;
  readonly #restUntil = new Map<string, number>();

  constructor(deps: MaintenanceDeps) {
    this.#deps = deps;
  }

  /** Never rejects: what fails is done another time, and keeps nothing else from being done. */
  async run(now: number): Promise<void> {
    for (const chore of this.#deps.chores) {
      if ((this.#restUntil.get(chore.name) ?? 0) > now) continue;
      const { deleted, more } = await this.#safely(chore, now);
      if (deleted > 0) this.#deps.deleted(chore.name, deleted);
      if (!more) this.#restUntil.set(chore.name, now + REST);
    }
  }

  async #safely(chore: Chore, now: number): Promise<ChoreResult> {
    try {
      return await chore.run(now, BATCH);
    } catch (err) {
      this.#deps.log.warn({ err, chore: chore.name }, 'maintenance failed');
      return { deleted: 0, more: false };
    }
  }
}

export interface Sweep<T> {
  name: string;
  /** How old things get, ms; undefined: they are kept. Asked each time. */
  age: () => number | undefined;
  /** Those of before a moment (ISO), in an order that stays; those behind `after`. */
  list: (before: string, after: T | undefined, limit: number) => Promise<T[]>;
  /** False: it is still wanted. */
  remove: (item: T) => Promise<boolean>;
}

/**
 * A chore that goes through what is old from one end to the other, a piece each time, and begins anew: things that are
 * still wanted keep nothing behind them from being seen.
 */
export function sweep<T>({ name, age, list, remove }: Sweep<T>): Chore {
  let after: T | undefined;
  return {
    name,
    async run(now, limit) {
      const ms = age();
      if (ms === undefined) return { deleted: 0, more: false };
      const found = await list(new Date(now - ms).toISOString(), after, limit);
      let deleted = 0;
      for (const item of found) {
        // First: one that can't be removed is passed by, until the next round.
        after = item;
        if (await remove(item)) deleted += 1;
      }
      const more = found.length === limit;
      if (!more) after = undefined;
      return { deleted, more };
    },
  };
}
