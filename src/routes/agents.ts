import type { AgentController } from '../controllers/agents.ts';
import { agentListSchema } from '../http/agent-schemas.ts';
import type { Route } from '../http/route.ts';

export function agentRoutes(agents: AgentController): Route[] {
  return [
    {
      access: 'user',
      tag: 'agents',
      method: 'get',
      path: '/api/agents',
      handle: agents.list,
      doc: {
        summary: 'The agents that a turn can name',
        answers: { 200: { about: 'The default one first.', body: agentListSchema } },
      },
    },
  ];
}
