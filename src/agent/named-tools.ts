import { AIMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { DynamicStructuredTool } from '@langchain/core/tools';
import { z } from 'zod';

const schema = z.looseObject({});

/**
 * The tools that a history calls, by name alone, for an agent that has none of its own: others answered before it, and
 * providers refuse calls of tools that are not named. They can't be called: the guard answers as it does for any name.
 */
export function namedTools(messages: readonly BaseMessage[]): DynamicStructuredTool[] {
  const said = messages.filter((message) => AIMessage.isInstance(message));
  const names = said.flatMap(({ tool_calls: calls = [] }) => calls.map(({ name }) => name));
  return [...new Set(names)].map((name) => {
    const description = 'Not available any more.';
    return new DynamicStructuredTool({ name, description, schema, func: async () => '' });
  });
}
