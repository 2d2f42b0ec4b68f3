import type { AgentCatalog, AgentRunner, Titler } from '../agent/agent-runner.ts';
import { ApprovalLifecycle } from '../hitl/approval-lifecycle.ts';
import { ApprovalQueries, type Approvals } from '../hitl/approvals.ts';
import type { ApprovalStore, Outbox } from '../hitl/approval-store.ts';
import { Decider } from '../hitl/decider.ts';
import { delay, type Clock } from '../lib/clock.ts';
import type { Ids } from '../lib/ids.ts';
import type { Log } from '../lib/log.ts';
import type { Admission } from './admission.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { EventTransport } from './event-transport.ts';
import { Finaliser } from './finaliser.ts';
import { FlushTicker } from './flush-ticker.ts';
import { Forker } from './forker.ts';
import { GenerationJobManager, type ManagerDeps } from './generation-job-manager.ts';
import type { Generations } from './generations.ts';
import type { Hints } from './hints.ts';
import type { JobStore } from './job-store.ts';
import { LastAnswer } from './last-answer.ts';
import { LeaseRenewer } from './lease-renewer.ts';
import { LogHub } from './log-hub.ts';
import { LogRepair } from './log-repair.ts';
import { Look } from './look.ts';
import { Maintenance, type Chore } from './maintenance.ts';
import type { StreamMetrics } from './metrics.ts';
import { Opening } from './opening.ts';
import { Previews } from './previews.ts';
import { retentionChores, type Retention } from './retention.ts';
import { RunQueue } from './run-queue.ts';
import { Starter } from './starter.ts';
import { Stopper } from './stopper.ts';
import { Subscriber } from './subscriber.ts';
import { Supervisor } from './supervisor.ts';
import { Takeover } from './takeover.ts';
import { Titles } from './titles.ts';

/** Who deletes a temporary conversation whose time is over. */
const PURGE = 'system';

export interface CoreDeps {
  jobs: JobStore;
  transport: EventTransport;
  hints: Hints;
  conversations: ConversationStore;
  runner: AgentRunner;
  catalog: AgentCatalog;
  admission: Admission;
  titler: Titler;
  approvals: ApprovalStore;
  /** Of users: what a conversation's runs made goes with it. */
  files: ManagerDeps['files'];
  outbox: Outbox;
  /** Something was put into the outbox. */
  outboxChanged(): void;
  clock: Clock;
  ids: Ids;
  metrics: StreamMetrics;
  log: Log;
  /** Runs a task after what is going on now; `setImmediate` outside of tests. */
  schedule(task: () => void): void;
  settings: CoreSettings;
  /** How long things are kept, as it is now. */
  retention(): Retention;
  /** Further work of the scans, of what is no part of the heart. */
  chores: readonly Chore[];
}

/** Milliseconds, counts, and the name of this replica. */
export interface CoreSettings {
  driver: string;
  leaseTtl: number;
  scanInterval: number;
  flushWindow: number;
  /** Readers here get deltas of other replicas ahead of the store. */
  earlyDeltas: boolean;
  streamRetention: number;
  temporaryTtl: number;
  approvalTtl: number;
  /** How long before its expiry an action is announced once more. */
  warnBefore: number;
  maxConcurrentRuns: number;
  maxPerOwner: number;
}

/** The heart, put together from its ports. */
export class Core implements AsyncDisposable {
  readonly generations: Generations;
  readonly approvals: Approvals;
  readonly #manager: GenerationJobManager;
  readonly #clock: Clock;
  readonly #ticker: FlushTicker;
  readonly #previews: Previews;
  readonly #hub: LogHub;
  readonly #queue: RunQueue;
  readonly #supervisor: Supervisor;
  readonly #titles: Titles;
  readonly #finaliser: Finaliser;
  readonly #ear: Disposable;
  #draining = false;

