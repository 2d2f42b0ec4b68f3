import { AIMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { isQuestion } from './steering.ts';

/** How often an agent may call tools for one answer. It is counted in the messages, so a pause or a crash forgets nothing. */

/** Ids of the calls that were asked for since the question, in their order. */
function callsSinceQuestion(messages: readonly BaseMessage[]): string[] {
  const question = messages.findLastIndex(isQuestion);
  const said = messages.slice(question + 1).filter((message) => AIMessage.isInstance(message));
  return said.flatMap(({ tool_calls: calls = [] }) => calls.map(({ id = '' }) => id));
}

/** Why this call comes too late, as a sentence for the model; undefined if it does not. */
export function beyondLimit(
  messages: readonly BaseMessage[],
  { toolCallId, max }: { toolCallId: string; max: number },
): string | undefined {
  if (callsSinceQuestion(messages).indexOf(toolCallId) < max) return undefined;
  return `No more than ${max} tool calls are allowed for one answer, and they are used up. Answer with what you have.`;
}

/** True where a further call would come too late: the model can only answer. */
export function isUsedUp(messages: readonly BaseMessage[], max: number): boolean {
  return callsSinceQuestion(messages).length >= max;
}
