import type { PauseRequest } from '../agent/agent-runner.ts';
import type { ApprovalLifecycle } from '../hitl/approval-lifecycle.ts';
import { isUnavailable } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { Finaliser } from './finaliser.ts';
import { carryOut } from './job-command.ts';
import type { JobError, PausedJob, RunningJob } from './job.ts';
import type { JobStore } from './job-store.ts';
import type { LogView } from './log-view.ts';
import { persist } from './persist.ts';
import type { Takeover } from './takeover.ts';
import type { CommandOf } from './transition-command.ts';

export interface RunEndingDeps {
  jobs: JobStore;
  conversations: ConversationStore;
  finaliser: Finaliser;
  approvals: ApprovalLifecycle;
  takeover: Takeover;
  clock: Clock;
  log: Log;
  driver: string;
  leaseTtl: number;
  /** Something became claimable. */
  offer(): void;
}

const NOT_DURABLE: JobError = {
  code: 'PAUSE_NOT_DURABLE',
  message: 'The request for approval could not be saved, so nothing was run.',
};

/**
 * How a driver lets go of its generation. Each way is one guarded write, repeated while the store is out of reach: it
 * may come late, or be refused because somebody else was first, but it is not lost.
 */
export class RunEnding {
  readonly #job: RunningJob;
  readonly #deps: RunEndingDeps;
  readonly #quit: AbortSignal;

  /** `quit`: the process ends, no more tries. */
  constructor(job: RunningJob, deps: RunEndingDeps, quit: AbortSignal) {
    this.#job = job;
    this.#deps = deps;
    this.#quit = quit;
  }

  #persist<T>(task: () => Promise<T>): Promise<T> {
    return persist(task, { clock: this.#deps.clock, signal: this.#quit });
  }

  /**
   * T8, and the rest of it. `logged`: sequence of the last event. `fixed` is called once the outcome is. A message that
   * came too late for this driver is heard by the next one (T16).
   */
  async finish(
    ending: Pick<CommandOf<'finish'>, 'outcome' | 'error' | 'logged' | 'heard'>,
    fixed: () => void,
  ): Promise<void> {
    const { jobs, driver, leaseTtl, finaliser } = this.#deps;
    const { generationId, fence } = this.#job;
    const finished = await this.#persist(async () => {
      const actor = { driver, leaseTtl, now: await jobs.now() };
      return carryOut(jobs, generationId, { type: 'finish', fence, ...ending, actor });
    });
    if (finished.outcome === 'refused' && finished.reason === 'unheard') return this.handOver();
    fixed();
    const { job } = finished;
    // Also where the write got through and its answer did not.
    if (job?.status === 'finalizing' && job.fence === fence) await finaliser.run(job);
  }

  /** The checkpoint is durable; then the partial message, then the record, then everybody is told. */
  async pause(
    { asked, view, logged }: { asked: PauseRequest; view: LogView; logged: number },
    fixed: () => void,
  ): Promise<void> {
    const { conversations, approvals, log } = this.#deps;
    const { generationId, fence } = this.#job;
    let paused: PausedJob | undefined;
    try {
      const message = view.fold.message();
      const saved = await this.#persist(() => conversations.upsertMessage(message, fence));
      if (saved !== 'stored') return;
      paused = await this.#persist(() => approvals.pause(this.#job, asked, logged));
    } catch (err) {
      if (isUnavailable(err)) throw err;
      log.error({ err, generationId }, 'pause not durable');
      return this.finish({ outcome: 'failed', error: NOT_DURABLE, logged, heard: [] }, fixed);
    }
    fixed();
    if (!paused) return;
    const announced = paused;
    log.info({ generationId, kind: asked.kind }, 'generation paused');
    await this.#persist(() => approvals.announce(announced));
  }

  /** T16: gives the generation back to the queue. */
  async handOver(): Promise<void> {
    const { jobs } = this.#deps;
    const { generationId, fence } = this.#job;
    const handed = await this.#persist(async () => {
      const now = await jobs.now();
      return carryOut(jobs, generationId, { type: 'hand_over', fence, now });
    });
    if (handed.outcome === 'moved') this.#deps.offer();
  }

  /** T12 by itself: the stores failed under the driver, or lost what it wrote. */
  giveUp(): Promise<void> {
    const { takeover } = this.#deps;
    const { generationId, fence } = this.#job;
    return this.#persist(() => takeover.giveUp(generationId, fence));
  }
}
