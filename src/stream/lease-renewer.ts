import type { Clock, Timer } from '../lib/clock.ts';
import type { Job, RunningJob } from './job.ts';
import type { ChangeResult, JobStore } from './job-store.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { transition } from './transition.ts';

/** Records in one write: as JSON they take the loop for so long that readers of other logs get their turn in between. */
const AT_ONCE = 50;

/** A driver whose tools write the record all the time makes the renewal stale; after so many tries the next tick goes on. */
const MAX_TRIES = 8;

export interface LeaseRenewerDeps {
  jobs: Pick<JobStore, 'now' | 'compareAndSetAll'>;
  clock: Clock;
  /** Runs `task` soon, after what is going on now. */
  schedule(task: () => void): void;
  driver: string;
  /** Length of a lease, ms. */
  leaseTtl: number;
}

interface Renewal {
  keeper: LeaseKeeper;
  next: Job;
  /** The tick that it is of, from 1. */
  tick: number;
  /** When that began, by this process's clock and by the store's, epoch ms. */
  begun: number;
  now: number;
  tries: number;
}

/**
 * Renews all leases of the process together, four times per length of one, with one timer and as few writes as there are
 * dozens of them. What is stored is known from the last write, so nothing is read, except by who lost to another write.
 *
 * No tick waits for an earlier one: a write that hangs costs the others nothing, and its own leases are tried again.
 */
export class LeaseRenewer {
  readonly #deps: LeaseRenewerDeps;
  readonly #keepers = new Set<LeaseKeeper>();
  readonly #due = new Map<LeaseKeeper, Renewal>();
  #timer: Timer | undefined;
  #ticks = 0;
  #writing = false;

  constructor(deps: LeaseRenewerDeps) {
    this.#deps = deps;
  }

  /** Renews the lease of a generation that was just claimed, until it is disposed or lost. */
  keep(job: RunningJob, lost: () => void): Disposable {
    const { clock, leaseTtl: ttl } = this.#deps;
    const over = (keeper: LeaseKeeper): void => this.#leave(keeper);
    const keeper = new LeaseKeeper(job, { clock, ttl, lost, over });
    this.#keepers.add(keeper);
    this.#timer ??= this.#plan();
    return keeper;
  }

  #leave(keeper: LeaseKeeper): void {
    this.#keepers.delete(keeper);
    this.#due.delete(keeper);
    if (this.#keepers.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #plan(): Timer {
    return this.#deps.clock.after(this.#deps.leaseTtl / 4, () => {
      this.#timer = this.#plan();
      // The store is out of reach: the next tick tries again, and deadlines decide.
      this.#tick().catch(() => undefined);
    });
  }

  async #tick(): Promise<void> {
    this.#ticks += 1;
    const tick = this.#ticks;
    const begun = this.#deps.clock.now();
    const keepers = [...this.#keepers];
    const now = await this.#deps.jobs.now();
    for (const keeper of keepers) {
      this.#renew({ keeper, tick, begun, now, tries: 1 }, keeper.record);
    }
  }

  #renew(renewal: Omit<Renewal, 'next'>, record: Job): void {
    const { keeper, now } = renewal;
    if (keeper.over) return;
    const { driver, leaseTtl } = this.#deps;
    const actor = { driver, leaseTtl, now };
    const next = transition(record, { type: 'heartbeat', fence: keeper.fence, actor });
    if (next.outcome === 'refused') return keeper.lose();
    this.#due.set(keeper, { ...renewal, next: next.job });
    if (this.#writing) return;
    this.#writing = true;
    this.#deps.schedule(() => this.#writeSome());
  }

  #writeSome(): void {
    const some = [...this.#due.values()].slice(0, AT_ONCE);
    for (const { keeper } of some) this.#due.delete(keeper);
    if (some.length > 0) void this.#write(some);
    this.#writing = this.#due.size > 0;
    if (this.#writing) this.#deps.schedule(() => this.#writeSome());
  }

  async #write(renewals: readonly Renewal[]): Promise<void> {
    const changes = renewals.map(({ next }) => ({ next, expected: next.version - 1 }));
    // What became of a write that failed is not known: the next tick finds out.
    const results = await this.#deps.jobs.compareAndSetAll(changes).catch(() => []);
    for (const [place, result] of results.entries()) {
      const renewal = renewals[place];
      if (renewal) this.#settle(renewal, result);
    }
  }

  #settle(renewal: Renewal, result: ChangeResult): void {
    const { keeper, next, tick, begun, tries } = renewal;
    if (result.outcome === 'stored') return keeper.renewed(next, begun);
    if (result.outcome === 'failed') return;
    if (result.outcome !== 'stale' || !result.current) return keeper.lose();
    // A later tick renews from a later moment: this one would take time away.
    if (tick === this.#ticks && tries < MAX_TRIES) {
      this.#renew({ ...renewal, tries: tries + 1 }, result.current);
    }
  }
}
