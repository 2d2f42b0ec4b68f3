import type { EventTransport } from './event-transport.ts';
import type { Finaliser } from './finaliser.ts';
import { carryOut } from './job-command.ts';
import type { FinalizingJob, Job } from './job.ts';
import type { JobStore } from './job-store.ts';

/** What is left to do behind a terminal event takes about so many round trips. */
const LOOKS = 10;

export interface LastAnswerDeps {
  jobs: JobStore;
  transport: Pick<EventTransport, 'info'>;
  finaliser: Pick<Finaliser, 'see'>;
  driver: string;
  leaseTtl: number;
}

/**
 * The end of an answer as its readers know it is the terminal event; its record is closed a moment later, or a lease
 * later if its driver died in between. Whoever sends the next turn has seen the end, and is not told that it is busy.
 */
export class LastAnswer {
  readonly #deps: LastAnswerDeps;

  constructor(deps: LastAnswerDeps) {
    this.#deps = deps;
  }

  /** True: it was over, and holds its conversation no longer. */
  async letGo(job: Job): Promise<boolean> {
    const { transport, finaliser, driver } = this.#deps;
    if (job.status !== 'finalizing') return false;
    const info = await transport.info(job.generationId);
    if (!info?.closed) return false;
    if (job.lease.driver === driver) await finaliser.see(job);
    else await this.#close(await this.#stillOpen(job));
    return true;
  }

  /** Undefined: who was at it has closed it. */
  async #stillOpen(job: FinalizingJob): Promise<FinalizingJob | undefined> {
    let now: Job | undefined = job;
    for (let look = 0; look < LOOKS && now?.status === 'finalizing'; look += 1) {
      now = await this.#deps.jobs.get(job.generationId);
    }
    return now?.status === 'finalizing' ? now : undefined;
  }

  /** T13 without waiting for the lease: there is nothing that its holder could still say. */
  async #close(job: FinalizingJob | undefined): Promise<void> {
    if (!job) return;
    const { jobs, finaliser, driver, leaseTtl } = this.#deps;
    const { generationId, fence } = job;
    const actor = { driver, leaseTtl, now: await jobs.now() };
    const taken = await carryOut(jobs, generationId, { type: 'take_finalising', fence, actor });
    if (taken.outcome === 'moved' && taken.job.status === 'finalizing') {
      await finaliser.see(taken.job);
    }
  }
}
