import { isUnavailable } from '../../src/errors.ts';
import type { CoreSettings } from '../../src/stream/core.ts';
import type { Timer } from '../../src/lib/clock.ts';
import type { Job } from '../../src/stream/job.ts';
import type { PendingAction } from '../../src/stream/pending-action.ts';
import { settle } from './fake-clock.ts';
import { stateOf, type Frame } from './frames.ts';
import { closeStores, Heart, memoryStores, type Stores, type TestReader } from './heart.ts';
import { failable, type Failable } from './outage.ts';
import { approvalAsked, approveAll, AS_ALICE, CALLS, standingAtPause } from './paused.ts';
import type { ScriptedRun } from './scripted-runner.ts';

const PORTS = ['jobs', 'transport', 'conversations', 'approvals', 'outbox'] as const;
export type PortName = (typeof PORTS)[number];

/** Before what the agent can be held. */
export type AgentStep = 'pause' | 'tool' | 'end';

const STEP_MS = 250;

/**
 * Hearts on stores that can be put out of reach, an agent that says "shall I", asks, does what was approved (unsafe),
 * says "done", and a client that comes back whenever it is cut.
 */
export class OutageWorld {
  readonly stores: Stores = memoryStores();
  readonly hearts: Heart[] = [];
  readonly ports: { [P in PortName]: Failable<Stores[P]> };
  readonly executed: string[] = [];
  readonly #clients: Client[] = [];
  readonly #gates = new Map<AgentStep, { open: () => void; opened: Promise<void> }>();
  #mending: Timer | undefined;
  readonly #standing: Heart['runner']['standing'] = new Map();

  constructor() {
    const { jobs, transport, conversations, approvals, outbox } = this.stores;
    this.ports = {
      jobs: failable(jobs),
      transport: failable(transport),
      conversations: failable(conversations),
      approvals: failable(approvals),
      outbox: failable(outbox),
    };
  }

  heart(driver: string, settings: Partial<CoreSettings> = {}, over: Partial<Stores> = {}): Heart {
    const ports = {
      jobs: this.ports.jobs.port,
      transport: this.ports.transport.port,
      conversations: this.ports.conversations.port,
      approvals: this.ports.approvals.port,
      outbox: this.ports.outbox.port,
      ...over,
    };
    const heart = new Heart(this.stores, { driver, ...settings }, ports);
    heart.runner.standing = this.#standing;
    this.hearts.push(heart);
    return heart;
  }

