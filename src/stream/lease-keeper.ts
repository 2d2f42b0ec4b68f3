import type { Clock, Timer } from '../lib/clock.ts';
import type { Job, RunningJob } from './job.ts';

export interface LeaseKeeperDeps {
  clock: Clock;
  /** Length of a lease, ms. */
  ttl: number;
  /** The driver must stop: at most once. */
  lost(): void;
  /** Nobody renews this any more. */
  over(keeper: LeaseKeeper): void;
}

/**
 * The lease of one driver. If a renewal is refused, or none comes through for three fifths of the lease, the driver is
 * told to stop well before anybody may take over (T3).
 */
export class LeaseKeeper implements Disposable {
  readonly generationId: string;
  readonly fence: number;
  readonly #deps: LeaseKeeperDeps;
  #record: Job;
  #deadline: Timer;
  #over = false;

  constructor(job: RunningJob, deps: LeaseKeeperDeps) {
    this.generationId = job.generationId;
    this.fence = job.fence;
    this.#deps = deps;
    this.#record = job;
    this.#deadline = this.#until(0);
  }

  /** The newest record that is known to be stored for good, the claim's at first. */
  get record(): Job {
    return this.#record;
  }

  get over(): boolean {
    return this.#over;
  }

  /** A renewal that was begun at `begun` (by the process's clock) came through. */
  renewed(record: Job, begun: number): void {
    // An answer that comes late says nothing new.
    if (this.#over || record.version <= this.#record.version) return;
    this.#record = record;
    this.#deadline.cancel();
    // A clock that was set back meanwhile gains no time.
    this.#deadline = this.#until(Math.max(0, this.#deps.clock.now() - begun));
  }

  lose(): void {
    if (this.#over) return;
    this[Symbol.dispose]();
    this.#deps.lost();
  }

  [Symbol.dispose](): void {
    if (this.#over) return;
    this.#over = true;
    this.#deadline.cancel();
    this.#deps.over(this);
  }

  #until(gone: number): Timer {
    return this.#deps.clock.after(this.#deps.ttl * 0.6 - gone, () => this.lose());
  }
}
