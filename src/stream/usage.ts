import type { ModelUsage } from '../agent/agent-runner.ts';
import type { EventOf } from './events.ts';
import type { Usage } from './message.ts';

const NONE = { inputTokens: 0, outputTokens: 0, cacheRead: 0, reasoning: 0 };

/** The event for one more model call: its own tokens, and the total of the generation. */
export function addUsage(
  before: Usage | undefined,
  { call, contextUsed, contextMax, path }: ModelUsage,
): EventOf<'usage'> {
  const sum = before ?? NONE;
  return {
    type: 'usage',
    call,
    total: {
      inputTokens: sum.inputTokens + call.inputTokens,
      outputTokens: sum.outputTokens + call.outputTokens,
      cacheRead: sum.cacheRead + call.cacheRead,
      reasoning: sum.reasoning + call.reasoning,
    },
    contextUsed,
    contextMax,
    ...(path && { path }),
  };
}
