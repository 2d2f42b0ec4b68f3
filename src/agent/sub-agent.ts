import { HumanMessage } from '@langchain/core/messages';
import { DynamicStructuredTool } from '@langchain/core/tools';
import { z } from 'zod';
import { pathSchema } from '../stream/message.ts';
import { fingerprintOf } from './catalog.ts';
import type { SubAgentDefinition } from './catalog.ts';
import { truncateOutput } from './output.ts';
import { PATH_KEY } from './standing.ts';
import { SubAgentMark } from './sub-agent-mark.ts';
import { toolMessage } from './tool-message.ts';
import { defineTool } from './tools.ts';
import type { LangGraphToolConfig, ToolDefinition } from './tools.ts';

const schema = z.object({ task: z.string().min(1).describe('What the agent is to do.') });

function pathAbove({ metadata }: LangGraphToolConfig): string[] {
  return pathSchema.safeParse(metadata?.[PATH_KEY]).data ?? [];
}

/** The config of a sub-graph in the step that has `config`. */
function below(config: LangGraphToolConfig, path: string[]): LangGraphToolConfig {
  // With this key, even undefined, a sub-graph runs steps again that had finished before an interrupt or a crash.
  const { checkpoint_id: _id, ...configurable } = config.configurable ?? {};
  return { ...config, configurable, metadata: { ...config.metadata, [PATH_KEY]: path } };
}

/**
 * An agent as a tool of another one. What it says carries the path of the calls that lead to it; its result is the
 * last thing it says. It has no effect of its own: its tools have theirs in the ledger.
 */
export function subAgentTool(tool: {
  name: string;
  description: string;
  agent: SubAgentDefinition;
}): ToolDefinition {
  const { name, description, agent } = tool;
  const shape = defineTool({ name, description, schema, effects: 'read', run: async () => '' });
  return {
    ...shape,
    version: fingerprintOf(agent),
    inner: agent.tools,
    agent,
    bind: (run) =>
      new DynamicStructuredTool({
        name,
        description,
        schema,
        async func({ task }, _manager, config: LangGraphToolConfig = {}) {
          const toolCallId = config.toolCall?.id ?? '';
          const path = [...pathAbove(config), toolCallId];
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
          const state = await sub.graph.invoke({ messages: [question] }, below(config, path));
          config.writer?.(new SubAgentMark({ ...mark, state: 'finished' }));
          const output = truncateOutput(state.messages.at(-1)?.text ?? '');
          return toolMessage({ id: toolCallId, name }, { status: 'ok', output });
        },
      }),
  };
}
