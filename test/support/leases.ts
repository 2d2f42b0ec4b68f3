import { unavailable } from '../../src/errors.ts';
import { createMemoryJobStore } from '../../src/store/memory/index.ts';
import type { Change, ChangeResult, JobStore } from '../../src/stream/job-store.ts';
import type { Job, RunningJob } from '../../src/stream/job.ts';
import { LeaseRenewer } from '../../src/stream/lease-renewer.ts';
import { EPOCH, FakeClock } from './fake-clock.ts';
import { aQueuedJob, running } from './jobs.ts';

export const TTL = 20_000;
export const TICK = TTL / 4;
export const DEADLINE = TTL * 0.6;

export type Write = (changes: readonly Change[]) => Promise<ChangeResult[]>;

export const ids = (jobs: readonly Job[]): string[] => jobs.map(({ generationId }) => generationId);

export const unreached: Write = async () => {
  throw unavailable(new Error('no answer'));
};

/** A renewer on a store that a test can let fail, hang, or be written by others. */
export class LeaseWorld {
  readonly clock = new FakeClock();
  readonly store: JobStore = createMemoryJobStore({ clock: this.clock });
  readonly renewer: LeaseRenewer;
  /** Ids of the records in each write so far. */
  readonly writes: string[][] = [];
  /** What the next writes do instead; those after them are carried out. */
  instead: Write[] = [];
  reads = 0;
  now = async (): Promise<number> => this.clock.now();
  /** Tasks that wait for their turn; undefined: each gets it soon. */
  turns: (() => void)[] | undefined;
  readonly kept: Disposable[] = [];
  readonly lost: string[] = [];

  constructor() {
    const jobs: JobStore = {
      ...this.store,
      now: () => this.now(),
      get: async (id) => {
        this.reads += 1;
        return this.store.get(id);
      },
      compareAndSetAll: async (changes) => {
        this.writes.push(changes.map(({ next }) => next.generationId));
        const other = this.instead.shift();
        return other ? other(changes) : this.store.compareAndSetAll(changes);
      },
    };
    const schedule = (task: () => void): void => {
      if (this.turns) this.turns.push(task);
      else setImmediate(task);
    };
    const { clock } = this;
    this.renewer = new LeaseRenewer({ jobs, clock, schedule, driver: 'driver', leaseTtl: TTL });
  }

  /** Fails where a timer outlives the leases. */
  close(): void {
    for (const keeper of this.kept) keeper[Symbol.dispose]();
    if (this.clock.pending > 0) throw new Error(`${this.clock.pending} timers outlived the leases`);
  }

  /** A generation that was claimed now, and whose lease is renewed. */
  async driven(): Promise<RunningJob> {
    const job = aQueuedJob();
    await this.store.insert(job, { maxPerOwner: 1_000 });
    const next = running(job, this.clock.now() + TTL);
    await this.store.compareAndSet(next, 1);
    this.kept.push(this.renewer.keep(next, () => this.lost.push(next.generationId)));
    return next;
  }

  async many(count: number): Promise<RunningJob[]> {
    const jobs: RunningJob[] = [];
    for (let n = 0; n < count; n += 1) jobs.push(await this.driven());
    return jobs;
  }

  async current(job: Job): Promise<Job> {
    const found = await this.store.get(job.generationId);
    if (!found) throw new Error('gone');
    return found;
  }

  /** Milliseconds since the test began. */
  async leaseUntil(job: Job): Promise<number> {
    const found = await this.current(job);
    if (!('lease' in found) || !found.lease) throw new Error('no lease');
    return found.lease.leaseUntil - EPOCH;
  }

  /** Somebody else writes the record, as a tool that starts does. */
  async touch(job: Job): Promise<void> {
    const found = await this.current(job);
    const next = { ...found, attempts: found.attempts + 1, version: found.version + 1 };
    await this.store.compareAndSet(next, found.version);
  }

  readonly lostAnswer: Write = async (changes) => {
    await this.store.compareAndSetAll(changes);
    return unreached(changes);
  };

  /** The first of the changes fails, the others do not. */
  failingFirst(): Write {
    return async ([, ...rest]) => [
      { outcome: 'failed', error: new Error('too large') },
      ...(await this.store.compareAndSetAll(rest)),
    ];
  }

  /** A write that hangs until it is let go, and is carried out then. */
  hanging(): { write: Write; go: () => void } {
    const gate = new AbortController();
    const opened = new Promise<void>((resolve) => {
      gate.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    return {
      write: async (changes) => opened.then(() => this.store.compareAndSetAll(changes)),
      go: () => gate.abort(),
    };
  }
}
