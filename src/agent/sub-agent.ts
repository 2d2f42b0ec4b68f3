import { HumanMessage } from '@langchain/core/messages';
import { DynamicStructuredTool } from '@langchain/core/tools';
import { z } from 'zod';
import { pathSchema } from '../stream/message.ts';
import { fingerprintOf } from './catalog.ts';
import type { AgentDefinition } from './catalog.ts';
import { truncateOutput } from './output.ts';
import { PATH_KEY } from './standing.ts';
import { SubAgentMark } from './sub-agent-mark.ts';
import { toolMessage } from './tool-message.ts';
import { defineTool } from './tools.ts';
import type { LangGraphToolConfig, ToolDefinition } from './tools.ts';

const schema = z.object({ task: z.string().min(1).describe('What the agent is to do.') });

/**
 * An agent as a tool of another one. What it says carries the path of the calls that lead to it; its result is the
 * last thing it says. It has no effect of its own: its tools have theirs in the ledger.
 */
export function subAgentTool(tool: {
  name: string;
  description: string;
  agent: AgentDefinition;
}): ToolDefinition {
  const { name, description, agent } = tool;
  const shape = defineTool({ name, description, schema, effects: 'read', run: async () => '' });
  return {
    ...shape,
    version: fingerprintOf(agent),
    bind: (run) =>
      new DynamicStructuredTool({
        name,
        description,
        schema,
        async func({ task }, _manager, config: LangGraphToolConfig = {}) {
          const toolCallId = config.toolCall?.id ?? '';
          const above = pathSchema.safeParse(config.metadata?.[PATH_KEY]).data ?? [];
          const path = [...above, toolCallId];
          const namespace = String(config.configurable?.['checkpoint_ns'] ?? '');
          const mark = { namespace, toolCallId, agentId: agent.id };
          config.writer?.(new SubAgentMark({ ...mark, state: 'started' }));
          const sub = await run.compile(agent);
          // The same id when the tool begins anew after a crash: the question is replaced, not asked twice.
          const question = new HumanMessage({
            id: `task_${toolCallId}`,
            content: task,
            additional_kwargs: { [PATH_KEY]: path },
          });
          const metadata = { ...config.metadata, [PATH_KEY]: path };
          const state = await sub.graph.invoke({ messages: [question] }, { ...config, metadata });
          config.writer?.(new SubAgentMark({ ...mark, state: 'finished' }));
          const output = truncateOutput(state.messages.at(-1)?.text ?? '');
          return toolMessage({ id: toolCallId, name }, { status: 'ok', output });
        },
      }),
  };
}
