import { z } from 'zod';
import type { AgentCard } from '../../agent/agent-runner.ts';
import { AUTO } from '../../stream/generations.ts';
import type { AppContext } from '../../http/context.ts';
import { pathParam, type UserCall } from '../../http/route.ts';
import { unknownModel } from './refusals.ts';

/** The agents, as models. */

export const modelSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  /** Nobody knows when an agent was made. */
  created: z.literal(0),
  owned_by: z.string(),
});

export const modelListSchema = z.object({
  object: z.literal('list'),
  data: z.array(modelSchema),
});

function modelOf({ agentId }: AgentCard): z.infer<typeof modelSchema> {
  return { id: agentId, object: 'model', created: 0, owned_by: 'holdfast' };
}

type Naming = Pick<AppContext, 'agents' | 'routed'>;

/** Stands for the agent that will be chosen: it may be any of them. */
function autoCard(agents: readonly AgentCard[]): AgentCard {
  const has = (can: 'approvals' | 'questions'): boolean =>
    agents.some(({ capabilities }) => capabilities[can]);
  const description = 'The server chooses the agent.';
  const can = { approvals: has('approvals'), questions: has('questions') };
  const capabilities = { ...can, files: ['*/*'], subagents: [], handoffs: [] };
  return { agentId: AUTO, name: AUTO, description, capabilities };
}

/** All that can be named as a model. */
function cardsOf({ agents, routed }: Naming): readonly AgentCard[] {
  return routed() ? [...agents(), autoCard(agents())] : agents();
}

/** Throws 404 `model_not_found`. */
export function agentOf(naming: Naming, model: string): AgentCard {
  const card = cardsOf(naming).find(({ agentId }) => agentId === model);
  if (!card) throw unknownModel(model);
  return card;
}

export function createModelController(naming: Naming) {
  return {
    list: ({ res }: UserCall): void => {
      res.json({ object: 'list', data: cardsOf(naming).map(modelOf) });
    },

    get: ({ req, res }: UserCall): void => {
      res.json(modelOf(agentOf(naming, pathParam(req, 'model'))));
    },
  };
}
