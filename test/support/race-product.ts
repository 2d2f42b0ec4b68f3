import { createAdmission, openContent } from '../../src/admission/admission.ts';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '../../src/agent/engine.ts';
import { createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/config.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { OpenStreams } from '../../src/http/open-streams.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createIds } from '../../src/lib/ids.ts';
import { createLoggers } from '../../src/logger.ts';
import { LocalHintBus } from '../../src/store/memory/index.ts';
import {
  createSqliteApprovalStore,
  createSqliteCheckpoints,
  createSqliteConversationStore,
  createSqliteEventTransport,
  createSqliteJobStore,
  createSqliteOutbox,
  openDatabase,
} from '../../src/store/sqlite/index.ts';
import { Core } from '../../src/stream/core.ts';
import type { JobStore } from '../../src/stream/job-store.ts';
import { fakeUsage } from './fake-usage.ts';
import { fakeUserData, memoryFiles } from './files.ts';

/** The product in this process: the demo agent, the embedded store, HTTP; and the records, which no route shows. */
export interface Product {
  baseUrl: string;
  jobs: JobStore;
  ledger: string;
  /** Lines that were logged at level error. */
  errors: string[];
  close(): Promise<void>;
}

export async function startProduct(): Promise<Product> {
  const clock = systemClock;
  const ids = createIds(() => clock.now());
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  const ledger = join(directory, 'ledger.jsonl');
  const errors: string[] = [];
  const destination = { write: (line: string) => void errors.push(line) };
  const loggers = createLoggers({ level: 'error', replicaId: 'here', destination });
  const config = loadConfig({ MAX_GENERATIONS_PER_USER: '1000' });
  const db = openDatabase(join(directory, 'holdfast.db'));
  const jobs = createSqliteJobStore({ db, clock });
  const conversations = createSqliteConversationStore({ db });
  const model = { name: 'demo', title: null, stallTimeoutMs: 10_000 };
  const checkpoints = createSqliteCheckpoints({ db });
  const log = loggers.agent;
  const at = { clock, ids, checkpoints, log };
  const engine = await createEngine({ ...at, model, providers: {}, demoLedger: ledger });
  const metrics = createMetrics({ ofProcess: false });
  const core = new Core({
    files: { deleteOfConversation: async () => undefined },
    ...engine,
    admission: createAdmission(),
    jobs,
    conversations,
    transport: createSqliteEventTransport({ db }),
    approvals: createSqliteApprovalStore({ db }),
    outbox: createSqliteOutbox({ db }),
    hints: new LocalHintBus().connect(),
    clock,
    ids,
    outboxChanged: () => {},
    metrics: metrics.stream,
    log: loggers.manager,
    schedule: (task) => void setImmediate(task),
    retention: () => ({}),
    chores: [],
    settings: {
      driver: 'here',
      leaseTtl: 20_000,
      scanInterval: 50,
      flushWindow: 20,
      earlyDeltas: true,
      streamRetention: 3_600_000,
      temporaryTtl: 3_600_000,
      approvalTtl: 3_600_000,
      warnBefore: 0,
      maxConcurrentRuns: 100,
      maxPerOwner: 1_000,
    },
  });
  const openStreams = new OpenStreams({ clock, heartbeatMs: 10_000, maxPerUser: 100 });
  const app = createApp({
    config,
    conversations,
    clock,
    now: () => jobs.now(),
    ids,
    metrics,
    openStreams,
    generations: core.generations,
    approvals: core.approvals,
    files: memoryFiles().files,
    userData: fakeUserData,
    usage: fakeUsage(() => clock.now()),
    content: openContent,
    agents: () => [],
    routed: () => false,
    logger: loggers.http,
    readiness: () => jobs.ping(),
    isDraining: () => false,
  });
  const server = createHttpServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  core.start();
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    jobs,
    ledger,
    errors,
    async close() {
      openStreams.destroyAll();
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      await core[Symbol.asyncDispose]();
      db.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
