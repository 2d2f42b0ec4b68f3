import { AIMessage, BaseMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import type { BaseCheckpointSaver, CheckpointTuple } from '@langchain/langgraph-checkpoint';
import type { Standing, StandingCall, StandingSteer } from './agent-runner.ts';
import { isRecord, textOf } from './chunk-content.ts';
import { answeringIn } from './hand-off.ts';
import { isQuestion, steeredBy } from './steering.ts';
import { attachmentsOf, jsonArgs, resultOf } from './tool-message.ts';
import { pathSchema } from '../stream/message.ts';

/** Where a sub-agent's question keeps the tool calls that lead to it. Providers are never sent this key. */
export const PATH_KEY = 'holdfast_path';

/** Marks the question of a turn: a graph may add messages of the user's side of its own. */
const QUESTION_KEY = 'holdfast_question';

/** The input of a turn, its question marked. */
export function withQuestion(history: BaseMessage[]): BaseMessage[] {
  const last = history.at(-1);
  if (!last || !HumanMessage.isInstance(last)) return history;
  const { id, content, additional_kwargs } = last;
  const question = new HumanMessage({
    ...(id === undefined ? {} : { id }),
    content,
    additional_kwargs: { ...additional_kwargs, [QUESTION_KEY]: true },
  });
  return [...history.slice(0, -1), question];
}

/** Where what was made for the turn, or for a sub-agent's task, begins. */
function questionIn(messages: readonly BaseMessage[]): number {
  const marked = messages.findLastIndex(
    ({ additional_kwargs: { [PATH_KEY]: path, [QUESTION_KEY]: question } }) =>
      path !== undefined || question !== undefined,
  );
  // A graph within a graph may have been asked in its own words.
  return marked === -1 ? messages.findLastIndex(isQuestion) : marked;
}

const NOTHING: Standing = { resumable: false, calls: [], results: [], steered: [] };

function messagesIn(value: unknown): BaseMessage[] {
  const items: unknown[] = Array.isArray(value) ? value : [value];
  return items.filter((item) => BaseMessage.isInstance(item));
}

/** What a run began with and has not taken into its state yet. */
function inputOf(start: unknown): unknown {
  return isRecord(start) ? start['messages'] : undefined;
}

/** State and what finished steps wrote that is not part of it yet. Later writes of a message replace earlier ones. */
function messagesOf({ checkpoint, pendingWrites = [] }: CheckpointTuple): BaseMessage[] {
  const written = pendingWrites.filter(([, channel]) => channel === 'messages');
  const all = [
    ...messagesIn(checkpoint.channel_values['messages']),
    ...messagesIn(inputOf(checkpoint.channel_values['__start__'])),
    ...written.flatMap(([, , value]) => messagesIn(value)),
  ];
  const byId = new Map(all.map((message, index) => [message.id ?? `at ${index}`, message]));
  return [...byId.values()];
}

function pathOf(question: BaseMessage | undefined): string[] | undefined {
  return pathSchema.safeParse(question?.additional_kwargs[PATH_KEY]).data;
}

/** Of the sub-agent whose checkpoint it is. */
export function pathIn(tuple: CheckpointTuple): string[] | undefined {
  const messages = messagesOf(tuple);
  return pathOf(messages[questionIn(messages)]);
}

function callOf(message: AIMessage, path: string[] | undefined): StandingCall {
  return {
    call: message.id ?? '',
    ...(path ? { path } : {}),
    reasoning: textOf(message, 'reasoning'),
    text: textOf(message),
    toolCalls: (message.tool_calls ?? []).map(({ id = '', name, args }) => {
      return { toolCallId: id, name, args: jsonArgs(args) };
    }),
  };
}

function read(tuple: CheckpointTuple): Omit<Standing, 'resumable'> {
  const messages = messagesOf(tuple);
  const question = questionIn(messages);
  const path = pathOf(messages[question]);
  const made = messages.slice(question + 1);
  const calls = made
    .filter((message) => AIMessage.isInstance(message))
    .map((message) => callOf(message, path));
  const results = made
    .filter((message) => ToolMessage.isInstance(message))
    .map((message) => {
      const attachments = attachmentsOf(message);
      const result = { toolCallId: message.tool_call_id, ...resultOf(message) };
      return attachments.length > 0 ? { ...result, attachments } : result;
    });
  return { calls, results, steered: steeredIn(made) };
}

function steeredIn(made: readonly BaseMessage[]): StandingSteer[] {
  return made.flatMap((message, index) => {
    const steer = steeredBy(message);
    const before = made.slice(0, index).findLast((other) => AIMessage.isInstance(other));
    return steer ? [{ ...steer, ...(before?.id === undefined ? {} : { after: before.id }) }] : [];
  });
}

/** The newest checkpoint of every graph in a thread, by namespace. */
export async function newestOfEachNamespace(
  saver: BaseCheckpointSaver,
  thread: string,
): Promise<Map<string, CheckpointTuple>> {
  const namespaces = new Set<string>();
  for await (const { config } of saver.list({ configurable: { thread_id: thread } }))
    namespaces.add(String(config.configurable?.['checkpoint_ns'] ?? ''));
  const newest = new Map<string, CheckpointTuple>();
  for (const namespace of namespaces) {
    const configurable = { thread_id: thread, checkpoint_ns: namespace };
    const tuple = await saver.getTuple({ configurable });
    if (tuple) newest.set(namespace, tuple);
  }
  return newest;
}

/** What the newest checkpoints of a thread hold, sub-agents after the calls that started them. */
export async function standingOf(saver: BaseCheckpointSaver, thread: string): Promise<Standing> {
  const tuples = await newestOfEachNamespace(saver, thread);
  if (!tuples.has('')) return NOTHING;
  const namespaces = [...tuples.keys()].toSorted((a, b) => depth(a) - depth(b));
  const standing: Standing = { resumable: true, calls: [], results: [], steered: [] };
  const found = namespaces.flatMap((namespace) => {
    const tuple = tuples.get(namespace);
    return tuple ? [read(tuple)] : [];
  });
  for (const { calls, results, steered } of found) {
    // A graph within a graph keeps what it gave to the one above it.
    const has = new Set(standing.calls.map(({ call }) => call));
    insertCalls(
      standing.calls,
      calls.filter(({ call }) => !has.has(call)),
    );
    standing.results.push(...results);
    const told = new Set(standing.steered.map(({ messageId }) => messageId));
    standing.steered.push(...steered.filter(({ messageId }) => !told.has(messageId)));
  }
  return { ...standing, ...handedOver(tuples.get('')) };
}

/** Who answers since a hand-off. A question beside one in the same step is still asked in the name of whoever made both. */
function handedOver(root: CheckpointTuple | undefined): Pick<Standing, 'answering' | 'asking'> {
  if (!root) return {};
  const answering = answeringIn(messagesOf(root));
  const asking = answeringIn(messagesIn(root.checkpoint.channel_values['messages']));
  return { ...(answering && { answering }), ...(asking && { asking }) };
}

const depth = (namespace: string): number => (namespace === '' ? 0 : namespace.split('|').length);

/** After the call that started them, and after what its elder siblings said. */
function insertCalls(into: StandingCall[], calls: StandingCall[]): void {
  const path = calls[0]?.path ?? [];
  const parent = path.at(-1);
  const has = ({ toolCalls }: StandingCall): boolean =>
    toolCalls.some(({ toolCallId }) => toolCallId === parent);
  const starter = into.findIndex(has);
  const elders = new Set<string>();
  for (const { toolCallId } of into[starter]?.toolCalls ?? []) {
    if (toolCallId === parent) break;
    elders.add(toolCallId);
  }
  const level = path.length - 1;
  const last = into.findLastIndex((call) => elders.has(call.path?.[level] ?? ''));
  const at = Math.max(starter, last);
  into.splice(at === -1 ? into.length : at + 1, 0, ...calls);
}

export function toolCallIds({ calls }: Standing = NOTHING): string[] {
  return calls.flatMap(({ toolCalls }) => toolCalls.map(({ toolCallId }) => toolCallId));
}
