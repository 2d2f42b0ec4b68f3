import { hashOf } from '../lib/json.ts';
import { OPEN_POLICY } from '../hitl/tool-policy.ts';
import type { ToolPolicy } from '../hitl/tool-policy.ts';
import type { JsonObject } from '../lib/json.ts';
import type { AgentCatalog } from './agent-runner.ts';
import type { ContextOptions } from './context-middleware.ts';
import type { NamedProvider } from './models.ts';
import type { RunSpec } from './run-spec.ts';
import type { CompiledGraph, GraphDeps } from './own-graph.ts';
import { AgentError } from './agent-error.ts';
import { reachable } from './hand-off.ts';
import type { ToolDefinition, ToolSource } from './tools.ts';

export interface AgentDefinition {
  id: string;
  /** For people; the id where not given. */
  name?: string;
  /** What it is good for, for people and for whoever chooses an agent. */
  description?: string;
  /** `demo`, or `provider:model`. */
  model: string;
  /** The provider of that name in the configuration file, as it was when this was read. */
  provider?: NamedProvider;
  /** With variables (docs/AGENTS.md section 3). */
  instructions: string;
  tools: ToolDefinition[];
  /** Of tools that are known only when a run begins. */
  toolSources?: readonly ToolSource[];
  /** The model is shown the tools that it finds with `find_tools`, and these (globs). All where not given. */
  deferTools?: { except: readonly string[] };
  /** Most model calls for one question. */
  maxSteps: number;
  /** Most tool calls for one answer, those of sub-agents not counted; any number where not given. */
  maxToolCalls?: number;
  /** Names its conversations; the service's where not given. */
  titleModel?: { name: string; provider?: NamedProvider };
  /** Media types of files that it takes, with `*` as a glob; any where not given. */
  files?: readonly string[];
  /** How long histories are shortened for the model; they are not where not given. */
  context?: ContextOptions;
  /** For the model, e.g. `temperature`. */
  parameters: JsonObject;
  /** Which tool calls wait for a person, also those of its sub-agents. It can only tighten the service's. */
  toolApproval: ToolPolicy;
  /** It may let these answer in its place; they may let it. */
  handOffs?: readonly AgentDefinition[];
  /** A graph that takes the place of model and instructions. */
  own?: { version: string; compile: (deps: GraphDeps) => Promise<CompiledGraph> };
}

/** A sub-agent stands under the policy of the agent that calls it, and returns to it. */
export type SubAgentDefinition = Omit<
  AgentDefinition,
  'toolApproval' | 'own' | 'titleModel' | 'files' | 'handOffs'
>;

/**
 * Changes with everything that shapes a run, also with the agents that it can be handed to: a frozen run must not go on
 * under another definition.
 */
export function fingerprintOf(definition: SubAgentDefinition & Partial<AgentDefinition>): string {
  const { handOffs = [] } = definition;
  const own = fingerprintAlone(definition);
  if (handOffs.length === 0) return own;
  const others = handOffs.flatMap(reachable).filter(({ id }) => id !== definition.id);
  const shapes = new Map(
    others.map((agent) => {
      const { id, name = id, description = '' } = agent;
      // Models go by what it says of itself.
      return [id, { id, name, description, shape: fingerprintAlone(agent), to: idsIn(agent) }];
    }),
  );
  return hashOf({ own, to: idsIn(definition), others: [...shapes.values()] });
}

function idsIn({ handOffs = [] }: Pick<AgentDefinition, 'handOffs'>): string[] {
  return handOffs.map(({ id }) => id);
}

function fingerprintAlone({
  tools,
  toolSources = [],
  own,
  provider,
  handOffs: _handOffs,
  ...definition
}: SubAgentDefinition & Partial<AgentDefinition>): string {
  // What only clients and conversations see shapes no run.
  const { description: _1, titleModel: _2, files: _3, ...rest } = definition;
  const shapes = tools.map(({ name, description, parameters, effects, version }) => {
    return { name, description, parameters, effects, version };
  });
  // Nobody can tell whether two functions do the same: a graph is as new as its developer says.
  const version = own ? { version: own.version } : {};
  // What a source offers may differ from one run to the next; that is its nature, and no other agent.
  const sources = toolSources.length > 0 ? { sources: toolSources.map(({ id }) => id) } : {};
  // A key under another name is no other provider: whoever changes keys wants them changed for all.
  const { apiKey: _4, ...asked } = provider ?? {};
  return hashOf({
    ...rest,
    ...(provider ? { provider: asked } : {}),
    tools: shapes,
    ...sources,
    ...version,
  });
}

