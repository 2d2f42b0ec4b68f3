import type { ApprovalLifecycle } from '../hitl/approval-lifecycle.ts';
import { expireCommand, isExpired } from '../hitl/pending.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import type { Ids } from '../lib/ids.ts';
import { Limiter } from '../lib/limiter.ts';
import type { Log } from '../lib/log.ts';
import type { EventTransport } from './event-transport.ts';
import type { Finaliser } from './finaliser.ts';
import { carryOut, carryOutOnce, type CommandResult } from './job-command.ts';
import type { Job, PausedJob } from './job.ts';
import type { JobStore } from './job-store.ts';
import type { LogHub } from './log-hub.ts';
import type { Takeover } from './takeover.ts';
import type { Command } from './transition-command.ts';

/** Records read at once. */
const BATCH = 250;
/** Records seen to at once: each is several writes that mostly wait for a store. */
const AT_ONCE = 16;

export interface SupervisorDeps {
  jobs: JobStore;
  transport: EventTransport;
  hub: LogHub;
  finaliser: Finaliser;
  clock: Clock;
  ids: Ids;
  takeover: Takeover;
  log: Log;
  driver: string;
  leaseTtl: number;
  scanInterval: number;
  streamRetention: number;
  approvals: ApprovalLifecycle;
  /** There may be something to claim. */
  poke(): void;
  /** Deletes temporary conversations whose time is over. */
  purgeConversations(now: number, limit: number): Promise<void>;
  /** What is past its retention. Never rejects. */
  maintain(now: number): Promise<void>;
}

/**
 * Every replica looks regularly for what nobody sees to: drivers that died, finalising that stopped half-way, actions
 * that expired, turns whose predecessor is over, logs past their retention. Each finding is one compare-and-set, so it
 * does not matter who finds it, or how many do.
 */
export class Supervisor implements AsyncDisposable {
  readonly #deps: SupervisorDeps;
  #timer: Timer | undefined;
  #scan: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(deps: SupervisorDeps) {
    this.#deps = deps;
  }

  /** The first pass begins at once. */
  start(): void {
    this.#scan = this.scan().finally(() => this.#plan());
  }

  #plan(): void {
    if (this.#closed) return;
    // Jitter of a fifth, so that replicas do not scan in step; never later than promised.
    const wait = this.#deps.scanInterval * (0.8 + 0.2 * this.#deps.ids.random());
    this.#timer = this.#deps.clock.after(wait, () => this.start());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#scan;
  }

  /** One pass. Never rejects: what fails is found again. */
  async scan(): Promise<void> {
    const { jobs, log } = this.#deps;
    try {
      const now = await jobs.now();
      while (await this.#settleSome(now)) {
        // Many may fall due together, and their owners wait.
      }
      await this.#dropLogs(now);
      await this.#deps.purgeConversations(now, BATCH);
      this.#deps.poke();
      await this.#deps.maintain(now);
    } catch (err) {
      log.error({ err }, 'scan failed');
    }
  }

  /** True: there may be more, and something moved, so it is worth looking. */
  async #settleSome(now: number): Promise<boolean> {
    const due = await this.#deps.jobs.due(now, BATCH);
    const limiter = new Limiter(AT_ONCE);
    // Replicas that scan at the same time take different ones.
    const order = due
      .map((job) => ({ job, place: this.#deps.ids.random() }))
      .toSorted((a, b) => a.place - b.place);
    const settled = await Promise.all(
      order.map(({ job }) => limiter.run(() => this.#settleSafely(job, now))),
    );
    return due.length === BATCH && settled.includes(true) && !this.#closed;
  }

  async #settleSafely(job: Job, now: number): Promise<boolean> {
    if (this.#closed) return false;
    try {
      return await this.#settle(job, now);
    } catch (err) {
      this.#deps.log.error({ err, generationId: job.generationId }, 'settling failed');
      return false;
    }
  }

  /** True: it moved. */
  async #settle(job: Job, now: number): Promise<boolean> {
    const command = this.#due(job, now);
    const { generationId } = job;
    const settled = command && (await this.#carryOut(job, command));
    if (!command || settled?.outcome !== 'moved') {
      if (job.status === 'paused') await this.#remind(job, now);
      return false;
    }
    const { status } = settled.job;
    this.#deps.log.info({ generationId, command: command.type, status }, 'settled');
    if (command.type === 'takeover') await this.#deps.takeover.taken(settled.job);
    else if (settled.job.status === 'finalizing') await this.#deps.finaliser.see(settled.job);
    return true;
  }

  /** The record was just read; it is read again only where somebody else wrote since. */
  async #carryOut(job: Job, command: Command): Promise<CommandResult> {
    const { jobs } = this.#deps;
    const first = await carryOutOnce(jobs, job, command);
    return first.outcome === 'stale' ? carryOut(jobs, job.generationId, command) : first;
  }

  /** It goes on waiting. Who must know of it, and was not told by a process that died, is told now. */
  async #remind(job: PausedJob, now: number): Promise<void> {
    const { approvals } = this.#deps;
    if (job.lease && job.lease.leaseUntil <= now) await approvals.announce(job);
    if (job.warnAt !== null && job.warnAt <= now) await approvals.warn(job);
  }

  #due(job: Job, now: number): Command | undefined {
    const { driver, leaseTtl } = this.#deps;
    const actor = { driver, leaseTtl, now };
    switch (job.status) {
      case 'running':
        return this.#deps.takeover.command(job, now);
      case 'finalizing':
        return { type: 'take_finalising', actor };
      case 'paused': {
        if (isExpired(job.action, now)) return expireCommand(job, actor);
        return job.action.kind === 'recovery' ? { type: 'late_result', now } : undefined;
      }
      case 'queued':
        return job.lane === 'waiting' ? { type: 'promote' } : undefined;
      case 'finished':
        return undefined;
      default:
        return job satisfies never;
    }
  }

  async #dropLogs(now: number): Promise<void> {
    const { jobs, transport, hub, streamRetention } = this.#deps;
    for (const { generationId } of await jobs.withLogOlderThan(now - streamRetention, BATCH)) {
      await transport.drop(generationId);
      hub.forget(generationId);
      await jobs.logDropped(generationId);
    }
  }
}
