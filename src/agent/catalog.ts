import { hashOf } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';
import type { AgentCatalog } from './agent-runner.ts';
import type { ToolDefinition } from './tools.ts';

export interface AgentDefinition {
  id: string;
  /** `demo`, or `provider:model`. */
  model: string;
  instructions: string;
  tools: ToolDefinition[];
  /** Most model calls for one question. */
  maxSteps: number;
  /** For the model, e.g. `temperature`. */
  parameters: JsonObject;
}

/** Changes with everything that shapes a run: a frozen run must not go on under another definition. */
export function fingerprintOf({ tools, ...rest }: AgentDefinition): string {
  const shapes = tools.map(({ name, description, parameters, effects, version }) => {
    return { name, description, parameters, effects, version };
  });
  return hashOf({ ...rest, tools: shapes });
}

export interface Agents extends AgentCatalog {
  get(agentId: string): AgentDefinition | undefined;
}

export function createAgentCatalog(deps: {
  agents: AgentDefinition[];
  defaultAgent: string;
}): Agents {
  const byId = new Map(deps.agents.map((agent) => [agent.id, agent]));
  if (byId.size < deps.agents.length) throw new Error('Two agents have the same id.');
  if (!byId.has(deps.defaultAgent)) throw new Error(`No agent is called '${deps.defaultAgent}'.`);
  return {
    get: (agentId) => byId.get(agentId),
    freeze({ agentId = deps.defaultAgent, timezone, files, metadata }) {
      const agent = byId.get(agentId);
      if (!agent) return undefined;
      return {
        agentId,
        model: agent.model,
        fingerprint: fingerprintOf(agent),
        parameters: agent.parameters,
        maxSteps: agent.maxSteps,
        timezone,
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
  };
}