  /** From now on its runs play themselves. */
  act(heart: Heart): Heart {
    heart.runner.onRun = (run) => {
      this.#play(run).catch((error: unknown) =>
        run.fail(error instanceof Error ? error : new Error()),
      );
    };
    return heart;
  }

  async #play(run: ScriptedRun): Promise<void> {
    const { generationId, entry, ledger } = run.request;
    if (entry.kind === 'start') {
      this.#standing.set(generationId, standingAtPause());
      run.say('shall', ' I');
      for (const [index, { toolCallId, name, args }] of CALLS.entries()) {
        run.push({ type: 'event', body: { type: 'tool_call', part: index + 1, toolCallId, name } });
        run.push({ type: 'event', body: { type: 'tool_ready', toolCallId, name, args } });
      }
    }
    await this.#gates.get('pause')?.opened;
    if (!this.#approved(entry)) return run.push({ type: 'pause', pause: approvalAsked() });
    await this.#gates.get('tool')?.opened;
    for (const { toolCallId, name, args } of CALLS) {
      const go = await ledger.start({ toolCallId, name, effects: 'unsafe', args });
      if (go.go === 'run') this.executed.push(toolCallId);
      const result = { status: 'ok' as const, output: 'sent' };
      await ledger.done(toolCallId, result);
      run.push({ type: 'event', body: { type: 'tool_result', toolCallId, ...result } });
    }
    await this.#gates.get('end')?.opened;
    run.say('done');
    run.end();
  }

  #approved(entry: ScriptedRun['request']['entry']): boolean {
    return entry.kind === 'continue' && entry.answered !== undefined;
  }

  hold(step: AgentStep): void {
    const gate = new AbortController();
    const opened = new Promise<void>((resolve) => {
      gate.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#gates.set(step, { open: () => gate.abort(), opened });
  }

  release(): void {
    for (const gate of this.#gates.values()) gate.open();
    this.#gates.clear();
  }

  /** Out of reach from now on, for so long. */
  outage(ports: readonly PortName[], ms: number): void {
    this.fail(ports);
    this.#mending = this.stores.clock.after(ms, () => this.mend());
  }

  fail(ports: readonly PortName[], how?: Parameters<Failable<object>['fail']>[0]): void {
    for (const name of ports) this.ports[name].fail(how);
  }

  mend(): void {
    for (const name of PORTS) this.ports[name].mend();
  }

  client(heart: Heart, streamId: string): Client {
    const client = new Client(heart, streamId);
    this.#clients.push(client);
    return client;
  }

  /** Time goes on, and clients that were cut come back. */
  async pass(ms: number): Promise<void> {
    for (let gone = 0; gone < ms; gone += STEP_MS) {
      await this.stores.clock.advance(Math.min(STEP_MS, ms - gone));
      for (const client of this.#clients) client.comeBack();
      await settle();
    }
  }

  /** As a client does what it was told to try again. */
  async insist<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await this.#timely(call());
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        await this.pass(1_000);
      }
    }
  }

  /** Some calls wait for the clock. */
  async #timely<T>(call: Promise<T>): Promise<T> {
    const state = { over: false };
    const done = call.finally(() => {
      state.over = true;
    });
    done.catch(() => undefined);
    for (let turn = 0; turn < 200; turn += 1) {
      await settle();
      if (state.over) break;
      await this.pass(STEP_MS);
    }
    return done;
  }

  async job(generationId: string): Promise<Job> {
    const job = await this.stores.jobs.get(generationId);
    if (!job) throw new Error('no such job');
    return job;
  }

  async action(generationId: string): Promise<PendingAction> {
    const job = await this.job(generationId);
    if (job.status !== 'paused') throw new Error(`not paused but ${job.status}`);
    return job.action;
  }

  approve(heart: Heart, generationId: string, actionId: string): Promise<unknown> {
    return this.insist(() => heart.api.resume(AS_ALICE, approveAll(generationId, actionId)));
  }

  /** Whatever the world looks like: it closes, and no timer is left. */
  async close(): Promise<void> {
    this.#mending?.cancel();
    this.mend();
    this.release();
    for (const client of this.#clients) await this.#timely(client.close());
    for (const heart of this.hearts) await this.#timely(heart.close());
    closeStores(this.stores);
  }
}

/** An EventSource: it comes back with its cursor whenever it is cut. */
export class Client {
  readonly #heart: Heart;
  readonly #streamId: string;
  #reader: TestReader | undefined;
  readonly frames: Frame[] = [];
  #taken = 0;
  #opening: Promise<void> | undefined;
  #closed = false;
  ended = false;

  constructor(heart: Heart, streamId: string) {
    this.#heart = heart;
    this.#streamId = streamId;
  }

  /** Opening may take a while, and goes on behind. */
  comeBack(): void {
    this.#take();
    const open = this.#reader && !this.#reader.destroyed;
    if (open || this.ended || this.#closed) return;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
  }

  async #open(): Promise<void> {
    const cursor = this.frames.at(-1)?.id;
    try {
      const reader = await this.#heart.read(this.#streamId, { cursor });
      this.#reader = reader;
      this.#taken = 0;
      if (this.#closed) reader.close();
      this.#take();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      this.#reader = undefined;
    }
  }

  #take(): void {
    const reader = this.#reader;
    if (!reader) return;
    const { frames } = reader;
    this.frames.push(...frames.slice(this.#taken));
    this.#taken = frames.length;
    this.ended ||= reader.ended;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening;
    this.#reader?.close();
  }

  get types(): string[] {
    return this.frames.map((frame) => frame.event);
  }

  /** What it shows. */
  get content(): unknown {
    return stateOf(this.frames).message.content;
  }

  get text(): string {
    return stateOf(this.frames)
      .message.content.map((part) => (part.type === 'text' ? part.text : ''))
      .join('|');
  }

  count(type: string): number {
    return this.types.filter((it) => it === type).length;
  }
}