  constructor(deps: CoreDeps) {
    const { jobs, clock, log, settings } = deps;
    const { driver, leaseTtl } = settings;
    this.#clock = clock;
    const schedule = (task: () => void): void => deps.schedule(task);
    this.#ticker = new FlushTicker({ clock, schedule }, settings.flushWindow);
    this.#titles = new Titles(deps);
    this.#previews = new Previews({
      hints: deps.hints,
      clock,
      schedule,
      arrived: (preview) => hub.preview(preview),
    });
    const previews = this.#previews;
    const hub = new LogHub({
      ...(settings.earlyDeltas && { previews }),
      transport: deps.transport,
      clock,
      schedule,
      onTailError: (err) => log.error({ err }, 'tail failed'),
    });
    this.#hub = hub;
    const opening = new Opening({ ...deps, temporaryTtl: settings.temporaryTtl });
    const repair = new LogRepair({ ...deps, ...settings, hub });
    const lifecycle = new ApprovalLifecycle({
      ...deps,
      hub,
      settings,
      outboxChanged: () => deps.outboxChanged(),
    });
    const finaliser: Finaliser = new Finaliser({
      ...deps,
      hub,
      opening,
      repair,
      titles: this.#titles,
      approvals: lifecycle,
      haltDriver: (generationId, fence) => this.#queue.haltBefore(generationId, fence),
      finished: (job) => stopper.promoteNext(job.conversationId, job.input.responseMessageId),
    });
    this.#finaliser = finaliser;
    const offer = (): void => this.#queue.offer();
    const takeover = new Takeover({
      ...deps,
      finaliser,
      approvals: lifecycle,
      driver,
      leaseTtl,
      expiry: settings,
      offer,
    });
    const titles = this.#titles;
    this.#queue = new RunQueue({
      ...deps,
      hub,
      opening,
      finaliser,
      titles,
      ticker: this.#ticker,
      leases: new LeaseRenewer({ jobs, clock, schedule, driver, leaseTtl }),
      previews,
      approvals: lifecycle,
      approvalStore: deps.approvals,
      takeover,
      offer,
      driver,
      leaseTtl,
      capacity: settings.maxConcurrentRuns,
    });
    const { hints } = deps;
    const stopper = new Stopper({
      jobs,
      finaliser,
      opening,
      queue: this.#queue,
      hints,
      driver,
      leaseTtl,
    });
    const starter = new Starter({
      ...deps,
      opening,
      stopper,
      lastAnswer: new LastAnswer({ ...deps, finaliser, driver, leaseTtl }),
      queue: this.#queue,
      maxPerOwner: settings.maxPerOwner,
    });
    const decider = new Decider({
      ...deps,
      approvals: lifecycle,
      finaliser,
      driver,
      leaseTtl,
      maxPerOwner: settings.maxPerOwner,
      offer,
    });
    this.approvals = new ApprovalQueries(deps);
    const manager = new GenerationJobManager({
      ...deps,
      hub,
      starter,
      forker: new Forker({ ...deps, temporaryTtl: settings.temporaryTtl }),
      stopper,
      decider,
      subscriber: new Subscriber({ ...deps, hub, repair }),
      look: new Look({ ...deps, repair }),
      isDraining: () => this.#draining,
    });
    this.generations = manager;
    this.#manager = manager;
    const maintenance = new Maintenance({
      chores: [
        ...retentionChores({
          ...deps,
          retention: () => deps.retention(),
          erase: (conversationId) => manager.eraseConversation(conversationId, PURGE),
        }),
        ...deps.chores,
      ],
      log,
      deleted: (what, count) => deps.metrics.expired(what, count),
    });
    this.#supervisor = new Supervisor({
      ...deps,
      ...settings,
      takeover,
      approvals: lifecycle,
      hub,
      finaliser,
      poke: () => this.#queue.poke(),
      maintain: (now) => maintenance.run(now),
      purgeConversations: async (now, limit) => {
        for (const id of await deps.conversations.purgeable(now, limit)) {
          await manager.eraseConversation(id, PURGE);
        }
      },
    });
    this.#ear = hints.listen((hint) => {
      if (hint.type === 'queued') this.#queue.poke();
      if (hint.type === 'fenced') void this.#queue.haltBefore(hint.generationId, hint.fence);
    });
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Stops what runs in a conversation and deletes all of it. Idempotent. */
  eraseConversation(conversationId: string, by: string): Promise<void> {
    return this.#manager.eraseConversation(conversationId, by);
  }

  /** Settles what an earlier process left, and keeps looking. Does not wait for it. */
  start(): void {
    this.#supervisor.start();
  }

  /** Refuses new work from now on; what runs stops at its next step boundary. */
  beginDrain(): void {
    this.#draining = true;
    this.#queue.drain();
  }

  /** Resolves when nothing is driven here any more, at the latest after `grace` ms. */
  async drained(grace: number): Promise<void> {
    const idle = new AbortController();
    const late = delay(this.#clock, grace, idle.signal);
    await Promise.race([this.#queue.idle(), late]);
    idle.abort();
  }

  /** Hands over what still runs, then lets go of everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.beginDrain();
    this.#ear[Symbol.dispose]();
    await this.#supervisor[Symbol.asyncDispose]();
    // From now on it tries once: the workers that the queue waits for may be waiting for it.
    const finaliser = this.#finaliser[Symbol.asyncDispose]();
    await this.#queue[Symbol.asyncDispose]();
    await finaliser;
    await this.#titles[Symbol.asyncDispose]();
    this.#ticker[Symbol.dispose]();
    this.#previews[Symbol.dispose]();
    await this.#hub[Symbol.asyncDispose]();
  }
}
