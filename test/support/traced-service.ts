import { createApp } from '../../src/app.ts';
import { createEngine } from '../../src/agent/engine.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { RawEnv } from '../../src/config/env.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { OpenStreams } from '../../src/http/open-streams.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createIds } from '../../src/lib/ids.ts';
import type { Log } from '../../src/lib/log.ts';
import { Releasers } from '../../src/lib/releasers.ts';
import { clockOutside, traced } from '../../src/lib/tracing.ts';
import { createLoggers } from '../../src/logger.ts';
import { openStores } from '../../src/stores.ts';
import { Core } from '../../src/stream/core.ts';
import { openTracing } from '../../src/tracing/open-tracing.ts';

export interface TracedService {
  url: string;
  /** Stops as the process does, which sends what is left. */
  stop(): Promise<void>;
}

/** The service in memory with the demo agent, composed with tracing as the process is. */
export async function startTracedService(env: RawEnv, log: Log): Promise<TracedService> {
  const config = loadConfig({ PROFILE: 'memory', LOG_LEVEL: 'silent', ...env });
  const releasers = new Releasers();
  const { replicaId, limits, lease, stream, approvals: approval } = config;
  const tracing = await openTracing({ exporter: config.tracing, replicaId, log });
  releasers.add(() => tracing[Symbol.asyncDispose]());
  const { tracer } = tracing;
  const clock = clockOutside(systemClock, tracer);
  const ids = createIds(() => clock.now());
  const opened = await openStores(config, { clock, log, releasers });
  const stores = {
    ...opened,
    jobs: traced(opened.jobs, tracer, 'jobs'),
    transport: traced(opened.transport, tracer, 'log'),
    conversations: traced(opened.conversations, tracer, 'conversations'),
    approvals: traced(opened.approvals, tracer, 'approvals'),
  };
  const { checkpoints } = stores;
  const { model, providers } = config;
  const engine = await createEngine({
    clock,
    ids,
    checkpoints,
    model,
    providers,
    log,
    tracer,
    demoLedger: null,
  });
  const metrics = createMetrics({ ofProcess: false });
  const core = new Core({
    ...stores,
    ...engine,
    clock,
    ids,
    log,
    metrics: metrics.stream,
    outboxChanged() {},
    schedule: (task) => void setImmediate(() => tracer.outside(task)),
    settings: {
      driver: replicaId,
      leaseTtl: lease.ttlMs,
      scanInterval: lease.scanMs,
      flushWindow: stream.flushWindowMs,
      streamRetention: stream.retentionMs,
      temporaryTtl: stream.temporaryTtlMs,
      approvalTtl: approval.ttlMs,
      warnBefore: approval.warnBeforeMs,
      maxConcurrentRuns: limits.maxConcurrentRuns,
      maxPerOwner: limits.maxGenerationsPerUser,
    },
  });
  releasers.add(() => core[Symbol.asyncDispose]());
  const openStreams = new OpenStreams({ clock, heartbeatMs: 1_000, maxPerUser: 10 });
  releasers.add(() => openStreams.destroyAll());
  const app = createApp({
    config,
    clock,
    ids,
    metrics,
    openStreams,
    tracer,
    generations: core.generations,
    conversations: stores.conversations,
    approvals: core.approvals,
    logger: createLoggers({ level: 'silent', replicaId }).http,
    readiness: () => stores.jobs.ping(),
    isDraining: () => core.draining,
  });
  const server = createHttpServer(app);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  releasers.add(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  core.start();
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, stop: () => releasers.release() };
}
