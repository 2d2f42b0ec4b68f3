import type { AgentRunner, PauseRequest, RunnerEvent, RunRequest } from '../agent/agent-runner.ts';
import { RunError } from '../agent/agent-runner.ts';
import type { ApprovalStore } from '../hitl/approval-store.ts';
import { createCallPolicy } from '../hitl/call-policy.ts';
import { isUnavailable } from '../errors.ts';
import { delay } from '../lib/clock.ts';
import { begin, type Pen } from './beginning.ts';
import type { EventBody } from './events.ts';
import type { EventTransport } from './event-transport.ts';
import type { FlushTicker } from './flush-ticker.ts';
import type { MessageFold } from './fold.ts';
import type { JobError, RunningJob, Steer } from './job.ts';
import type { LeaseRenewer } from './lease-renewer.ts';
import type { LogHub } from './log-hub.ts';
import { FencedError, LogLostError, LogWriter } from './log-writer.ts';
import type { Message } from './message.ts';
import type { StreamMetrics } from './metrics.ts';
import type { Opening } from './opening.ts';
import { persist } from './persist.ts';
import type { Previews } from './previews.ts';
import { RunEnding, type RunEndingDeps } from './run-ending.ts';
import { createRunLedger } from './run-ledger.ts';
import type { Titles } from './titles.ts';
import { steeredIn } from './unheard.ts';
import { addUsage } from './usage.ts';

/** How long the terminal event waits for the title of a first turn. */
const TITLE_PATIENCE = 3_000;

export interface WorkerDeps extends RunEndingDeps {
  transport: EventTransport;
  runner: AgentRunner;
  hub: LogHub;
  opening: Opening;
  titles: Titles;
  approvalStore: ApprovalStore;
  ticker: FlushTicker;
  leases: LeaseRenewer;
  previews: Previews;
  metrics: StreamMetrics;
}

/** Why a worker stopped before its run ended. */
class Halted extends Error {
  override name = 'Halted';
}

