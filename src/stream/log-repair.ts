import type { AgentRunner } from '../agent/agent-runner.ts';
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
}

/**
 * Writes again what a log lost with its store (a failover to a replica that lagged, data that were wiped): not the
 * words that only the log had, but what the checkpoint holds of the answer, and the action that it waits for. Readers
 * are told by a `segment`, as after any recovery.
 */
export class LogRepair {
  readonly #deps: LogRepairDeps;

  constructor(deps: LogRepairDeps) {
    this.#deps = deps;
  }

  /** The log of a generation as it must be for readers; undefined: there is none that could be read now. */
  async open(job: Job): Promise<LogView | undefined> {
    const { hub } = this.#deps;
    const known = await hub.open(job.generationId);
    if (isWhole(known, job)) return known;
    // It may only be behind.
    const fresh = await hub.refresh(job.generationId);
    if (isWhole(fresh, job)) return fresh;
    return job.status === 'paused' ? this.#restore(job) : undefined;
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
    if (!view) return undefined;
    const more: EventBody[] = [{ type: 'pending_action', action }];
    return this.#write(fenced.job, view, { from: fence, more });
  }

  /** For a finaliser, who holds the log: its view, with what the checkpoint has more. */
  async complete(job: FinalizingJob, view: LogView): Promise<LogView | undefined> {
    const wiped = view.head.seq <= 1 && job.startedAt !== null;
    if (!wiped && view.head.seq >= job.logged) return view;
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
      const message = { ...before.message, content };
      const state = { ...before, status: 'running' as const, message };
      bodies.push({ type: 'segment', reason: 'recovered', keep, state, calls });
    }
    bodies.push(...more);
    if (bodies.length === 0) return view;
    const { outcome } = await appendAt(transport, { generationId, fence, head, at }, bodies);
    return outcome === 'appended' ? hub.refresh(generationId) : undefined;
  }
}

/** Has it all that the record says must be there? */
function isWhole(view: LogView | undefined, job: Job): boolean {
  if (!view || view.head.seq === 0) return false;
  if (job.status === 'finished') return view.closed;
  // Until it is announced, a pause may not be in the log.
  if (job.status === 'paused' && job.lease === null) {
    return view.closed || view.fold.knowsAction(job.action.actionId);
  }
  return true;
}

function foldOf(job: Job, at: string): MessageFold {
  const fold = new MessageFold();
  const created: LogEvent = { seq: 1, fence: job.fence, at, body: createdEvent(job) };
  fold.apply(created);
  return fold;
}
