import { NO_FILE, type LiveFile } from '../config/file/live.ts';
import type { ConfigFile } from '../config/file/schema.ts';
import { OPEN_POLICY } from '../hitl/tool-policy.ts';
import type { ToolPolicy } from '../hitl/tool-policy.ts';
import type { Clock } from '../lib/clock.ts';
import type { Ids } from '../lib/ids.ts';
import type { Log } from '../lib/log.ts';
import { NO_TRACER, type Tracer } from '../lib/tracing.ts';
import { AgentError } from './agent-error.ts';
import { agentCards } from './agent-cards.ts';
import type { AgentCard, AgentChooser, AgentRunner, Titler } from './agent-runner.ts';
import {
  createAgentCatalog,
  plainAgent,
  type AgentDefinition,
  type Agents,
  type AgentSet,
} from './catalog.ts';
import type { Checkpoints } from './checkpoints.ts';
import { createChooser } from './chooser.ts';
import { demoAgent, demoPlainAgent } from './demo-agent.ts';
import { DemoModel } from './demo-model.ts';
import { fileAgents, providerIn, type FileAgentDeps } from './file-agents.ts';
import { createLangGraphRunner } from './langgraph-runner.ts';
import { callMeter, type Meter } from './meter.ts';
import { createModels, type Models, type NamedProvider } from './models.ts';
import { ownAgent, type OwnAgent } from './own-graph.ts';
import { Summaries } from './summaries.ts';
import type { RunFiles } from './run-files.ts';
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
  /** What keys of the file refer to. */
  env?: Readonly<Record<string, string | undefined>>;
  /** They take the place of the built-in agents, beside those of the file. */
  agents?: readonly OwnAgent[];
  /** Its agents take the place of the built-in ones; none where not given. */
  file?: LiveFile;
  /** What agents of the file can name as tools. */
  hands?: FileAgentDeps;
  /** File for the demo tools' real executions. */
  demoLedger: string | null;
  /** The service's word on tool calls, where the file has none; agents can only tighten it. */
  policy?: ToolPolicy;
  /** The users'; none where not given. */
  files?: RunFiles;
  /** Where not given nobody pays. */
  meter?: Meter;
  log: Log;
  tracer?: Tracer;
}

export interface Engine {
  runner: AgentRunner;
  catalog: Agents;
  models: Models;
  /** What clients may know of the agents, as they are now; the default one first. */
  cards: () => readonly AgentCard[];
  titler: Titler;
  chooser: AgentChooser;
  /**
   * Looks whether the agents of another file could run here; rejects with a sentence for the operator where not. What it
   * resolves with puts them in force, for turns that begin then; the file must be the current one by that time.
   */
  prepare(file: ConfigFile): Promise<() => void>;
}

function builtIn({ clock, demoLedger, model }: EngineDeps): AgentDefinition[] {
  const deps = { clock, ledgerFile: demoLedger ?? undefined };
  const demos = [demoAgent(deps), demoPlainAgent(deps)];
  return model.name === 'demo' ? demos : [plainAgent(model.name), ...demos];
}

const NO_HANDS: FileAgentDeps = {
  tools: [],
  mcp: {
    source() {
      throw new AgentError('There are no MCP servers.');
    },
  },
};

function agentSet(file: ConfigFile, deps: EngineDeps): AgentSet {
  const own = (deps.agents ?? []).map(ownAgent);
  const given = [...fileAgents(file, deps.hands ?? NO_HANDS), ...own];
  const agents = given.length > 0 ? given : builtIn(deps);
  const [first] = agents;
  if (!first || (deps.agents && given.length === 0))
    throw new AgentError('There must be an agent.');
  return {
    agents,
    defaultAgent: file.defaultAgent ?? first.id,
    policy: file.policy ?? deps.policy ?? OPEN_POLICY,
  };
}

/** The default one first. */
function cardsOf({ agents, defaultAgent, policy }: AgentSet): readonly AgentCard[] {
  const isDefault = ({ id }: AgentDefinition): boolean => id === defaultAgent;
  const others = agents.filter((agent) => !isDefault(agent));
  return agentCards([...agents.filter(isDefault), ...others], policy);
}

/** Every model that the file names. */
async function checkModels(models: Models, file: ConfigFile): Promise<void> {
  const named = file.agents.flatMap(({ model, title, context }) => [
    model,
    ...(title ? [title.model] : []),
    ...(context.model === undefined ? [] : [context.model]),
  ]);
  if (file.routing.model !== undefined) named.push(file.routing.model);
  for (const name of new Set(named)) await models.check(name, providerIn(file, name));
}

/** The agents and what runs them. Rejects with a sentence for the operator where a model can't work here. */
export async function createEngine(deps: EngineDeps): Promise<Engine> {
  const { clock, ids, model, log, tracer = NO_TRACER, file = { current: NO_FILE } } = deps;
  const newId = (): string => ids.sortable('').slice(1);
  const models = createModels({
    env: { ...deps.env, ...deps.providers },
    providers: () => file.current.providers,
    demo: () => new DemoModel({ clock, newId }),
  });
  const catalog = createAgentCatalog(agentSet(file.current, deps));
  let cards = cardsOf(catalog.set);
  const { title } = model;
  for (const name of new Set([model.name, title ?? 'demo'])) await models.check(name);
  await checkModels(models, file.current);
  const titleModel = (
    agentId: string | undefined,
  ): { name: string; provider?: NamedProvider } | undefined => {
    const own = agentId === undefined ? undefined : catalog.get(agentId)?.titleModel;
    return own ?? (title === null ? undefined : { name: title });
  };
  return {
    catalog,
    models,
    cards: () => cards,
    async prepare(next) {
      await checkModels(models, next);
      return () => {
        catalog.replace(agentSet(next, deps));
        cards = cardsOf(catalog.set);
      };
    },
    titler: createTitler({
      modelOf(agentId) {
        const by = titleModel(agentId);
        return by && (async () => (await models.resolve(by.name, {}, by.provider)).model);
      },
      meterOf({ agentId, owner, generationId: prefix }) {
        const by = titleModel(agentId);
        return by && deps.meter && callMeter(deps.meter, { owner, prefix, model: by.name });
      },
      clock,
      timeoutMs: TITLE_TIMEOUT,
      failed: (err) => log.warn({ err }, 'title model failed'),
    }),
    chooser: createChooser({
      resolve: (name) => models.resolve(name, {}, providerIn(file.current, name)),
      meter: deps.meter,
      newId,
      clock,
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
        summaries: new Summaries(clock),
        summaryFailed: (err) => log.warn({ err }, 'no summary of a long history'),
        ...(deps.meter && { meter: deps.meter }),
        tracer,
        ...(deps.files && { files: deps.files }),
      }),
      tracer,
    ),
  };
}