type Ending =
  | { how: 'completed' }
  | { how: 'failed'; error: JobError }
  | { how: 'handover' }
  | { how: 'paused'; asked: PauseRequest }
  /** A store failed, or lost what was written: what is durable is taken up anew. */
  | { how: 'gave_up' }
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
  readonly #quit = new AbortController();
  readonly #ending: RunEnding;
  readonly #lease: Disposable;
  #leaseLost = false;
  #phase: 'running' | 'finishing' | 'stopped' = 'running';
  #halting: Promise<void> = Promise.resolve();
  #pen: Pen | undefined;

  constructor(job: RunningJob, deps: WorkerDeps) {
    this.job = job;
    this.#deps = deps;
    this.#ending = new RunEnding(job, deps, this.#quit.signal);
    this.#lease = deps.leases.keep(job, () => this.#lost());
    this.over = this.#drive();
  }

  #lost(): void {
    const { generationId, fence } = this.job;
    this.#deps.log.warn({ generationId, fence }, 'lease lost');
    this.#leaseLost = true;
    void this.halt();
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
    this.#quit.abort();
    if (this.#phase !== 'running') return;
    await this.halt();
    const { generationId, fence } = this.job;
    await this.#ending.handOver().catch((err: unknown) => {
      // Its lease runs out instead.
      this.#deps.log.error({ err, generationId, fence }, 'driver could not hand over');
    });
  }

  async #drive(): Promise<void> {
    const { generationId, fence } = this.job;
    let gaveUp = false;
    try {
      gaveUp = (await this.#end(await this.#run())) === 'gave_up';
    } catch (err) {
      this.#deps.log.error({ err, generationId, fence }, 'driver failed');
      gaveUp = true;
    } finally {
      this.#lease[Symbol.dispose]();
      this.#stop.abort(new Halted('over'));
      this.#pen?.writer.close();
      // What readers saw of a run that is stopped is still being stored: to let go before would withdraw it.
      await this.#halting;
      await this.#deps.hub.release(generationId).catch(() => undefined);
    }
    if (gaveUp || this.#leaseLost) await this.#giveUp();
  }

  /** If this fails too the lease runs out, and whoever takes over begins from what is durable. */
  async #giveUp(): Promise<void> {
    const { generationId, fence } = this.job;
    this.#deps.log.warn({ generationId, fence }, 'driver gives up');
    await this.#ending.giveUp().catch((err: unknown) => {
      this.#deps.log.error({ err, generationId, fence }, 'driver could not give up');
    });
  }

  async #run(): Promise<Ending> {
    const pen = await this.#persist(() => this.#takePen());
    if (!pen || this.#phase !== 'running') return { how: 'left' };
    try {
      const title = this.#deps.titles.begin(this.job);
      // Waited for here, else an outage would use up every attempt.
      const entry = await this.#persist(() => begin(this.job, pen, this.#deps));
      const ending = await this.#follow(pen, entry);
      if (ending.how === 'completed') await this.#name(pen, title);
      await pen.writer.flush();
      return ending;
    } catch (error) {
      return this.#failure(pen, error);
    }
  }

  #persist<T>(task: () => Promise<T>): Promise<T> {
    return persist(task, { clock: this.#deps.clock, signal: this.#stop.signal });
  }

  async #failure(pen: Pen, error: unknown): Promise<Ending> {
    if (this.#phase !== 'running') return { how: 'left' };
    const { generationId, fence } = this.job;
    if (error instanceof FencedError) {
      this.#deps.log.warn({ generationId, fence, err: error }, 'fenced');
      return { how: 'left' };
    }
    if (error instanceof LogLostError || isUnavailable(error)) {
      this.#deps.log.warn({ generationId, fence, err: error }, 'store failed');
      return { how: 'gave_up' };
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
    const failed = (error: Error): void => this.#stop.abort(error);
    this.#pen = { view, writer: new LogWriter({ view, fence, failed }, this.#deps) };
    return this.#pen;
  }

  async #follow({ view, writer }: Pen, entry: RunRequest['entry']): Promise<Ending> {
    const { job } = this;
    const { generationId, fence, spec, conversationId, owner } = job;
    const run = this.#deps.runner.run({
      generationId,
      fence,
      spec,
      conversationId,
      owner,
      entry,
      history: await this.#persist(() => this.#history()),
      nextPart: view.fold.nextPart,
      attached: view.fold.parts.flatMap((part) =>
        part.type === 'attachment' && part.url !== undefined ? [part.url] : [],
      ),
      steers: () => this.#persist(() => this.#steers()),
      policy: createCallPolicy(job, this.#deps.approvalStore),
      ledger: createRunLedger(this.#deps, job, {
        run: this.#stop.signal,
        process: this.#quit.signal,
      }),
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

  async #steers(): Promise<readonly Steer[]> {
    return (await this.#deps.jobs.get(this.job.generationId))?.steers ?? [];
  }

  #history(): Promise<Message[]> {
    const { conversationId, input } = this.job;
    const leaf = input.again?.continues ?? input.messageId;
    return this.#deps.conversations.branch(conversationId, leaf);
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

  async #end(ending: Ending): Promise<Ending['how']> {
    const { how } = ending;
    if (how === 'left' || this.#phase !== 'running') return 'left';
    this.#phase = 'finishing';
    const pen = this.#pen;
    pen?.writer.close();
    if (how === 'gave_up') return how;
    const { logged, heard } = writtenBy(pen);
    await this.#deps.hub.release(this.job.generationId).catch(() => undefined);
    // What follows has the lease of its own write and no more: if a step hangs, somebody else may begin again.
    const fixed = (): void => this.#lease[Symbol.dispose]();
    if (how === 'handover') await this.#ending.handOver();
    else if (how === 'paused' && pen) {
      await this.#ending.pause({ asked: ending.asked, view: pen.view, logged }, fixed);
    } else {
      const error = how === 'failed' ? ending.error : null;
      const outcome = how === 'completed' ? 'completed' : 'failed';
      await this.#ending.finish({ outcome, error, logged, heard }, fixed);
    }
    return how;
  }
}

function writtenBy(pen: Pen | undefined): { logged: number; heard: readonly string[] } {
  return { logged: pen?.view.head.seq ?? 0, heard: pen ? steeredIn(pen.view.fold.parts) : [] };
}

function bodyOf(
  event: Extract<RunnerEvent, { type: 'event' | 'usage' }>,
  fold: MessageFold,
): EventBody {
  return event.type === 'event' ? event.body : addUsage(fold.usage, event.usage);
}
