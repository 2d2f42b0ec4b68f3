import { z } from 'zod';
import { walkJson } from '../../http/json-walker.ts';
import type { JsonObject } from '../../lib/json.ts';
import { jsonObjectSchema, type MessagePart } from '../../stream/message.ts';
import { CHAT_HINTS, CHAT_NEUTRAL, neutralShape } from './parameters.ts';
import { invalid } from './refusals.ts';
import { contentSchema, textOf } from './text-content.ts';

/** The body of `POST /v1/chat/completions`, and what is in it for us. Pure. */

const MAX_MESSAGES = 1_000;

const toolCallSchema = z.looseObject({
  id: z.string().min(1).max(200),
  type: z.literal('function'),
  function: z.looseObject({ name: z.string().min(1).max(200), arguments: z.string() }),
});

/** Unknown keys of a message are left alone: clients send back what they got, from whomever. */
const messageSchema = z.discriminatedUnion('role', [
  z.looseObject({ role: z.literal('system'), content: contentSchema }),
  z.looseObject({ role: z.literal('developer'), content: contentSchema }),
  z.looseObject({ role: z.literal('user'), content: contentSchema }),
  z.looseObject({
    role: z.literal('assistant'),
    content: contentSchema.nullish(),
    tool_calls: z.array(toolCallSchema).max(128).nullish(),
  }),
  z.looseObject({
    role: z.literal('tool'),
    content: contentSchema,
    tool_call_id: z.string(),
  }),
]);
type Given = z.infer<typeof messageSchema>;

export const chatBodySchema = z
  .strictObject({
    model: z.string().min(1).meta({ description: 'The id of an agent.' }),
    messages: z.array(messageSchema).min(1).max(MAX_MESSAGES),
    stream: z.boolean().nullish(),
    stream_options: z
      .strictObject({
        include_usage: z.boolean().nullish(),
        include_obfuscation: z.boolean().nullish(),
      })
      .nullish(),
    ...CHAT_HINTS,
    ...neutralShape(CHAT_NEUTRAL),
  })
  .meta({ examples: [{ model: 'demo-plain', messages: [{ role: 'user', content: 'say 5 10' }] }] });
export type ChatBody = z.infer<typeof chatBodySchema>;

export interface Said {
  role: 'user' | 'assistant';
  content: MessagePart[];
}

export interface ChatTurn {
  /** What the user says now. */
  text: string;
  /** What was said before, oldest first. */
  history: Said[];
}

const GAP = '\n\n';

function words(text: string): MessagePart[] {
  return text === '' ? [] : [{ type: 'text', text }];
}

/** JSON inside of JSON: it has not passed the walker yet. */
const ARGS_LIMITS = { jsonDepth: 32, jsonKeys: 1_000 };

function argsOf(text: string, param: string): JsonObject {
  try {
    const value: unknown = text === '' ? {} : JSON.parse(text);
    walkJson(value, ARGS_LIMITS);
    return jsonObjectSchema.parse(value);
  } catch {
    // A SyntaxError, AppError or ZodError, whose messages are about another text or quote the client.
    throw invalid(param, 'The arguments of a tool call must be a JSON object.');
  }
}

function assistant(given: Extract<Given, { role: 'assistant' }>, param: string): Said {
  const text = given.content ? textOf(given.content, `${param}.content`) : '';
  const calls = (given.tool_calls ?? []).map(({ id, function: { name, arguments: json } }) => ({
    type: 'tool_call' as const,
    toolCallId: id,
    name,
    args: argsOf(json, `${param}.tool_calls`),
    status: 'outcome_unknown' as const,
    output: 'No result was given.',
  }));
  return { role: 'assistant', content: [...words(text), ...calls] };
}

/** The result of a call that one of the messages before made. */
function answered(
  said: Said[],
  given: Extract<Given, { role: 'tool' }>,
  param: string,
): MessagePart {
  const parts = said.flatMap(({ content }) => content);
  const call = parts.findLast(
    (it) => it.type === 'tool_call' && it.toolCallId === given.tool_call_id,
  );
  if (call?.type !== 'tool_call') {
    throw invalid(`${param}.tool_call_id`, 'No message before made this call.');
  }
  return { ...call, status: 'ok', output: textOf(given.content, `${param}.content`) };
}

/** The same messages, with a call's result in its place. */
function withResult(said: Said[], result: MessagePart): Said[] {
  if (result.type !== 'tool_call') return said;
  const { toolCallId } = result;
  return said.map(({ role, content }) => ({
    role,
    content: content.map((it) =>
      it.type === 'tool_call' && it.toolCallId === toolCallId ? result : it,
    ),
  }));
}

/**
 * The turn that is asked for. There is no message of a system here: what one says is put in front of what the user says
 * next. Tool calls of the past are kept with their results; a call without one is told as such.
 */
export function chatTurn({ messages }: ChatBody, limits: { textChars: number }): ChatTurn {
  let said: Said[] = [];
  let system: string[] = [];
  for (const [index, given] of messages.entries()) {
    const param = `messages.${index}`;
    if (given.role === 'assistant') said.push(assistant(given, param));
    else if (given.role === 'tool') said = withResult(said, answered(said, given, param));
    else {
      const text = textOf(given.content, `${param}.content`);
      system.push(text);
      if (given.role !== 'user') continue;
      said.push({ role: 'user', content: words(system.join(GAP)) });
      system = [];
    }
  }
  const last = said.pop();
  if (last?.role !== 'user' || messages.at(-1)?.role === 'tool') {
    throw invalid('messages', 'The last message must be of the user.');
  }
  const own = last.content.map((part) => (part.type === 'text' ? part.text : ''));
  const text = [...own, ...system].join(GAP);
  checkText(text, { param: 'messages', ...limits });
  return { text, history: said.filter(({ content }) => content.length > 0) };
}

export function checkText(text: string, limits: { param: string; textChars: number }): void {
  const { param, textChars } = limits;
  if (text.trim() === '') throw invalid(param, 'The user says nothing.');
  if (text.length > textChars) {
    throw invalid(param, `The user says more than ${textChars} characters.`);
  }
}
