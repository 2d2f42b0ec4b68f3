import { z } from 'zod';
import type { AgentCard } from '../../agent/agent-runner.ts';
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

/** Throws 404 `model_not_found`. */
export function agentOf(agents: readonly AgentCard[], model: string): AgentCard {
  const card = agents.find(({ agentId }) => agentId === model);
  if (!card) throw unknownModel(model);
  return card;
}

export function createModelController({ agents }: Pick<AppContext, 'agents'>) {
  return {
    list: ({ res }: UserCall): void => {
      res.json({ object: 'list', data: agents().map(modelOf) });
    },

    get: ({ req, res }: UserCall): void => {
      res.json(modelOf(agentOf(agents(), pathParam(req, 'model'))));
    },
  };
}
