import { AIMessage, HumanMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import type { Message, MessagePart, SteeredPart, ToolCallPart } from '../stream/message.ts';
import { FILES_KEY, filesIn, filesOf } from './file-blocks.ts';
import { GO_ON, heard } from './heard.ts';
import type { ToolResult } from './agent-runner.ts';
import { toolMessage } from './tool-message.ts';

/**
 * Our messages as a provider accepts them: each tool call has exactly one result, which follows the assistant
 * message that made it; no two messages of one speaker in a row; nothing empty. What a sub-agent said stays
 * inside its tool's result.
 */

const NOT_RUN = 'This call was not run.';
const UNKNOWN = 'This call was stopped before its result was known. It may or may not have run.';

/** One message to be: of the assistant, text and then calls; or what the user wrote meanwhile. */
type Turn = { texts: string[]; calls: ToolCallPart[] } | { steered: SteeredPart };

/** What stands in for an output that is missing. */
const STAND_IN: Record<ToolCallPart['status'], ToolResult> = {
  ok: { status: 'ok', output: '' },
  error: { status: 'error', output: 'This call failed.' },
  responded: { status: 'responded', output: '' },
  rejected: { status: 'rejected', output: 'The user rejected this call.' },
  outcome_unknown: { status: 'outcome_unknown', output: UNKNOWN },
  // Its arguments were complete and nothing says whether it had started.
  ready: { status: 'outcome_unknown', output: UNKNOWN },
  running: { status: 'outcome_unknown', output: UNKNOWN },
  streaming: { status: 'error', output: NOT_RUN },
  waiting: { status: 'error', output: NOT_RUN },
  denied: { status: 'denied', output: 'This call is not allowed.' },
};

function resultFor({ status, output }: ToolCallPart): ToolResult {
  const standIn = STAND_IN[status];
  const isResult = standIn.status === status;
  return isResult && output ? { status: standIn.status, output } : standIn;
}

function turnsOf(parts: MessagePart[]): Turn[] {
  const turns: Turn[] = [];
  let turn: Extract<Turn, { texts: string[] }> | undefined;
  for (const part of parts) {
    if (part.type === 'steered') {
      turns.push({ steered: part });
      turn = undefined;
    } else if (part.path !== undefined) {
      continue;
    } else if (part.type === 'tool_call') {
      if (!turn) turns.push((turn = { texts: [], calls: [] }));
      turn.calls.push(part);
    } else if (part.type === 'text' && part.text !== '') {
      // Text after a call was said with the call's result in sight.
      if (!turn || turn.calls.length > 0) turns.push((turn = { texts: [], calls: [] }));
      turn.texts.push(part.text);
    }
  }
  return turns;
}

function userText(parts: MessagePart[]): string {
  const texts = parts.map((part) => {
    if (part.type === 'text') return part.text;
    return part.type === 'attachment' ? `[attachment: ${part.name} (${part.mediaType})]` : '';
  });
  return texts.filter((text) => text !== '').join('\n\n');
}

/** Providers refuse names and ids outside a small alphabet, and an id that is used twice. */
function safeName(name: string): string {
  const safe = name.replaceAll(/[^\w-]/g, '_').slice(0, 64);
  return safe === '' ? 'unknown' : safe;
}

function uniqueId(id: string, used: Set<string>): string {
  const safe = id.replaceAll(/[^\w-]/g, '_').slice(0, 56) || 'call';
  let unique = safe;
  for (let n = 2; used.has(unique); n += 1) unique = `${safe}_${n}`;
  used.add(unique);
  return unique;
}

function assistantMessages(message: Message, used: Set<string>): BaseMessage[] {
  return turnsOf(message.content).flatMap((turn, index): BaseMessage[] => {
    if ('steered' in turn) {
      const { messageId, text } = turn.steered;
      return [asked(uniqueId(messageId, used), text, [])];
    }
    const { texts, calls } = turn;
    const answered = calls.map((call) => ({
      id: uniqueId(call.toolCallId, used),
      name: safeName(call.name),
      call,
    }));
    const said = new AIMessage({
      id: uniqueId(`${message.messageId}_${index}`, used),
      content: texts.join('\n\n'),
      tool_calls: answered.map(({ id, name, call }) => {
        return { id, name, args: call.args, type: 'tool_call' as const };
      }),
    });
    return [said, ...answered.map((each) => toolMessage(each, resultFor(each.call)))];
  });
}

function asked(id: string, content: string, files: ReturnType<typeof filesIn>): HumanMessage {
  return new HumanMessage({
    id,
    content,
    ...(files.length > 0 && { additional_kwargs: { [FILES_KEY]: files } }),
  });
}

function convert(message: Message, used: Set<string>): BaseMessage[] {
  if (message.role === 'assistant') return assistantMessages(message, used);
  const content = userText(message.content);
  if (content === '') return [];
  return [asked(uniqueId(message.messageId, used), content, filesIn(message.content))];
}

/** Joins `next` to `last` where one speaker would speak twice in a row; undefined where that is not so. */
function joined(last: BaseMessage | undefined, next: BaseMessage): BaseMessage | undefined {
  if (!last || last.type !== next.type) return undefined;
  const content = [last.text, next.text].filter((text) => text !== '').join('\n\n');
  const id = next.id ?? '';
  if (HumanMessage.isInstance(next))
    return asked(id, content, [...filesOf(last), ...filesOf(next)]);
  if (!AIMessage.isInstance(last) || !AIMessage.isInstance(next)) return undefined;
  return new AIMessage({ id, content, tool_calls: next.tool_calls ?? [] });
}

/** Asks for the rest where the last message is an answer: behind it, as not every provider lets one be prefilled. */
function withRequest(
  history: BaseMessage[],
  messages: Message[],
  used: Set<string>,
): BaseMessage[] {
  const last = messages.at(-1);
  const end = history.at(-1);
  const cutOff = last?.role === 'assistant' && last.status === 'unfinished';
  if (!cutOff || !end || HumanMessage.isInstance(end)) return history;
  const id = uniqueId(`${last.messageId}_go_on`, used);
  return [...history, new HumanMessage({ id, content: GO_ON })];
}

/** The branch of a conversation, oldest first, as the input of a model. Pure. */
export function toModelHistory(messages: Message[]): BaseMessage[] {
  const used = new Set<string>();
  const history: BaseMessage[] = [];
  for (const next of heard(messages).flatMap((message) => convert(message, used))) {
    const one = joined(history.at(-1), next);
    if (one) history[history.length - 1] = one;
    else history.push(next);
  }
  return withRequest(history, messages, used);
}
