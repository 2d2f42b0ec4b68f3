import type { Finaliser } from './finaliser.ts';
import type { Hints } from './hints.ts';
import { carryOut, carryOutOnce, type CommandResult } from './job-command.ts';
import { isLive, type Job } from './job.ts';
import type { JobStore } from './job-store.ts';
import type { Opening } from './opening.ts';
import type { RunQueue } from './run-queue.ts';

export interface StopperDeps {
  jobs: JobStore;
  finaliser: Finaliser;
  opening: Pick<Opening, 'save'>;
  queue: Pick<RunQueue, 'worker' | 'halt' | 'offer'>;
  hints: Hints;
  driver: string;
  leaseTtl: number;
}

/** Ends generations before their time: stop (T9) and replacement (T10). */
export class Stopper {
  readonly #deps: StopperDeps;

  constructor(deps: StopperDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves when the generation is finished, by this command or by what was first; where a store is out of reach, when
   * it is certain that it will be. `moved`: it was this one.
   * A driver in this process stops first, so that all that readers have seen is durable before it is fenced.
   */
  async stop(
    generationId: string,
    why: { type: 'abort' | 'supersede'; by: string | null },
  ): Promise<{ moved: boolean; job: Job | undefined }> {
    const { jobs, finaliser } = this.#deps;
    const stopped = await this.#fence(generationId, why);
    if (stopped.outcome === 'refused') {
      await this.#ending(stopped.job);
      return { moved: false, job: stopped.job && ((await jobs.get(generationId)) ?? stopped.job) };
    }
    if (stopped.job.status === 'finalizing') await finaliser.see(stopped.job);
    return { moved: true, job: (await jobs.get(generationId)) ?? stopped.job };
  }

  /** Whenever somebody else wrote in between it may have been a claim of this process, whose driver must stop first. */
  async #fence(
    generationId: string,
    why: { type: 'abort' | 'supersede'; by: string | null },
  ): Promise<CommandResult> {
    const { jobs, queue, driver, leaseTtl } = this.#deps;
    for (;;) {
      const job = await jobs.get(generationId);
      if (!job) return { outcome: 'refused', reason: 'gone', job };
      await queue.halt(generationId);
      const actor = { driver, leaseTtl, now: await jobs.now() };
      const stopped = await carryOutOnce(jobs, job, { ...why, actor });
      if (stopped.outcome === 'stale') continue;
      if (stopped.outcome === 'moved' && job.status === 'running') {
        this.#deps.hints.publish({ type: 'fenced', generationId, fence: stopped.job.fence });
      }
      return stopped;
    }
  }

  /** Somebody was first: in this process the end is near, and waited for. */
  async #ending(job: Job | undefined): Promise<void> {
    if (job?.status !== 'finalizing') return;
    if (this.#deps.queue.worker(job.generationId)) await this.#deps.finaliser.see(job);
  }

  /** Stops all that is live in a conversation, newest first, so that nothing begins in between. */
  async stopAll(
    conversationId: string,
    by: string,
  ): Promise<{ moved: boolean; job: Job | undefined }[]> {
    const live = await this.#deps.jobs.liveOf(conversationId);
    const ended = [];
    for (const job of live.toReversed())
      ended.push(await this.stop(job.generationId, { type: 'abort', by }));
    return ended.toReversed();
  }

  /** Gives a free conversation to the turn that waited longest. `after`: the answer that just ended. */
  async promoteNext(conversationId: string, after?: string): Promise<void> {
    const { jobs, queue, opening } = this.#deps;
    const live = await jobs.liveOf(conversationId);
    const next = live.find((job) => isLive(job) && job.lane === 'waiting');
    if (!next || live.some((job) => job.lane === 'active')) return;
    const command = { type: 'promote', ...(after !== undefined && { after }) } as const;
    const promoted = await carryOut(jobs, next.generationId, command);
    const parent = promoted.job?.input.parentMessageId;
    if (promoted.outcome === 'moved' && parent !== next.input.parentMessageId) {
      await opening.save(promoted.job);
    }
    queue.offer();
  }
}
