import { OPEN_POLICY } from '../hitl/tool-policy.ts';
import type { ToolPolicy } from '../hitl/tool-policy.ts';
import type { Clock } from '../lib/clock.ts';
import type { Ids } from '../lib/ids.ts';
import type { Log } from '../lib/log.ts';
import { NO_TRACER, type Tracer } from '../lib/tracing.ts';
import { AgentError } from './agent-error.ts';
import { agentCards } from './agent-cards.ts';
import type { AgentCard, AgentRunner, Titler } from './agent-runner.ts';
import { createAgentCatalog, plainAgent, type AgentDefinition, type Agents } from './catalog.ts';
import type { Checkpoints } from './checkpoints.ts';
import { demoAgent, demoPlainAgent } from './demo-agent.ts';
import { DemoModel } from './demo-model.ts';
import { createLangGraphRunner } from './langgraph-runner.ts';
import type { Meter } from './meter.ts';
import { createModels } from './models.ts';
import { ownAgent, type OwnAgent } from './own-graph.ts';
import { createTitler } from './titler.ts';
import { tracedRunner } from './traced-runner.ts';

/** Further attempts of a model call that failed before its first token. */
const MAX_RETRIES = 2;
/** A title that takes longer is made from the text. */
const TITLE_TIMEOUT = 20_000;

export interface EngineDeps {
  clock: Clock;
  ids: Ids;
  checkpoints: Checkpoints;
  /** Model of the default agent: `demo`, or `provider:model`; and the one for titles, if any. */
  model: { name: string; title: string | null; stallTimeoutMs: number };
  /** Keys and base URLs under the providers' own names. */
  providers: Readonly<Record<string, string>>;
  /** They take the place of the built-in agents; the first is the default one. */
  agents?: readonly OwnAgent[];
  /** File for the demo tools' real executions. */
  demoLedger: string | null;
  /** The service's word on tool calls; agents can only tighten it. */
  policy?: ToolPolicy;
  /** Where not given nobody pays. */
  meter?: Meter;
  log: Log;
  tracer?: Tracer;
}

export interface Engine {
  runner: AgentRunner;
  catalog: Agents;
  /** What clients may know of the agents; the default one first. */
  cards: readonly AgentCard[];
  titler: Titler;
}

function builtIn({ clock, demoLedger, model }: EngineDeps): AgentDefinition[] {
  const deps = { clock, ledgerFile: demoLedger ?? undefined };
  const demos = [demoAgent(deps), demoPlainAgent(deps)];
  return model.name === 'demo' ? demos : [plainAgent(model.name), ...demos];
}

/** The agents and what runs them. Rejects with a sentence for the operator where a model can't work here. */
export async function createEngine(deps: EngineDeps): Promise<Engine> {
  const { clock, ids, model, log, tracer = NO_TRACER, policy = OPEN_POLICY } = deps;
  const newId = (): string => ids.sortable('').slice(1);
  const models = createModels({
    env: deps.providers,
    demo: () => new DemoModel({ clock, newId }),
  });
  const agents = deps.agents ? deps.agents.map(ownAgent) : builtIn(deps);
  const [first] = agents;
  if (!first) throw new AgentError('There must be an agent.');
  const catalog = createAgentCatalog({
    agents,
    defaultAgent: first.id,
    policy,
  });
  const { title } = model;
  for (const name of new Set([model.name, title ?? 'demo'])) await models.check(name);
  return {
    catalog,
    cards: agentCards(agents, policy),
    titler: createTitler({
      model: title === null ? undefined : async () => (await models.resolve(title, {})).model,
      clock,
      timeoutMs: TITLE_TIMEOUT,
      failed: (err) => log.warn({ err }, 'title model failed'),
    }),
    runner: tracedRunner(
      createLangGraphRunner({
        checkpoints: deps.checkpoints,
        agents: catalog,
        models,
        clock,
        newId,
        random: () => ids.random(),
        stallTimeoutMs: model.stallTimeoutMs,
        maxRetries: MAX_RETRIES,
        retried: (err) => log.warn({ err }, 'model call is made again'),
        ...(deps.meter && { meter: deps.meter }),
        tracer,
      }),
      tracer,
    ),
  };
}
