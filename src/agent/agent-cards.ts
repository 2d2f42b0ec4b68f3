import { ruling, type RunPolicy, type ToolPolicy } from '../hitl/tool-policy.ts';
import type { AgentCard } from './agent-runner.ts';
import { ASK_USER } from './ask-user.ts';
import type { AgentDefinition } from './catalog.ts';
import { handOffTools, reachable } from './hand-off.ts';
import type { ToolDefinition } from './tools.ts';

/** What clients may know of the agents, in their order. Standing rules are left out: they can be revoked. */
export function agentCards(agents: readonly AgentDefinition[], service: ToolPolicy): AgentCard[] {
  return agents.map((agent) => {
    const { id, name = id, description = '', files = ['*/*'], handOffs = [] } = agent;
    // An answer of its may come to be another one's.
    const all = reachable(agent);
    return {
      agentId: id,
      name,
      description,
      capabilities: {
        approvals: all.some((each) => mayWait(each, service)),
        questions: all.some((each) => allTools(each).some(({ name }) => name === ASK_USER)),
        files,
        subagents: subAgentsOf(agent.tools),
        handoffs: handOffs.map((other) => other.id),
      },
    };
  });
}

/** Those of its sub-agents too. */
function withInner(tools: readonly ToolDefinition[]): ToolDefinition[] {
  return tools.flatMap((tool) => [tool, ...withInner(tool.inner)]);
}

function allTools(agent: AgentDefinition): ToolDefinition[] {
  return withInner([...agent.tools, ...handOffTools(agent)]);
}

function mayWait(agent: AgentDefinition, service: ToolPolicy): boolean {
  const policy = { service, agent: agent.toolApproval };
  return allTools(agent).some((tool) => ruling(policy, tool) === 'ask') || mayAsk(agent, policy);
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
