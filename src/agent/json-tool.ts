import { DynamicStructuredTool } from '@langchain/core/tools';
import type { JsonObject } from '../lib/json.ts';
import type { ToolEffects, ToolResult } from './agent-runner.ts';
import { jsonArgs, toolMessage } from './tool-message.ts';
import { contextOf, execute } from './tools.ts';
import type { LangGraphToolConfig, ToolContext, ToolDefinition } from './tools.ts';

/** A tool whose arguments are described by somebody else's JSON Schema. What `run` throws is an error that the model sees. */
export function jsonTool(tool: {
  name: string;
  description: string;
  /** JSON Schema of an object. */
  parameters: JsonObject;
  effects: ToolEffects;
  version: string;
  refuse(args: unknown): string | undefined;
  run(args: JsonObject, context: ToolContext): Promise<ToolResult>;
}): ToolDefinition {
  const { name, description, parameters, effects, version } = tool;
  return {
    name,
    description,
    parameters,
    effects,
    version,
    inner: [],
    refuse: (args) => tool.refuse(args),
    bind(run) {
      async function func(given: unknown, _manager: unknown, config?: LangGraphToolConfig) {
        const { context, shown } = contextOf(run, config);
        const args = jsonArgs(config?.toolCall?.args ?? given);
        const { toolCallId } = context;
        const result = await execute({
          call: { toolCallId, name, effects, args },
          run,
          shown,
          effect: () => tool.run(args, context),
        });
        return toolMessage({ id: toolCallId, name }, result);
      }
      const bound = new DynamicStructuredTool({ name, description, schema: parameters, func });
      // LangChain's own check by a JSON Schema has no bounds. `refuse` has been asked before.
      const call = (args: unknown, config?: LangGraphToolConfig) => func(args, undefined, config);
      return Object.assign(bound, { call });
    },
  };
}
