import type { AgentList } from '../http/agent-schemas.ts';
import type { AppContext } from '../http/context.ts';
import type { UserCall } from '../http/route.ts';

export function createAgentController({ agents }: Pick<AppContext, 'agents'>) {
  return {
    list: ({ res }: UserCall): void => {
      const items = agents().map(({ agentId, name, description, capabilities }, index) => {
        const { approvals, questions, files, subagents, handoffs } = capabilities;
        const able = {
          approvals,
          questions,
          files: [...files],
          subagents: [...subagents],
          handoffs: [...handoffs],
        };
        return { agentId, name, description, default: index === 0, capabilities: able };
      });
      const body: AgentList = { items };
      res.json(body);
    },
  };
}

export type AgentController = ReturnType<typeof createAgentController>;
