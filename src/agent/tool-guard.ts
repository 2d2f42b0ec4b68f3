import { AIMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { createMiddleware } from 'langchain';
import { ONE_HAND_OFF } from './hand-off.ts';
import { MAX_ARGS_DEPTH } from './kept-args.ts';
import { namedTools } from './named-tools.ts';
import { ALL_SHOWN, type Shown } from './shown-tools.ts';
import type { ToolDefinition } from './tools.ts';
import { beyondLimit, isUsedUp } from './tool-limit.ts';
import { toolMessage } from './tool-message.ts';

/** Ids of the calls of an AI message whose arguments were not JSON. Kept in its additional fields. */
export const MALFORMED_KEY = 'holdfast_malformed';

function isMalformed(messages: readonly BaseMessage[], toolCallId: string): boolean {
  const said = messages.findLast((message) => AIMessage.isInstance(message));
  const ids: unknown = said?.additional_kwargs[MALFORMED_KEY];
  return Array.isArray(ids) && ids.includes(toolCallId);
}

type ByName = ReadonlyMap<string, ToolDefinition>;

/** Is there another hand-off before this one in its step? */
function isSecondHandOff(tools: ByName, messages: readonly BaseMessage[], call: CallToCheck) {
  if (!tools.get(call.name)?.handsOff) return false;
  const said = messages.findLast((message) => AIMessage.isInstance(message));
  const first = said?.tool_calls?.find(({ name }) => tools.get(name)?.handsOff);
  return first !== undefined && first.id !== call.id;
}

/** The arguments as the model, or whoever edited them, said them. */
function saidArgs(messages: readonly BaseMessage[], toolCallId: string) {
  const calls = messages.flatMap((message) =>
    AIMessage.isInstance(message) ? (message.tool_calls ?? []) : [],
  );
  return calls.findLast(({ id }) => id === toolCallId)?.args;
}

interface CallToCheck {
  id: string;
  name: string;
  args: unknown;
}

/** Why a call can't run, as one clear sentence; undefined if it can. */
export function refusals(
  tools: readonly ToolDefinition[],
  maxToolCalls = Infinity,
  shown: Shown = ALL_SHOWN,
) {
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  return (call: CallToCheck, messages: readonly BaseMessage[]): string | undefined => {
    const late = beyondLimit(messages, { toolCallId: call.id, max: maxToolCalls });
    if (late !== undefined) return late;
    const tool = byName.get(call.name);
    if (!tool) {
      const names = [...byName.keys()].filter(shown(messages)).join(', ') || 'none';
      return `There is no tool called ${call.name}. Tools: ${names}.`;
    }
    if (isMalformed(messages, call.id))
      return `The arguments of ${call.name} were not valid JSON of at most ${MAX_ARGS_DEPTH} levels.`;
    if (isSecondHandOff(byName, messages, call)) return ONE_HAND_OFF;
    return tool.refuse(call.args);
  };
}

/**
 * Answers calls that can't run. LangGraph's own answers hold stack traces and file paths.
 * What a tool throws past its own handling ends the run.
 */
export function toolGuard(
  tools: readonly ToolDefinition[],
  maxToolCalls = Infinity,
  shown: Shown = ALL_SHOWN,
) {
  const refusalOf = refusals(tools, maxToolCalls, shown);
  return createMiddleware({
    name: 'ToolGuard',
    // The tools stay named: providers refuse a history of calls without them.
    wrapModelCall(request, handler) {
      const { messages } = request;
      const named = request.tools.length === 0 ? namedTools(messages) : [];
      if (named.length > 0) return handler({ ...request, tools: named, toolChoice: 'none' });
      const isOver = isUsedUp(messages, maxToolCalls);
      return handler(isOver ? { ...request, toolChoice: 'none' } : request);
    },
    async wrapToolCall(request, handler) {
      const { id = '', name } = request.toolCall;
      const { messages } = request.state;
      // On its way to the step LangGraph takes `{node, args}` in the arguments for something of its own.
      const args = saidArgs(messages, id) ?? request.toolCall.args;
      const output = refusalOf({ id, name, args }, messages);
      if (output === undefined)
        return handler({ ...request, toolCall: { ...request.toolCall, args } });
      return toolMessage({ id, name }, { status: 'error', output });
    },
  });
}
