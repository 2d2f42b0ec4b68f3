import { ruling, type RunPolicy, type ToolPolicy } from '../hitl/tool-policy.ts';
import type { AgentCard } from './agent-runner.ts';
import { ASK_USER } from './ask-user.ts';
import type { AgentDefinition } from './catalog.ts';
import type { ToolDefinition } from './tools.ts';

/** What clients may know of the agents, in their order. Standing rules are left out: they can be revoked. */
export function agentCards(agents: readonly AgentDefinition[], service: ToolPolicy): AgentCard[] {
  return agents.map((agent) => {
    const { id, name = id, description = '', files = ['*/*'], toolApproval } = agent;
    const policy = { service, agent: toolApproval };
    const tools = allTools(agent.tools);
    return {
      agentId: id,
      name,
      description,
      capabilities: {
        approvals: tools.some((tool) => ruling(policy, tool) === 'ask') || mayAsk(agent, policy),
        questions: tools.some((tool) => tool.name === ASK_USER),
        files,
        subagents: subAgentsOf(agent.tools),
      },
    };
  });
}

/** Those of its sub-agents too. */
function allTools(tools: readonly ToolDefinition[]): ToolDefinition[] {
  return tools.flatMap((tool) => [tool, ...allTools(tool.inner)]);
}

function subAgentsOf(tools: readonly ToolDefinition[]): string[] {
  return tools.flatMap(({ agent }) => (agent === undefined ? [] : [agent.id]));
}

/** Tools that are known only when a run begins: any of them may be one that is asked for. */
function mayAsk(agent: Pick<AgentDefinition, 'tools' | 'toolSources'>, policy: RunPolicy): boolean {
  if ((agent.toolSources ?? []).length > 0) {
    const unknown = { name: 'mcp__', effects: 'unsafe' } as const;
    const asked = [policy.service, policy.agent].some(({ ask }) => ask.length > 0);
    if (asked || ruling(policy, unknown) === 'ask') return true;
  }
  return agent.tools.some((tool) => tool.agent !== undefined && mayAsk(tool.agent, policy));
}
