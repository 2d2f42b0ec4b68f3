import { AIMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { hashOf } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';
import { RunError } from './agent-runner.ts';
import type { ToolResult } from './agent-runner.ts';
import { isRecord } from './chunk-content.ts';
import type { RuledDecision } from './interrupt-value.ts';
import { jsonArgs, toolMessage } from './tool-message.ts';

/** What decisions make of a batch of tool calls. Pure. */

export interface Settled {
  /** Replaces the model's message where arguments were edited, and answers the calls that will not run. */
  messages: BaseMessage[];
  /** No call is left to run. */
  over: boolean;
}

function deniedResult(reason: string): ToolResult {
  return { status: 'denied', output: `This call is not allowed: ${reason}` };
}

/** The result of a call that a person decided will not run; undefined: it runs. */
function decidedResult({ decision, reason, responseText }: RuledDecision): ToolResult | undefined {
  if (decision === 'respond') return { status: 'responded', output: responseText ?? '' };
  if (decision !== 'reject') return undefined;
  const why = reason?.trim() ? `: ${reason.trim()}` : '.';
  return { status: 'rejected', output: `The user rejected this call${why}` };
}

/** Some providers are sent the content blocks instead of the calls. */
function editedContent(
  content: AIMessage['content'],
  edits: ReadonlyMap<string, JsonObject>,
): AIMessage['content'] {
  if (typeof content === 'string') return content;
  return content.map((block) => {
    const id = isRecord(block) && typeof block['id'] === 'string' ? block['id'] : '';
    const args = edits.get(id);
    if (!args) return block;
    if ('input' in block) return { ...block, input: args };
    return 'args' in block ? { ...block, args } : block;
  });
}

/** The raw answer of a provider, which its client would send again in place of the edited calls. */
const RAW_ANSWER = 'output';

function edited(message: AIMessage, edits: ReadonlyMap<string, JsonObject>): AIMessage {
  const { id, name, content, additional_kwargs, response_metadata, usage_metadata } = message;
  const calls = message.tool_calls ?? [];
  const metadata = Object.entries(response_metadata).filter(([key]) => key !== RAW_ANSWER);
  return new AIMessage({
    ...(id === undefined ? {} : { id }),
    ...(name === undefined ? {} : { name }),
    content: editedContent(content, edits),
    additional_kwargs,
    response_metadata: Object.fromEntries(metadata),
    tool_calls: calls.map((call) => ({ ...call, args: edits.get(call.id ?? '') ?? call.args })),
    ...(usage_metadata ? { usage_metadata } : {}),
  });
}

interface Ruled {
  denied: Readonly<Record<string, string>>;
  decisions: readonly RuledDecision[];
}

function resultOf(id: string, { denied, decisions }: Ruled): ToolResult | undefined {
  const reason = denied[id];
  if (reason !== undefined) return deniedResult(reason);
  const decision = decisions.find(({ toolCallId }) => toolCallId === id);
  return decision && decidedResult(decision);
}

export function settleCalls(message: AIMessage, ruled: Ruled): Settled {
  const calls = message.tool_calls ?? [];
  const hashes = new Map(calls.map(({ id = '', args }) => [id, hashOf(jsonArgs(args))]));
  if (ruled.decisions.some(({ toolCallId, argsHash }) => hashes.get(toolCallId) !== argsHash))
    throw new RunError('RESUME_MISMATCH', 'What was decided is not what the agent asked for.');
  const results = calls.flatMap(({ id = '', name }) => {
    const result = resultOf(id, ruled);
    return result ? [toolMessage({ id, name }, result)] : [];
  });
  const edits = new Map(
    ruled.decisions.flatMap(({ toolCallId, decision, editedArgs }): [string, JsonObject][] =>
      decision === 'edit' && editedArgs ? [[toolCallId, editedArgs]] : [],
    ),
  );
  return {
    messages: [...(edits.size > 0 ? [edited(message, edits)] : []), ...results],
    over: results.length === calls.length,
  };
}

/** Results in the order of their calls: what was not run is known before what ran, and some providers mind. */
export function resultsInOrder(messages: BaseMessage[]): BaseMessage[] {
  const ordered: BaseMessage[] = [];
  let places = new Map<string, number>();
  let results: BaseMessage[] = [];
  const place = (message: BaseMessage): number =>
    places.get('tool_call_id' in message ? String(message.tool_call_id) : '') ?? places.size;
  const flush = (): void => {
    ordered.push(...results.toSorted((a, b) => place(a) - place(b)));
    results = [];
  };
  for (const message of messages) {
    if (message.type === 'tool') {
      results.push(message);
      continue;
    }
    flush();
    ordered.push(message);
    const calls = AIMessage.isInstance(message) ? (message.tool_calls ?? []) : [];
    places = new Map(calls.map(({ id = '' }, index) => [id, index]));
  }
  flush();
  return ordered;
}
