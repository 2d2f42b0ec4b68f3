import type { Express } from 'express';
import { createAdmission } from './admission/admission.ts';
import { createRouter, routes } from './admission/router.ts';
import { turnFiles } from './admission/files.ts';
import { createApp } from './app.ts';
import type { AgentCatalog, AgentRunner, Titler } from './agent/agent-runner.ts';
import { createEngine } from './agent/engine.ts';
import { handTools } from './agent/file-agents.ts';
import type { OwnAgent } from './agent/own-graph.ts';
import type { ToolDefinition } from './agent/tools.ts';
import type { Config } from './config/config.ts';
import { createContentGuard } from './content/content-guard.ts';
import { createHookRunner, type ContentHook } from './content/hooks.ts';
import { createModeration } from './content/moderation.ts';
import type { RawEnv } from './config/env.ts';
import { NO_FILE, type LiveFile } from './config/file/live.ts';
import type { ConfigFile } from './config/file/schema.ts';
import { Eraser } from './user-data/eraser.ts';
import { exportOf } from './user-data/export.ts';
import { Files } from './files/files.ts';
import { WebhookDispatcher, type WebhookDeps } from './hitl/webhooks.ts';
import { createMetrics } from './http/metrics.ts';
import { OpenStreams } from './http/open-streams.ts';
import { systemClock, type Clock } from './lib/clock.ts';
import { createIds, type Ids } from './lib/ids.ts';
import { Releasers } from './lib/releasers.ts';
import { clockOutside, traced } from './lib/tracing.ts';
import { createLoggers, type Loggers } from './logger.ts';
import { createMcpTools } from './mcp/mcp-tools.ts';
import { openStores } from './stores.ts';
import { Core, type CoreSettings } from './stream/core.ts';
import { builtInTools } from './tools/built-in.ts';
import { orphanChores } from './stream/orphans.ts';
import { openTracing } from './tracing/open-tracing.ts';
import { fileChore, sweepChore } from './files/file-chore.ts';
import { usageChore } from './usage/usage-chore.ts';
import { UsageMeter } from './usage/usage-meter.ts';
import { createUsageReports } from './usage/usage-report.ts';

/** The composition root: with stores.ts the only place that chooses implementations. */

export interface Overrides {
  clock?: Clock;
  ids?: Ids;
  loggers?: Loggers;
  /** In place of the built-in ones, beside those of the file. */
  agents?: readonly OwnAgent[];
  /** That agents of the file can name, beside the built-in ones. */
  tools?: readonly ToolDefinition[];
  /** What the file refers to. */
  env?: RawEnv;
  /** Further checks of what users write. */
  content?: readonly ContentHook[];
  /** What stands in the configuration file. */
  file?: LiveFile;
  /** Replace the agents and what runs them. */
  runner?: AgentRunner;
  catalog?: AgentCatalog;
  titler?: Titler;
}

export interface Context extends AsyncDisposable {
  readonly app: Express;
  readonly core: Core;
  readonly openStreams: OpenStreams;
  readonly loggers: Loggers;
  /**
   * Looks whether another file could be in force; rejects with a sentence for the operator where not. What it resolves
   * with must be called when it is.
   */
  prepare(file: ConfigFile): Promise<() => void>;
  /** Settles what an earlier process left, and begins to look after what time brings. Does not wait for it. */
  start(): void;
}

/** What nobody said. */
const BARE: Required<Pick<Overrides, 'clock' | 'tools' | 'content' | 'env' | 'file'>> = {
  clock: systemClock,
  tools: [],
  content: [],
  env: {},
  file: { current: NO_FILE },
};

