import { randomUUID } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { AgentCatalog, AgentRunner, Titler } from './agent-runner.ts';
import { createAgentCatalog, plainAgent } from './catalog.ts';
import type { Checkpoints } from './checkpoints.ts';
import { demoAgent } from './demo-agent.ts';
import { DemoModel } from './demo-model.ts';
import { createLangGraphRunner } from './langgraph-runner.ts';
import { createModels } from './models.ts';
import { createTitler } from './titler.ts';

/** The part of the configuration that shapes agents. */
export interface EngineConfig {
  model: { name: string; title: string | null; stallTimeoutMs: number };
  /** Keys and base URLs under the providers' own names. */
  providers: Readonly<Record<string, string>>;
  demoLedger: string | null;
}

export interface EngineDeps {
  config: EngineConfig;
  clock: Clock;
  checkpoints: Checkpoints;
  log: { warn(fields: object, message: string): void };
}

export interface Engine {
  runner: AgentRunner;
  catalog: AgentCatalog;
  titler: Titler;
}

const MAX_RETRIES = 2;
/** The `title` event waits 3 s at most. */
const TITLE_TIMEOUT_MS = 10_000;

/** Agents and what runs them. Rejects with a sentence for the operator where a model can't work. */
export async function createEngine({
  config,
  clock,
  checkpoints,
  log,
}: EngineDeps): Promise<Engine> {
  const { name, title, stallTimeoutMs } = config.model;
  const newId = (): string => randomUUID().replaceAll('-', '');
  const models = createModels({
    env: config.providers,
    demo: () => new DemoModel({ clock, newId }),
  });
  await models.check(name);
  if (title !== null) await models.check(title);

  const demo = demoAgent({ clock, ledgerFile: config.demoLedger ?? undefined });
  const agents = name === 'demo' ? [demo] : [plainAgent(name), demo];
  const catalog = createAgentCatalog({ agents, defaultAgent: agents[0]?.id ?? demo.id });
  const runner = createLangGraphRunner({
    checkpoints,
    agents: catalog,
    models,
    clock,
    newId,
    random: Math.random,
    stallTimeoutMs,
    maxRetries: MAX_RETRIES,
    retried: (err) => log.warn({ err }, 'model call failed, trying again'),
  });
  const titler = createTitler({
    // The demo model knows commands, not titles.
    model:
      title === null || title === 'demo'
        ? undefined
        : async () => (await models.resolve(title, {})).model,
    clock,
    timeoutMs: TITLE_TIMEOUT_MS,
    failed: (err) => log.warn({ err }, 'title model failed'),
  });
  return { runner, catalog, titler };
}
