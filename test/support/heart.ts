import { createAdmission } from '../../src/admission/admission.ts';
import { Core, type CoreSettings } from '../../src/stream/core.ts';
import type { ConversationStore } from '../../src/stream/conversation-store.ts';
import type { EventTransport } from '../../src/stream/event-transport.ts';
import type {
  FrameSink,
  Reader,
  ReadFrom,
  StartRequest,
  Started,
} from '../../src/stream/generations.ts';
import type { JobStore } from '../../src/stream/job-store.ts';
import type { Owner } from '../../src/stream/job.ts';
import { noMetrics } from '../../src/stream/metrics.ts';
import type { Retention } from '../../src/stream/retention.ts';
import { createIds } from '../../src/lib/ids.ts';
import {
  createMemoryEventTransport,
  createMemoryJobStore,
  LocalHintBus,
} from '../../src/store/memory/index.ts';
import {
  createSqliteApprovalStore,
  createSqliteConversationStore,
  createSqliteOutbox,
  openDatabase,
} from '../../src/store/sqlite/index.ts';
import type { ApprovalStore, Outbox } from '../../src/hitl/approval-store.ts';
import { OPEN_POLICY, toolPolicySchema, type RunPolicy } from '../../src/hitl/tool-policy.ts';
import type { RunSpec } from '../../src/agent/run-spec.ts';
import { FakeClock, settle } from './fake-clock.ts';
import { ScriptedRunner } from './scripted-runner.ts';
import { parseFrames, type Frame } from './frames.ts';

export const ALICE: Owner = { tenantId: 't', userId: 'alice' };
export const BOB: Owner = { tenantId: 't', userId: 'bob' };

/** Stores that outlive a process: two hearts on the same ones are two replicas, or one before and after a crash. */
export interface Stores {
  jobs: JobStore;
  transport: EventTransport;
  conversations: ConversationStore;
  approvals: ApprovalStore;
  outbox: Outbox;
  hints: LocalHintBus;
  clock: FakeClock;
  close(): void;
}

export function memoryStores(): Stores {
  const clock = new FakeClock();
  const db = openDatabase(':memory:');
  return {
    clock,
    jobs: createMemoryJobStore({ clock }),
    transport: createMemoryEventTransport(),
    conversations: createSqliteConversationStore({ db }),
    approvals: createSqliteApprovalStore({ db }),
    outbox: createSqliteOutbox({ db }),
    hints: new LocalHintBus(),
    close: () => void db.close(),
  };
}

/** Fails where a timer outlives what made it. */
export function closeStores(stores: Stores): void {
  stores.close();
  if (stores.clock.pending > 0) throw new Error(`${stores.clock.pending} timers outlived the test`);
}

const SETTINGS: CoreSettings = {
  driver: 'a',
  leaseTtl: 20_000,
  scanInterval: 5_000,
  flushWindow: 100,
  earlyDeltas: true,
  streamRetention: 3_600_000,
  temporaryTtl: 86_400_000,
  approvalTtl: 86_400_000,
  warnBefore: 3_600_000,
  maxConcurrentRuns: 10,
  maxPerOwner: 10,
};

/** The heart with a hand-played agent and time that stands still. */
export class Heart {
  readonly core: Core;
  readonly runner = new ScriptedRunner();
  readonly stores: Stores;
  /** What runs that begin now are frozen with. */
  policy: RunPolicy = {
    service: OPEN_POLICY,
    agent: toolPolicySchema.parse({ ask: ['mail'] }),
  };
  /** Agents that answers can be handed to. */
  handOffs: NonNullable<RunSpec['handOffs']> = [];
  fingerprint = 'f';
  retention: Retention = {};
  readonly logged: { level: string; message: string; fields: object }[] = [];

  constructor(stores: Stores, settings: Partial<CoreSettings> = {}, over: Partial<Stores> = {}) {
    this.stores = stores;
    const log = (level: string) => (fields: object, message: string) => {
      this.logged.push({ level, message, fields });
    };
    this.core = new Core({
      ...stores,
      ...over,
      hints: (over.hints ?? stores.hints).connect(),
      runner: this.runner,
      catalog: {
        freeze: ({ agentId = 'demo', ...given }) =>
          ['demo', ...this.handOffs.map((other) => other.agentId)].includes(agentId)
            ? aSpec({ agentId, policy: this.policy, handOffs: this.handOffs, ...given })
            : undefined,
        knows: (spec) => spec.fingerprint === this.fingerprint,
      },
      files: { deleteOfConversation: async () => undefined },
      admission: createAdmission(),
      titler: { title: async (text) => `About ${text}` },
      ids: createIds(() => stores.clock.now()),
      outboxChanged: () => {},
      metrics: noMetrics,
      log: { info: log('info'), warn: log('warn'), error: log('error') },
      schedule: (task) => void setImmediate(task),
      settings: { ...SETTINGS, ...settings },
      retention: () => this.retention,
      chores: [],
    });
  }

  get api(): Core['generations'] {
    return this.core.generations;
  }

  async start(over: Partial<StartRequest> = {}, owner: Owner = ALICE): Promise<Started> {
    const started = await this.api.start(owner, { ...aRequest(), ...over });
    await settle();
    return started;
  }

  /** Opens a reader that takes all it is given. */
  async read(
    streamId: string,
    from: Partial<ReadFrom> = {},
    owner: Owner = ALICE,
  ): Promise<TestReader> {
    const opened = await this.api.subscribe(owner, streamId, {
      cursor: undefined,
      snapshot: false,
      ...from,
    });
    const reader = new TestReader();
    if (opened.outcome === 'at_end') reader.ended = true;
    else if (opened.outcome === 'later') reader.destroyed = true;
    else reader.attach(opened.open(reader));
    await settle();
    return reader;
  }

  async close(): Promise<void> {
    for (const run of this.runner.runs) run.end();
    await this.core[Symbol.asyncDispose]();
  }
}

export function aSpec(over: Partial<RunSpec> = {}): RunSpec {
  const policy = { service: OPEN_POLICY, agent: OPEN_POLICY };
  return {
    agentId: 'demo',
    model: 'demo',
    fingerprint: 'f',
    parameters: {},
    maxSteps: 10,
    policy,
    anchor: '2026-01-01T00:00:00.000Z',
    route: { by: 'default' },
    timezone: null,
    files: [],
    metadata: {},
    ...over,
  };
}

export function aRequest(): StartRequest {
  return {
    text: 'hello',
    onBusy: 'reject',
    temporary: false,
    files: [],
    metadata: {},
    bodyHash: 'h',
  };
}

/** A client's socket: collects what it gets; `full` makes it refuse more until it drains. */
export class TestReader implements FrameSink {
  text = '';
  ended = false;
  destroyed = false;
  full = false;
  writes = 0;
  #reader: Reader | undefined;

  attach(reader: Reader): void {
    this.#reader = reader;
  }

  write(frames: Uint8Array): boolean {
    this.text += Buffer.from(frames).toString('utf8');
    this.writes += 1;
    return !this.full;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.destroyed = true;
  }

  drain(): void {
    this.full = false;
    this.#reader?.drained();
  }

  close(): void {
    this.#reader?.close();
  }

  get frames(): Frame[] {
    return parseFrames(this.text);
  }

  get types(): string[] {
    return this.frames.map((frame) => frame.event);
  }

  get lastId(): string {
    return this.frames.at(-1)?.id ?? '';
  }
}