/** Everything that the process consists of. Rejects with a sentence for the operator where it can't be had. */
export async function createContext(config: Config, given: Overrides = {}): Promise<Context> {
  const over = { ...BARE, ...given };
  const { env, file } = over;
  const { logLevel: level, replicaId } = config;
  const loggers = over.loggers ?? createLoggers({ level, replicaId });
  const metrics = createMetrics({ ofProcess: true });
  const releasers = new Releasers();
  try {
    const tracing = await openTracing({
      exporter: config.tracing,
      replicaId,
      log: loggers.app,
    });
    releasers.add(() => tracing[Symbol.asyncDispose]());
    const { tracer } = tracing;
    const clock = clockOutside(over.clock, tracer);
    const ids = over.ids ?? createIds(() => clock.now());
    const opened = await openStores(config, { clock, log: loggers.app, releasers });
    const stores = {
      ...opened,
      jobs: traced(opened.jobs, tracer, 'jobs'),
      transport: traced(opened.transport, tracer, 'log'),
      conversations: traced(opened.conversations, tracer, 'conversations'),
      approvals: traced(opened.approvals, tracer, 'approvals'),
    };
    const now = (): Promise<number> => stores.jobs.now();
    const files = new Files({ store: stores.files, ids, now, limits: config.limits });
    const meter = new UsageMeter({
      store: stores.usage,
      file,
      now,
      metrics: metrics.usage,
      log: loggers.agent,
    });
    releasers.add(() => meter[Symbol.asyncDispose]());
    const { model, providers, demoLedger } = config;
    const content = createContentGuard({
      file,
      moderation: createModeration({ file, providers, fetch, log: loggers.app }),
      hooks: over.content,
      run: createHookRunner({ clock, log: loggers.app }),
    });
    const mcp = createMcpTools({
      servers: () => file.current.mcpServers,
      env: (name) => env[name],
      clock,
      log: loggers.agent,
      metrics: metrics.mcp,
    });
    releasers.add(async () => mcp[Symbol.asyncDispose]());
    const settings = (): ConfigFile['httpFetch'] => file.current.httpFetch;
    const tools = handTools(builtInTools({ clock, settings }), over.tools);
    const engine = await createEngine({
      clock,
      ids,
      checkpoints: stores.checkpoints,
      model,
      providers,
      demoLedger,
      ...(over.agents ? { agents: over.agents } : {}),
      file,
      env,
      hands: { tools, mcp },
      policy: config.toolPolicy,
      meter,
      files,
      log: loggers.agent,
      tracer,
    });
    const webhooks = webhooksOf(config, {
      outbox: stores.outbox,
      clock,
      ids,
      log: loggers.app,
      now: () => stores.jobs.now(),
    });
    if (webhooks) releasers.add(() => webhooks[Symbol.asyncDispose]());
    const eraser = new Eraser({
      ...stores,
      eraseConversation: (id, by) => core.eraseConversation(id, by),
      log: loggers.app,
    });
    const core: Core = new Core({
      ...stores,
      runner: over.runner ?? engine.runner,
      catalog: over.catalog ?? engine.catalog,
      admission: createAdmission({
        budget: { check: (owner) => meter.admit(owner) },
        content,
        files: turnFiles({ files, file }),
        router: createRouter({
          file,
          agents: engine.cards,
          chooser: engine.chooser,
          clock,
          log: loggers.agent,
        }),
      }),
      titler: over.titler ?? engine.titler,
      clock,
      ids,
      outboxChanged: () => webhooks?.poke(),
      metrics: metrics.stream,
      log: loggers.manager,
      schedule: (task) => void setImmediate(() => tracer.outside(task)),
      settings: settingsOf(config),
      retention: () => file.current.retention,
      chores: [
        usageChore(stores.usage),
        ...orphanChores(stores),
        fileChore(stores.files, () => file.current.retention.files),
        sweepChore(stores.files),
        eraser.chore(),
      ],
    });
    releasers.add(() => core[Symbol.asyncDispose]());
    releasers.add(() => eraser[Symbol.asyncDispose]());
    const openStreams = new OpenStreams({
      clock,
      heartbeatMs: config.stream.heartbeatMs,
      maxPerUser: config.limits.maxStreamsPerUser,
    });
    releasers.add(() => openStreams.destroyAll());
    const app = createApp({
      config,
      generations: core.generations,
      conversations: stores.conversations,
      approvals: core.approvals,
      files,
      userData: {
        export: (owner) => exportOf(stores, owner),
        erase: (owner) => eraser.request(owner),
      },
      content,
      usage: createUsageReports({ store: stores.usage, file, now }),
      agents: () => engine.cards(),
      routed: () => routes(file.current),
      clock,
      now: () => stores.jobs.now(),
      ids,
      logger: loggers.http,
      metrics,
      openStreams,
      tracer,
      readiness: async () => {
        await Promise.all([
          stores.jobs.ping(),
          stores.transport.ping(),
          stores.conversations.ping(),
        ]);
      },
      isDraining: () => core.draining,
    });
    return {
      app,
      core,
      openStreams,
      loggers,
      async prepare(next) {
        const replace = await engine.prepare(next);
        return () => {
          replace();
          mcp.reloaded();
        };
      },
      start() {
        core.start();
        webhooks?.start();
      },
      [Symbol.asyncDispose]: () => releasers.release(),
    };
  } catch (error) {
    await releasers.release();
    throw error;
  }
}

function webhooksOf(
  { webhooks }: Config,
  deps: Omit<WebhookDeps, 'url' | 'secret' | 'fetch'>,
): WebhookDispatcher | undefined {
  return webhooks ? new WebhookDispatcher({ ...deps, ...webhooks, fetch }) : undefined;
}

function settingsOf({ replicaId, lease, stream, approvals, limits }: Config): CoreSettings {
  return {
    driver: replicaId,
    leaseTtl: lease.ttlMs,
    scanInterval: lease.scanMs,
    flushWindow: stream.flushWindowMs,
    earlyDeltas: stream.earlyDeltas,
    streamRetention: stream.retentionMs,
    temporaryTtl: stream.temporaryTtlMs,
    approvalTtl: approvals.ttlMs,
    warnBefore: approvals.warnBeforeMs,
    maxConcurrentRuns: limits.maxConcurrentRuns,
    maxPerOwner: limits.maxGenerationsPerUser,
  };
}
