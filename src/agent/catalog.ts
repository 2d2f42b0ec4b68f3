import { hashOf } from '../lib/json.ts';
import { OPEN_POLICY } from '../hitl/tool-policy.ts';
import type { ToolPolicy } from '../hitl/tool-policy.ts';
import type { JsonObject } from '../lib/json.ts';
import type { AgentCatalog } from './agent-runner.ts';
import type { CompiledGraph, GraphDeps } from './own-graph.ts';
import { AgentError } from './agent-error.ts';
import type { ToolDefinition, ToolSource } from './tools.ts';

export interface AgentDefinition {
  id: string;
  /** `demo`, or `provider:model`. */
  model: string;
  instructions: string;
  tools: ToolDefinition[];
  /** Of tools that are known only when a run begins. */
  toolSources?: readonly ToolSource[];
  /** The model is shown the tools that it finds with `find_tools`, and these (globs). All where not given. */
  deferTools?: { except: readonly string[] };
  /** Most model calls for one question. */
  maxSteps: number;
  /** For the model, e.g. `temperature`. */
  parameters: JsonObject;
  /** Which tool calls wait for a person, also those of its sub-agents. It can only tighten the service's. */
  toolApproval: ToolPolicy;
  /** A graph that takes the place of model and instructions. */
  own?: { version: string; compile: (deps: GraphDeps) => Promise<CompiledGraph> };
}

/** A sub-agent stands under the policy of the agent that a turn is asked of. */
export type SubAgentDefinition = Omit<AgentDefinition, 'toolApproval' | 'own'>;

/** Changes with everything that shapes a run: a frozen run must not go on under another definition. */
export function fingerprintOf({
  tools,
  toolSources = [],
  own,
  ...rest
}: SubAgentDefinition & Pick<AgentDefinition, 'own'>): string {
  const shapes = tools.map(({ name, description, parameters, effects, version }) => {
    return { name, description, parameters, effects, version };
  });
  // Nobody can tell whether two functions do the same: a graph is as new as its developer says.
  const version = own ? { version: own.version } : {};
  // What a source offers may differ from one run to the next; that is its nature, and no other agent.
  const sources = toolSources.length > 0 ? { sources: toolSources.map(({ id }) => id) } : {};
  return hashOf({ ...rest, tools: shapes, ...sources, ...version });
}

export interface Agents extends AgentCatalog {
  get(agentId: string): AgentDefinition | undefined;
}

export function createAgentCatalog(deps: {
  agents: AgentDefinition[];
  defaultAgent: string;
  /** The service's. */
  policy: ToolPolicy;
}): Agents {
  const byId = new Map(deps.agents.map((agent) => [agent.id, agent]));
  if (byId.size < deps.agents.length) throw new AgentError('Two agents have the same id.');
  if (!byId.has(deps.defaultAgent)) throw new Error(`No agent is called '${deps.defaultAgent}'.`);
  return {
    get: (agentId) => byId.get(agentId),
    fingerprint(agentId) {
      const agent = byId.get(agentId);
      return agent && fingerprintOf(agent);
    },
    freeze({ agentId = deps.defaultAgent, timezone, anchor, route, files, metadata }) {
      const agent = byId.get(agentId);
      if (!agent) return undefined;
      return {
        agentId,
        model: agent.model,
        fingerprint: fingerprintOf(agent),
        parameters: agent.parameters,
        maxSteps: agent.maxSteps,
        policy: { service: deps.policy, agent: agent.toolApproval },
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
