import type { ApprovalLifecycle } from '../hitl/approval-lifecycle.ts';
import { recoveryQuestion, type ExpirySettings } from '../hitl/pending.ts';
import type { Ids } from '../lib/ids.ts';
import type { Finaliser } from './finaliser.ts';
import type { Hints } from './hints.ts';
import { carryOut } from './job-command.ts';
import type { Job } from './job.ts';
import type { JobStore } from './job-store.ts';
import type { StreamMetrics } from './metrics.ts';
import type { CommandOf } from './transition-command.ts';

/** Takeovers before a generation is given up as interrupted. */
const MAX_ATTEMPTS = 3;

export interface TakeoverDeps {
  jobs: JobStore;
  finaliser: Finaliser;
  approvals: ApprovalLifecycle;
  hints: Hints;
  ids: Ids;
  metrics: StreamMetrics;
  driver: string;
  leaseTtl: number;
  expiry: ExpirySettings;
  /** Something became claimable. */
  offer(): void;
}

/** T12: what follows when a driver is gone, or gives up. */
export class Takeover {
  readonly #deps: TakeoverDeps;

  constructor(deps: TakeoverDeps) {
    this.#deps = deps;
  }

  command(job: Job, now: number): CommandOf<'takeover'> {
    const { driver, leaseTtl, expiry, ids } = this.#deps;
    const question = recoveryQuestion(job, { now, ids, settings: expiry });
    return {
      type: 'takeover',
      actor: { driver, leaseTtl, now },
      maxAttempts: MAX_ATTEMPTS,
      question,
    };
  }

  /** The driver with this fence can't go on: what is durable is somebody's at once, not only when its lease is over. */
  async giveUp(generationId: string, fence: number): Promise<void> {
    const { jobs } = this.#deps;
    const job = await jobs.get(generationId);
    if (!job) return;
    const command = { ...this.command(job, await jobs.now()), fence };
    const taken = await carryOut(jobs, generationId, command);
    if (taken.outcome === 'moved') await this.taken(taken.job);
  }

  /** After T12: whoever still drives is told, and what it became is seen to. */
  async taken(job: Job): Promise<void> {
    const { metrics, hints, approvals, finaliser } = this.#deps;
    metrics.takeover();
    hints.publish({ type: 'fenced', generationId: job.generationId, fence: job.fence });
    if (job.status === 'queued') this.#deps.offer();
    if (job.status === 'paused') await approvals.announce(job);
    if (job.status === 'finalizing') await finaliser.see(job);
  }
}
