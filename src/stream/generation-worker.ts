import type { AgentRunner, PauseRequest, RunnerEvent, RunRequest } from '../agent/agent-runner.ts';
import { RunError } from '../agent/agent-runner.ts';
import type { ApprovalLifecycle } from '../hitl/approval-lifecycle.ts';
import type { ApprovalStore } from '../hitl/approval-store.ts';
import { createCallPolicy } from '../hitl/call-policy.ts';
import { delay, type Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { begin, type Pen } from './beginning.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { EventBody } from './events.ts';
import type { EventTransport } from './event-transport.ts';
import type { Finaliser } from './finaliser.ts';
import type { FlushTicker } from './flush-ticker.ts';
import type { MessageFold } from './fold.ts';
import { carryOut } from './job-command.ts';
import type { JobError, PausedJob, RunningJob } from './job.ts';
import type { JobStore } from './job-store.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import type { LogHub } from './log-hub.ts';
import { FencedError, LogWriter } from './log-writer.ts';
import type { Message } from './message.ts';
import type { StreamMetrics } from './metrics.ts';
import type { Opening } from './opening.ts';
import { createRunLedger } from './run-ledger.ts';
import type { Titles } from './titles.ts';
import { addUsage } from './usage.ts';

/** How long the terminal event waits for the title of a first turn. */
const TITLE_PATIENCE = 3_000;

export interface WorkerDeps {
  jobs: JobStore;
  transport: EventTransport;
  conversations: ConversationStore;
  runner: AgentRunner;
  hub: LogHub;
  opening: Opening;
  finaliser: Finaliser;
  titles: Titles;
  approvals: ApprovalLifecycle;
  approvalStore: ApprovalStore;
  ticker: FlushTicker;
  clock: Clock;
  metrics: StreamMetrics;
  log: Log;
  driver: string;
  leaseTtl: number;
}

const NOT_DURABLE: JobError = {
  code: 'PAUSE_NOT_DURABLE',
  message: 'The request for approval could not be saved, so nothing was run.',
};

/** Why a worker stopped before its run ended. */
class Halted extends Error {
  override name = 'Halted';
}

type Ending =
  | { how: 'completed' }
  | { how: 'failed'; error: JobError }
  | { how: 'handover' }
  | { how: 'paused'; asked: PauseRequest }
  /** Not ours any more, or stopped on purpose: somebody else sees to the rest. */
  | { how: 'left' };

/**
 * Drives one claimed generation: fences its log, lets the agent run, writes what it says, and fixes the outcome.
 *
 *   running ──run ended──► finishing ──► over
 *      └──halt, lost lease──► stopped ──► over
 */
export class GenerationWorker {
  readonly job: RunningJob;
  /** Resolves when it has let go of everything; never rejects. */
  readonly over: Promise<void>;
  readonly #deps: WorkerDeps;
  readonly #stop = new AbortController();
  readonly #drain = new AbortController();
  readonly #keeper: LeaseKeeper;
  #phase: 'running' | 'finishing' | 'stopped' = 'running';
  #halting: Promise<void> = Promise.resolve();
  #pen: Pen | undefined;

  constructor(job: RunningJob, deps: WorkerDeps) {
    this.job = job;
    this.#deps = deps;
    this.#keeper = this.#keepLease();
    this.over = this.#drive();
  }

  #keepLease(): LeaseKeeper {
    const { generationId, fence } = this.job;
    const { clock, leaseTtl, jobs, driver, log } = this.#deps;
    return new LeaseKeeper({
      clock,
      ttl: leaseTtl,
      renew: async () => {
        const actor = { driver, leaseTtl, now: await jobs.now() };
        const kept = await carryOut(jobs, generationId, { type: 'heartbeat', fence, actor });
        return kept.outcome === 'moved';
      },
      lost: () => {
        log.warn({ generationId, fence }, 'lease lost');
        void this.halt();
      },
    });
  }

  /** Stops the run at once. What was said so far is durable when it resolves, and nothing will be added to it. */
  halt(): Promise<void> {
    if (this.#phase === 'running') this.#halting = this.#halt();
    return this.#halting;
  }

  async #halt(): Promise<void> {
    this.#phase = 'stopped';
    this.#stop.abort(new Halted('stopped'));
    this.#pen?.writer.close();
    await this.#pen?.writer.flush().catch(() => undefined);
    await this.#deps.hub.release(this.job.generationId).catch(() => undefined);
  }

  /** Asks the run to stop at its next step boundary, to be continued by another process. */
  drain(): void {
    this.#drain.abort();
  }

  /** Stops now and gives the generation back to the queue (T16); what its checkpoint lacks will be asked again. */
  async handOver(): Promise<void> {
    if (this.#phase !== 'running') return;
    await this.halt();
    await this.#queueAgain();
  }

  async #drive(): Promise<void> {
    const { generationId, fence } = this.job;
    try {
      await this.#end(await this.#run());
    } catch (err) {
      // The store failed under us. The lease runs out, and whoever takes over begins from what is durable.
      this.#deps.log.error({ err, generationId, fence }, 'driver gave up');
    } finally {
      this.#keeper[Symbol.dispose]();
      this.#stop.abort(new Halted('over'));
      this.#pen?.writer.close();
      // What readers saw of a run that is stopped is still being stored: to let go before would withdraw it.
      await this.#halting;
      await this.#deps.hub.release(generationId).catch(() => undefined);
    }
  }

  async #run(): Promise<Ending> {
    const pen = await this.#takePen();
    if (!pen || this.#phase !== 'running') return { how: 'left' };
    try {
      const title = this.#deps.titles.begin(this.job);
      const ending = await this.#follow(pen, await begin(this.job, pen, this.#deps));
      if (ending.how === 'completed') await this.#name(pen, title);
      await pen.writer.flush();
      return ending;
    } catch (error) {
      return this.#failure(pen, error);
    }
  }

  async #failure(pen: Pen, error: unknown): Promise<Ending> {
    if (this.#phase !== 'running') return { how: 'left' };
    const { generationId, fence } = this.job;
    if (error instanceof FencedError) {
      this.#deps.log.warn({ generationId, fence, err: error }, 'fenced');
      return { how: 'left' };
    }
    await pen.writer.flush();
    if (error instanceof RunError) {
      this.#deps.log.warn({ generationId, code: error.code }, 'run failed');
      return { how: 'failed', error: { code: error.code, message: error.message } };
    }
    this.#deps.log.error({ generationId, err: error }, 'run failed');
    return { how: 'failed', error: { code: 'AGENT_ERROR', message: 'The agent failed.' } };
  }

  /** Fences the log and reads what is durable; undefined: the log or the conversation is not ours any more. */
  async #takePen(): Promise<Pen | undefined> {
    const { transport, hub, opening } = this.#deps;
    const { generationId, fence } = this.job;
    let info = await transport.fence(generationId, fence);
    if (!info || ('head' in info && info.head === 0)) {
      // The process died between the record and what is derived from it.
      if (!(await opening.save(this.job))) return undefined;
      await opening.createLog(this.job, fence);
      info = await transport.fence(generationId, fence);
    }
    if (!info || !('head' in info) || info.closed) return undefined;
    const view = await hub.refresh(generationId);
    if (!view || this.#phase !== 'running') return undefined;
    hub.drive(view);
    this.#pen = { view, writer: new LogWriter({ view, fence }, this.#deps) };
    return this.#pen;
  }

  async #follow({ view, writer }: Pen, entry: RunRequest['entry']): Promise<Ending> {
    const { job } = this;
    const { generationId, fence, spec, conversationId } = job;
    const run = this.#deps.runner.run({
      generationId,
      fence,
      spec,
      conversationId,
      entry,
      history: await this.#history(),
      nextPart: view.fold.nextPart,
      policy: createCallPolicy(job, this.#deps.approvalStore),
      ledger: createRunLedger(this.#deps, job),
      signal: this.#stop.signal,
      drain: this.#drain.signal,
    });
    for await (const event of run) {
      if (this.#phase !== 'running') return { how: 'left' };
      if (event.type === 'handover') return { how: 'handover' };
      if (event.type === 'pause') return { how: 'paused', asked: event.pause };
      const written = writer.append(bodyOf(event, view.fold));
      if (written) await written;
    }
    return this.#phase === 'running' ? { how: 'completed' } : { how: 'left' };
  }

  #history(): Promise<Message[]> {
    const { conversationId, input } = this.job;
    return this.#deps.conversations.branch(conversationId, input.messageId);
  }

  async #name({ view, writer }: Pen, title: Promise<string | null>): Promise<void> {
    const patience = new AbortController();
    const late = delay(this.#deps.clock, TITLE_PATIENCE, patience.signal).then(() => null);
    const name = await Promise.race([title, late]);
    patience.abort();
    if (name !== null && view.fold.title === undefined) {
      await writer.append({ type: 'title', title: name });
    }
  }

  async #end(ending: Ending): Promise<void> {
    if (ending.how === 'left' || this.#phase !== 'running') return;
    this.#phase = 'finishing';
    const pen = this.#pen;
    pen?.writer.close();
    await this.#deps.hub.release(this.job.generationId);
    if (ending.how === 'handover') return this.#queueAgain();
    if (ending.how === 'paused' && pen) return this.#pause(ending.asked, pen);
    const error = ending.how === 'failed' ? ending.error : null;
    await this.#finish(ending.how === 'completed' ? 'completed' : 'failed', error);
  }

  async #finish(outcome: 'completed' | 'failed', error: JobError | null): Promise<void> {
    const { generationId, fence } = this.job;
    const { jobs, driver, leaseTtl, finaliser } = this.#deps;
    const actor = { driver, leaseTtl, now: await jobs.now() };
    const finish = { type: 'finish', fence, outcome, error, actor } as const;
    const finished = await carryOut(jobs, generationId, finish);
    // Finalising has the lease of T8 and no more: if a step of it hangs, somebody else may begin again.
    this.#keeper[Symbol.dispose]();
    if (finished.outcome === 'moved' && finished.job.status === 'finalizing') {
      await finaliser.run(finished.job);
    }
  }

  /** The checkpoint is durable; then the partial message, then the record, then everybody is told. */
  async #pause(asked: PauseRequest, { view }: Pen): Promise<void> {
    const { conversations, approvals, log } = this.#deps;
    const { generationId, fence } = this.job;
    let paused: PausedJob | undefined;
    try {
      const saved = await conversations.upsertMessage(view.fold.message(), fence);
      if (saved !== 'stored') return;
      paused = await approvals.pause(this.job, asked);
    } catch (err) {
      log.error({ err, generationId }, 'pause not durable');
      return this.#finish('failed', NOT_DURABLE);
    }
    this.#keeper[Symbol.dispose]();
    if (!paused) return;
    log.info({ generationId, kind: asked.kind }, 'generation paused');
    await approvals.announce(paused);
  }

  async #queueAgain(): Promise<void> {
    const { generationId, fence } = this.job;
    const now = await this.#deps.jobs.now();
    await carryOut(this.#deps.jobs, generationId, { type: 'hand_over', fence, now });
  }
}

function bodyOf(
  event: Extract<RunnerEvent, { type: 'event' | 'usage' }>,
  fold: MessageFold,
): EventBody {
  return event.type === 'event' ? event.body : addUsage(fold.usage, event.usage);
}