/** Agents that stand together, with what the service says of their tool calls. */
export interface AgentSet {
  agents: readonly AgentDefinition[];
  defaultAgent: string;
  /** The service's. */
  policy: ToolPolicy;
}

export interface Agents extends AgentCatalog {
  readonly set: AgentSet;
  /** As it is now. */
  get(agentId: string): AgentDefinition | undefined;
  /** As it was when the spec was frozen; undefined where that is not known any more. */
  frozen(spec: Pick<RunSpec, 'agentId' | 'fingerprint'>): AgentDefinition | undefined;
  /** Puts other agents in force. What was frozen before goes on as it was. Throws AgentError, and changes nothing. */
  replace(set: AgentSet): void;
}

/** Definitions that are no longer in force, and kept for runs that began with them; the oldest go first. */
const MAX_FORMER = 1_000;

interface Entry {
  agent: AgentDefinition;
  fingerprint: string;
}

function entriesOf({ agents, defaultAgent }: AgentSet): Map<string, Entry> {
  const byId = new Map(
    agents.map((agent) => [agent.id, { agent, fingerprint: fingerprintOf(agent) }]),
  );
  if (byId.size < agents.length) throw new AgentError('Two agents have the same id.');
  if (!byId.has(defaultAgent)) throw new AgentError(`No agent is called '${defaultAgent}'.`);
  return byId;
}

function keyOf(agentId: string, fingerprint: string): string {
  return `${agentId} ${fingerprint}`;
}

/** Policies of those that the answer can be handed to. */
function besides(agent: AgentDefinition): Pick<RunSpec, 'handOffs'> {
  const [, ...others] = reachable(agent);
  if (others.length === 0) return {};
  return {
    handOffs: others.map(({ id, toolApproval }) => ({ agentId: id, policy: toolApproval })),
  };
}

export function createAgentCatalog(given: AgentSet): Agents {
  let set = given;
  let byId = entriesOf(given);
  const former = new Map<string, AgentDefinition>();

  function retire(entries: Iterable<Entry>): void {
    for (const { agent, fingerprint } of entries) {
      const key = keyOf(agent.id, fingerprint);
      former.delete(key);
      former.set(key, agent);
    }
    for (const key of former.keys()) {
      if (former.size <= MAX_FORMER) return;
      former.delete(key);
    }
  }

  function frozen({ agentId, fingerprint }: Pick<RunSpec, 'agentId' | 'fingerprint'>) {
    const now = byId.get(agentId);
    // The one in force first: with the same fingerprint it may have newer keys.
    if (now?.fingerprint === fingerprint) return now.agent;
    return former.get(keyOf(agentId, fingerprint));
  }

  return {
    get set() {
      return set;
    },
    get: (agentId) => byId.get(agentId)?.agent,
    frozen,
    knows: (spec) => frozen(spec) !== undefined,
    replace(next) {
      const entries = entriesOf(next);
      retire(byId.values());
      set = next;
      byId = entries;
    },
    freeze({ agentId = set.defaultAgent, timezone, anchor, route, files, metadata }) {
      const found = byId.get(agentId);
      if (!found) return undefined;
      const { agent, fingerprint } = found;
      return {
        agentId,
        model: agent.model,
        fingerprint,
        parameters: agent.parameters,
        maxSteps: agent.maxSteps,
        policy: { service: set.policy, agent: agent.toolApproval },
        ...besides(agent),
        timezone,
        anchor,
        route,
        files,
        metadata,
      };
    },
  };
}

/** The agent for a model that somebody only named. */
export function plainAgent(model: string): AgentDefinition {
  return {
    id: 'default',
    model,
    instructions:
      'You are a helpful assistant in a chat. Answer in the language of the user, plainly and to the point. ' +
      'Use Markdown where it helps. Say so when you do not know something.',
    tools: [],
    maxSteps: 25,
    parameters: {},
    toolApproval: OPEN_POLICY,
  };
}
