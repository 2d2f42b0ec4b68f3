import { ruling, type RunPolicy, type ToolPolicy } from '../hitl/tool-policy.ts';
import type { AgentCard } from './agent-runner.ts';
import { ASK_USER } from './ask-user.ts';
import type { AgentDefinition } from './catalog.ts';
import type { ToolDefinition } from './tools.ts';

/** What clients may know of the agents, in their order. Standing rules are left out: they can be revoked. */
export function agentCards(agents: readonly AgentDefinition[], service: ToolPolicy): AgentCard[] {
  return agents.map(({ id, tools, toolApproval }) => {
    const policy = { service, agent: toolApproval };
    return { agentId: id, waits: tools.some((tool) => canWait(tool, policy)) };
  });
}

function canWait(tool: ToolDefinition, policy: RunPolicy): boolean {
  if (tool.name === ASK_USER || ruling(policy, tool) === 'ask') return true;
  return tool.inner.some((inner) => canWait(inner, policy));
}
