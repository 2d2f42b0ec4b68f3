import type { AgentRunner } from '../agent/agent-runner.ts';
import { answeredBy } from './answered-by.ts';
import type { EventBody, LogEvent } from './events.ts';
import type { EventTransport } from './event-transport.ts';
import { MessageFold } from './fold.ts';
import { carryOut } from './job-command.ts';
import type { FinalizingJob, Job, PausedJob } from './job.ts';
import type { JobStore } from './job-store.ts';
import { appendAt, createdEvent } from './log-append.ts';
import type { LogHub } from './log-hub.ts';
import type { LogView } from './log-view.ts';
import { whatStands } from './recovery.ts';

export interface LogRepairDeps {
  jobs: JobStore;
  transport: EventTransport;
  hub: LogHub;
  runner: Pick<AgentRunner, 'adopt'>;
  driver: string;
  leaseTtl: number;
  /** How long a log is readable after its end, ms. */
  streamRetention: number;
}

/**
 * Writes again what a log lost with its store (a failover to a replica that lagged, data that were wiped): not the
 * words that only the log had, but what the checkpoint holds of the answer, and the action that it waits for. Readers
 * are told by a `segment`, as after any recovery.
 */
export class LogRepair {
  readonly #deps: LogRepairDeps;
  /** By generation: readers who come back together are served by one. */
  readonly #restoring = new Map<string, Promise<LogView | undefined>>();

  constructor(deps: LogRepairDeps) {
    this.#deps = deps;
  }

  /** The log of a generation as it must be for readers; undefined: there is none that could be read now. */
  async open(job: Job): Promise<LogView | undefined> {
    const { hub, jobs, streamRetention } = this.#deps;
    if (job.status === 'finished' && job.finishedAt + streamRetention <= (await jobs.now())) {
      // Whoever drops it from the store, and when: nobody has it longer in memory.
      hub.forget(job.generationId);
      return undefined;
    }
    const known = await hub.open(job.generationId);
    if (isWhole(known, job)) return known;
    // It may only be behind.
    const fresh = await hub.refresh(job.generationId);
    if (isWhole(fresh, job)) return fresh;
    return job.status === 'paused' ? this.#restoreOnce(job) : undefined;
  }

  #restoreOnce(job: PausedJob): Promise<LogView | undefined> {
    const { generationId } = job;
    const known = this.#restoring.get(generationId);
    if (known) return known;
    const restoring = this.#restore(job).finally(() => this.#restoring.delete(generationId));
    this.#restoring.set(generationId, restoring);
    return restoring;
  }

  /** T17: nobody drives a pause, so whoever finds its log short takes a new fence and writes it. */
  async #restore(job: PausedJob): Promise<LogView | undefined> {
    const { jobs, transport, hub } = this.#deps;
    const { generationId, action } = job;
    const { actionId } = action;
    const fenced = await carryOut(jobs, generationId, { type: 'restore_log', actionId });
    if (fenced.outcome !== 'moved' || fenced.job.status !== 'paused') return undefined;
    const { fence } = fenced.job;
    await transport.create(generationId);
    await transport.fence(generationId, fence);
    const view = await hub.refresh(generationId);
    // It was told meanwhile.
    if (!view || isWhole(view, fenced.job)) return view;
    const more: EventBody[] = [{ type: 'pending_action', action }];
    return this.#write(fenced.job, view, { from: fence, more });
  }

  /**
   * T13 by the finaliser itself: where its log lost entries of its own fence it goes on under a new one, so that a
   * cursor of what is lost is never taken for one of what comes. Undefined: somebody else has taken over.
   */
  async refence(job: FinalizingJob, view: LogView): Promise<FinalizingJob | undefined> {
    if (!isShort(view, job)) return job;
    const { jobs, transport, driver, leaseTtl } = this.#deps;
    const { generationId, fence } = job;
    const actor = { driver, leaseTtl, now: await jobs.now() };
    const taken = await carryOut(jobs, generationId, { type: 'take_finalising', fence, actor });
    if (taken.outcome !== 'moved' || taken.job.status !== 'finalizing') return undefined;
    await transport.fence(generationId, taken.job.fence);
    return taken.job;
  }

  /** For a finaliser, who holds the log: its view, with what the checkpoint has more. */
  async complete(job: FinalizingJob, view: LogView): Promise<LogView | undefined> {
    const wiped = view.head.seq <= 1 && job.startedAt !== null;
    if (!wiped && !isShort(view, job)) return view;
    // The checkpoint may be of this very fence.
    return this.#write(job, view, { from: job.fence + 1, more: [] });
  }

  async #write(
    job: Job,
    view: LogView,
    { from, more }: { from: number; more: readonly EventBody[] },
  ): Promise<LogView | undefined> {
    const { transport, hub, jobs, runner } = this.#deps;
    const { generationId, fence } = job;
    const at = new Date(await jobs.now()).toISOString();
    const head = view.head.seq;
    const bodies: EventBody[] = head === 0 ? [createdEvent(job)] : [];
    const fold = head === 0 ? foldOf(job, at) : view.fold;
    const standing = await runner.adopt({ generationId, fence: from });
    if (standing.resumable) {
      const { content, calls, keep } = whatStands(fold, standing, Math.max(head, 1));
      const before = fold.state();
      const message = { ...before.message, ...answeredBy(job.spec, standing), content };
      const state = { ...before, status: 'running' as const, message };
      bodies.push({ type: 'segment', reason: 'recovered', keep, state, calls });
    }
    bodies.push(...more);
    if (bodies.length === 0) return view;
    const { outcome } = await appendAt(transport, { generationId, fence, head, at }, bodies);
    return outcome === 'appended' ? hub.refresh(generationId) : undefined;
  }
}

/** A log that has its end is whole, however much of the middle it lost. */
function isShort(view: LogView, { logged }: FinalizingJob): boolean {
  return !view.closed && view.head.seq < logged;
}

/** Has it all that the record says must be there? */
function isWhole(view: LogView | undefined, job: Job): boolean {
  if (!view || view.head.seq === 0) return false;
  if (job.status === 'finished') return view.closed;
  if (job.status !== 'paused' || view.closed) return true;
  // Until it is announced, a pause may not be in the log.
  if (job.lease !== null) return !(view.head.seq < job.logged);
  return view.fold.knowsAction(job.action.actionId);
}

function foldOf(job: Job, at: string): MessageFold {
  const fold = new MessageFold();
  const created: LogEvent = { seq: 1, fence: job.fence, at, body: createdEvent(job) };
  fold.apply(created);
  return fold;
}
