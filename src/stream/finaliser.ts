import type { AgentRunner } from '../agent/agent-runner.ts';
import type { ApprovalLifecycle } from '../hitl/approval-lifecycle.ts';
import { hashOf } from '../lib/json.ts';
import { delay, type Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { publicConversation, type ConversationStore } from './conversation-store.ts';
import { closingEvents } from './closing.ts';
import type { EventBody } from './events.ts';
import type { EventTransport } from './event-transport.ts';
import { carryOut } from './job-command.ts';
import type { FinalizingJob, Job } from './job.ts';
import type { JobStore } from './job-store.ts';
import { appendAt } from './log-append.ts';
import type { LogHub } from './log-hub.ts';
import type { LogRepair } from './log-repair.ts';
import type { LogView } from './log-view.ts';
import type { Conversation, Message } from './message.ts';
import type { StreamMetrics } from './metrics.ts';
import type { Opening } from './opening.ts';
import { persist } from './persist.ts';
import type { Titles } from './titles.ts';

/** Past this many UTF-16 units of JSON the terminal event names the message's content by its hash. */
const MAX_DONE_MESSAGE = 64 * 1024;
/** A caller who only wants to see the end waits this many ms for it. */
const SEE_END_MS = 3_000;

export interface FinaliserDeps {
  jobs: JobStore;
  transport: EventTransport;
  conversations: ConversationStore;
  runner: Pick<AgentRunner, 'prune'>;
  hub: LogHub;
  opening: Opening;
  repair: Pick<LogRepair, 'refence' | 'complete'>;
  titles: Titles;
  approvals: Pick<ApprovalLifecycle, 'settle' | 'finished'>;
  metrics: StreamMetrics;
  clock: Clock;
  log: Log;
  /** Stops a driver in this process that was claimed before this fence, and lets go of the log. */
  haltDriver(generationId: string, fence: number): Promise<void>;
  /** A generation is over: its conversation and a run slot are free. */
  finished(job: Job): Promise<void>;
}

/** The record as the finaliser holds it; it may have to take a new fence on the way. */
interface Hold {
  job: FinalizingJob;
}

/**
 * Brings a generation whose outcome is fixed to its end (T13, T14): what is still open in the answer is closed, the
 * message saved, the terminal event appended if there is none, checkpoints pruned, the record closed. Each step is
 * idempotent, so that after a crash anybody can begin again from the first.
 */
export class Finaliser implements AsyncDisposable {
  readonly #deps: FinaliserDeps;
  readonly #running = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(deps: FinaliserDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves when the generation is finished, or when another replica was found to be at it. Begins again as long as a
   * store is out of reach.
   */
  run(job: FinalizingJob): Promise<void> {
    const key = `${job.generationId}:${job.fence}`;
    const known = this.#running.get(key);
    if (known) return known;
    const patience = { clock: this.#deps.clock, signal: this.#stop.signal };
    const hold = { job };
    const running = persist(() => this.#finalise(hold), patience).finally(() =>
      this.#running.delete(key),
    );
    this.#running.set(key, running);
    return running;
  }

  /** As `run`, for somebody who waits for an answer: resolves after a while at the latest, and the rest goes on. */
  async see(job: FinalizingJob): Promise<void> {
    const over = new AbortController();
    const running = this.run(job).finally(() => over.abort());
    const late = delay(this.#deps.clock, SEE_END_MS, over.signal);
    running.catch((err: unknown) => {
      this.#deps.log.error({ err, generationId: job.generationId }, 'finalising failed');
    });
    await Promise.race([running, late]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#running.values());
  }

  async #finalise(hold: Hold): Promise<void> {
    const view = await this.#ownLog(hold);
    if (!view) return;
    const { job } = hold;
    const { generationId, fence } = job;
    const end = view.closed ? view.head : await this.#close(job, view);
    if (!end) return;
    await this.#deps.runner.prune(generationId);
    const { outcome } = job;
    await this.#deps.approvals.finished(job, { outcome });
    const now = await this.#deps.jobs.now();
    const closed = await carryOut(this.#deps.jobs, generationId, {
      type: 'close',
      fence,
      now,
      end,
    });
    if (closed.outcome !== 'moved') return;
    this.#deps.metrics.generationFinished(outcome);
    this.#deps.log.info({ generationId, outcome }, 'generation finished');
    await this.#deps.finished(closed.job);
  }

  /** The log, fenced for us and read anew; undefined: somebody with a higher fence is at it. */
  async #ownLog(hold: Hold): Promise<LogView | undefined> {
    const { transport, hub, opening, repair } = this.#deps;
    const { job } = hold;
    const { generationId, fence } = job;
    let info = await transport.fence(generationId, fence);
    if (!info || ('head' in info && info.head === 0)) {
      await opening.save(job);
      await opening.createLog(job, fence);
      info = await transport.fence(generationId, fence);
    }
    if (!info || !('head' in info)) return undefined;
    // No older driver can take the log from now on; one that has it already keeps the view from what is durable.
    await this.#deps.haltDriver(generationId, fence);
    const view = await hub.refresh(generationId);
    const held = view && (await repair.refence(job, view));
    if (!held) return undefined;
    hold.job = held;
    return repair.complete(held, view);
  }

  async #close(
    job: FinalizingJob,
    view: LogView,
  ): Promise<{ fence: number; seq: number } | undefined> {
    const { conversations } = this.#deps;
    const at = new Date(await this.#deps.jobs.now()).toISOString();
    const repaired = await this.#append(job, view, { at, bodies: closingEvents(view.fold, job) });
    if (!repaired) return undefined;
    await this.#deps.approvals.settle(job);
    const message = finalMessage(repaired, job);
    const saved = await conversations.upsertMessage(message, job.fence);
    if (saved === 'stale_fence') return undefined;
    const conversation = await this.#touch(job, at);
    const done = doneEvent(message, job, conversation);
    const ended = await this.#append(job, repaired, { at, bodies: [done] });
    return ended?.closed ? ended.head : undefined;
  }

  /** Appends and reads back; undefined: fenced by somebody else. */
  async #append(
    job: FinalizingJob,
    view: LogView,
    { at, bodies }: { at: string; bodies: EventBody[] },
  ): Promise<LogView | undefined> {
    if (bodies.length === 0) return view;
    const { generationId, fence } = job;
    const place = { generationId, fence, head: view.head.seq, at };
    const { outcome } = await appendAt(this.#deps.transport, place, bodies);
    // `closed`: the terminal event is there, by a finaliser that died after it.
    if (outcome !== 'appended' && outcome !== 'closed') return undefined;
    return this.#deps.hub.refresh(generationId);
  }

  async #touch(job: FinalizingJob, at: string): Promise<Conversation> {
    const { conversations, titles } = this.#deps;
    const known = await conversations.get(job.conversationId);
    if (!known) return deleted(job, at);
    await conversations.touch(job.conversationId, at, null);
    if (known.title === null) void titles.begin(job);
    return publicConversation({ ...known, updatedAt: known.updatedAt > at ? known.updatedAt : at });
  }
}

/** The conversation was deleted while its generation ended: readers still get a whole terminal event. */
function deleted(job: Job, at: string): Conversation {
  const { conversationId, input, createdAt } = job;
  const born = new Date(createdAt).toISOString();
  return {
    conversationId,
    title: null,
    temporary: input.temporary,
    createdAt: born,
    updatedAt: at,
  };
}

function finalMessage(view: LogView, { outcome, error }: FinalizingJob): Message {
  const status = outcome === 'completed' ? 'complete' : 'unfinished';
  return { ...view.fold.message(), status, ...(error && { error }) };
}

/** The terminal event, from what is durable. */
export function doneEvent(
  message: Message,
  { outcome, error }: { outcome: FinalizingJob['outcome']; error: FinalizingJob['error'] },
  conversation: Conversation,
): EventBody {
  const { content, ...head } = message;
  const small = JSON.stringify(content).length <= MAX_DONE_MESSAGE;
  return {
    type: 'done',
    status: outcome,
    message: small ? message : { ...head, contentHash: hashOf(content) },
    conversation,
    usage: message.usage ?? null,
    ...(error && { error }),
  };
}
