import { AIMessage, AIMessageChunk, ToolMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { z } from 'zod';
import { jsonSchema } from '../stream/message.ts';
import type { Json } from '../lib/json.ts';
import type {
  ModelUsage,
  RunnerEvent,
  Standing,
  SteerMessage,
  ToolAttachment,
} from './agent-runner.ts';
import { contentPieces, isRecord } from './chunk-content.ts';
import { countTokens } from './token-count.ts';
import type { ContentPiece } from './chunk-content.ts';
import { FileMark } from './file-mark.ts';
import { handedTo } from './hand-off.ts';
import { placeOf } from './namespaces.ts';
import type { AgentNamespaces } from './namespaces.ts';
import { pieces } from './output.ts';
import { steeredBy } from './steering.ts';
import { SubAgentMark } from './sub-agent-mark.ts';
import { attachmentsOf, jsonArgs, resultOf } from './tool-message.ts';

/**
 * From LangGraph's stream to events, as a pure fold. State is never changed in place: a text token that continues
 * its part returns the state it got, which keeps the hot path free of copies.
 */

/** One entry of `stream({streamMode: ['messages', 'updates', 'custom'], subgraphs: true})`. */
export type StreamChunk = readonly [namespace: readonly string[], mode: string, data: unknown];

interface OpenPart {
  kind: ContentPiece['kind'];
  part: number;
}

export interface MapperState {
  nextPart: number;
  /** Size of the root model's context, where known. */
  contextMax: number | null;
  /** The part that a model call is writing, by call: parallel sub-agents interleave. */
  open: ReadonlyMap<string, OpenPart>;
  /** `<call>:<index>` → tool-call id: later fragments carry only the index. */
  slots: ReadonlyMap<string, string>;
  /** How far each tool call is told. */
  tools: ReadonlyMap<string, 'announced' | 'ready' | 'done'>;
  /** Finished model calls: a sub-graph's messages come again with its parent's update. */
  finished: ReadonlySet<string>;
  agents: AgentNamespaces;
  /** Calls whose sub-agent is known to have begun: its tool begins anew with every segment. */
  begun: ReadonlySet<string>;
  /** URLs of attachments that were told. */
  attached: ReadonlySet<string>;
  /** Ids of the messages that came meanwhile and were heard. */
  steered: ReadonlySet<string>;
  /** The graph waits for a person. */
  interrupted: boolean;
}

export interface Mapped {
  state: MapperState;
  events: RunnerEvent[];
}

const plainSchema = z.object({ role: z.enum(['assistant', 'ai']), content: z.string() });

type EventBody = Extract<RunnerEvent, { type: 'event' }>['body'];

/** Largest `custom` payload that goes into the log. */
const MAX_CUSTOM_CHARS = 64 * 1024;

/**
 * `standing`: what a checkpoint already holds and LangGraph may say again. `known`: ids of messages of earlier turns.
 * `attached`: URLs of attachments that readers know of.
 */
export function mapperState(from: {
  nextPart: number;
  contextMax?: number | null;
  standing?: Standing;
  known?: readonly string[];
  attached?: readonly string[];
}): MapperState {
  const { calls = [], results = [], steered = [] } = from.standing ?? {};
  const tools = new Map<string, 'announced' | 'ready' | 'done'>();
  for (const call of calls)
    for (const { toolCallId } of call.toolCalls) tools.set(toolCallId, 'ready');
  for (const { toolCallId } of results) tools.set(toolCallId, 'done');
  return {
    nextPart: from.nextPart,
    contextMax: from.contextMax ?? null,
    open: new Map(),
    slots: new Map(),
    tools,
    finished: new Set([...(from.known ?? []), ...calls.map(({ call }) => call)]),
    agents: new Map(),
    begun: new Set(calls.flatMap(({ path = [] }) => path)),
    attached: new Set(from.attached),
    steered: new Set(steered.map(({ messageId }) => messageId)),
    interrupted: false,
  };
}

const event = (body: EventBody): RunnerEvent => ({ type: 'event', body });
const under = (path: string[]): { path?: string[] } => (path.length > 0 ? { path } : {});

function put<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value);
}

interface Source {
  call: string;
  path: string[];
}

function mapContent(state: MapperState, { call, path }: Source, piece: ContentPiece): Mapped {
  const open = state.open.get(call);
  const continues = open?.kind === piece.kind;
  const part = continues ? open.part : state.nextPart;
  const type = piece.kind === 'text' ? 'text_delta' : 'reasoning_delta';
  const events = pieces(piece.text).map((text, index) =>
    event({ type, part, text, ...under(path), ...(continues || index > 0 ? {} : { call }) }),
  );
  if (continues) return { state, events };
  const next = { ...state, nextPart: part + 1, open: put(state.open, call, { ...piece, part }) };
  return { state: next, events };
}

interface CallHead extends Source {
  id: string;
  name: string;
}

function announce(state: MapperState, { id, name, call, path }: CallHead): Mapped {
  if (state.tools.has(id)) return { state, events: [] };
  const open = new Map(state.open);
  // Text after a tool call is a part of its own.
  open.delete(call);
  const next: MapperState = {
    ...state,
    nextPart: state.nextPart + 1,
    open,
    tools: put(state.tools, id, 'announced'),
  };
  const body = { type: 'tool_call', part: state.nextPart, toolCallId: id, name } as const;
  return { state: next, events: [event({ ...body, ...under(path) })] };
}

interface ArgsChunk {
  id?: string | undefined;
  name?: string | undefined;
  args?: string | undefined;
  index?: number | undefined;
}

function mapArgs(state: MapperState, source: Source, chunk: ArgsChunk): Mapped {
  const slot = `${source.call}:${chunk.index ?? 0}`;
  let next = state;
  const events: RunnerEvent[] = [];
  if (chunk.id && chunk.name) {
    const told = announce(state, { ...source, id: chunk.id, name: chunk.name });
    events.push(...told.events);
    next = { ...told.state, slots: put(told.state.slots, slot, chunk.id) };
  }
  const toolCallId = next.slots.get(slot);
  // Without an id nothing can be told before the call is complete.
  if (toolCallId === undefined || next.tools.get(toolCallId) !== 'announced')
    return { state: next, events };
  for (const text of pieces(chunk.args ?? ''))
    events.push(event({ type: 'tool_args_delta', toolCallId, text }));
  return { state: next, events };
}

/** Folds `items` with a mapping step. */
function each<T>(
  state: MapperState,
  items: readonly T[],
  step: (state: MapperState, item: T) => Mapped,
): Mapped {
  let current = state;
  const events: RunnerEvent[] = [];
  for (const item of items) {
    const mapped = step(current, item);
    current = mapped.state;
    events.push(...mapped.events);
  }
  return { state: current, events };
}

function mapMessage(state: MapperState, message: BaseMessage, path: string[]): Mapped {
  const source: Source = { call: message.id ?? '', path };
  if (state.finished.has(source.call)) return { state, events: [] };
  const content = each(state, contentPieces(message), (current, piece) =>
    mapContent(current, source, piece),
  );
  if (!AIMessageChunk.isInstance(message) || !message.tool_call_chunks?.length) return content;
  const args = each(content.state, message.tool_call_chunks, (current, chunk) =>
    mapArgs(current, source, chunk),
  );
  return { state: args.state, events: [...content.events, ...args.events] };
}

function usageOf(message: AIMessage, path: string[], contextMax: number | null): RunnerEvent[] {
  const count = countTokens(message.usage_metadata);
  if (!count) return [];
  const known: ModelUsage = {
    call: count,
    contextUsed: count.inputTokens + count.outputTokens,
    // A sub-agent may have another model.
    contextMax: path.length === 0 ? contextMax : null,
    ...under(path),
  };
  return [{ type: 'usage', usage: known }];
}

function finishCall(state: MapperState, message: AIMessage, path: string[]): Mapped {
  const call = message.id ?? '';
  if (state.finished.has(call)) return { state, events: [] };
  const ready = each(state, message.tool_calls ?? [], (current, { id, name, args }) => {
    if (!id || (current.tools.get(id) ?? 'announced') !== 'announced')
      return { state: current, events: [] };
    const told = announce(current, { id, name, call, path });
    const body = { type: 'tool_ready', toolCallId: id, name, args: jsonArgs(args) } as const;
    const tools = put(told.state.tools, id, 'ready' as const);
    return { state: { ...told.state, tools }, events: [...told.events, event(body)] };
  });
  const open = new Map(ready.state.open);
  open.delete(call);
  const slots = new Map([...ready.state.slots].filter(([slot]) => !slot.startsWith(`${call}:`)));
  return {
    state: { ...ready.state, open, slots, finished: new Set(state.finished).add(call) },
    events: [...ready.events, ...usageOf(message, path, state.contextMax)],
  };
}

function finishTool(state: MapperState, message: ToolMessage, path: string[]): Mapped {
  const toolCallId = message.tool_call_id;
  const stage = state.tools.get(toolCallId);
  // Unknown calls belong to earlier turns or to a hidden model.
  if (stage === undefined || stage === 'done') return { state, events: [] };
  // A result that an earlier driver left in the ledger is all that there is of what that one showed.
  const shown = each(state, attachmentsOf(message), (current, file) =>
    mapFile(current, file, path),
  );
  const next = { ...shown.state, tools: put(state.tools, toolCallId, 'done' as const) };
  const result = event({ type: 'tool_result', toolCallId, ...resultOf(message) });
  const to = handedTo(message);
  if (!to) return { state: next, events: [...shown.events, result] };
  const { agentId, model, contextMax } = to;
  const handOff = event({ type: 'hand_off', toolCallId, agentId, model });
  return { state: { ...next, contextMax }, events: [...shown.events, result, handOff] };
}

/** A message that came meanwhile, where it is heard. */
function mapSteer(state: MapperState, { messageId, text }: SteerMessage): Mapped {
  if (state.steered.has(messageId)) return { state, events: [] };
  const body = { type: 'steered', part: state.nextPart, messageId, text, heard: true } as const;
  const steered = new Set(state.steered).add(messageId);
  return { state: { ...state, steered, nextPart: state.nextPart + 1 }, events: [event(body)] };
}

function messagesOf(update: unknown): unknown[] {
  if (Array.isArray(update)) return update.flatMap(messagesOf);
  if (!isRecord(update)) return [];
  const { messages } = update;
  return Array.isArray(messages) ? messages : [messages];
}

/** Nodes may write `{ role: 'assistant', content }`. LangGraph's stream of messages does not know these. */
function plainAnswer(state: MapperState, value: unknown): AIMessage | undefined {
  const { data } = plainSchema.safeParse(value);
  return data && new AIMessage({ id: `plain_${state.nextPart}`, content: data.content });
}

/** `own`: of the graph itself. A graph in it is heard again, with whole messages, when it ends. */
function mapUpdates(
  state: MapperState,
  data: unknown,
  { path, own }: { path: string[]; own: boolean },
): Mapped {
  if (!isRecord(data)) return { state, events: [] };
  const start = '__interrupt__' in data ? { ...state, interrupted: true } : state;
  const messages = Object.values(data).flatMap(messagesOf);
  return each(start, messages, (current, message) => {
    if (AIMessage.isInstance(message)) return finishCall(current, message, path);
    if (ToolMessage.isInstance(message)) return finishTool(current, message, path);
    const steer = steeredBy(message);
    if (steer) return mapSteer(current, steer);
    const plain = own ? plainAnswer(current, message) : undefined;
    return plain ? mapMessage(current, plain, path) : { state: current, events: [] };
  });
}

function customJson(data: unknown): Json | undefined {
  try {
    const text = JSON.stringify(data);
    if (text === undefined) return undefined;
    if (text.length > MAX_CUSTOM_CHARS) return { truncated: true, length: text.length };
    const parsed: unknown = JSON.parse(text);
    return jsonSchema.parse(parsed);
  } catch {
    // Circular or with BigInt: a graph's own writer can't be allowed to end the run.
    return undefined;
  }
}

function mapMark(state: MapperState, mark: SubAgentMark): Mapped {
  const { toolCallId, agentId } = mark;
  const agents = put(state.agents, mark.namespace, { toolCallId, agentId });
  const place = placeOf(mark.namespace.split('|'), agents);
  if (place.hidden) return { state, events: [] };
  const again = mark.state === 'started' && state.begun.has(toolCallId);
  const next = { ...state, agents, begun: new Set(state.begun).add(toolCallId) };
  if (again) return { state: next, events: [] };
  const body = { type: 'agent', path: place.path, agentId, state: mark.state } as const;
  return { state: next, events: [event(body)] };
}

function mapFile(
  state: MapperState,
  { name, mediaType, url }: ToolAttachment,
  path: string[],
): Mapped {
  if (state.attached.has(url)) return { state, events: [] };
  const attached = new Set(state.attached).add(url);
  const body = { type: 'attachment', part: state.nextPart, name, mediaType, url } as const;
  return {
    // What a model says next is a part of its own.
    state: { ...state, attached, nextPart: state.nextPart + 1 },
    events: [event({ ...body, ...under(path) })],
  };
}

function mapCustom(state: MapperState, data: unknown, path: string[]): Mapped {
  if (data instanceof SubAgentMark) return mapMark(state, data);
  if (data instanceof FileMark) return mapFile(state, data.file, path);
  const json = customJson(data);
  const events = json === undefined ? [] : [event({ type: 'custom', data: json, ...under(path) })];
  return { state, events };
}

export function mapChunk(state: MapperState, [namespace, mode, data]: StreamChunk): Mapped {
  if (mode === 'custom') {
    const place = placeOf(namespace, state.agents);
    return mapCustom(state, data, place.hidden ? [] : place.path);
  }
  const place = placeOf(namespace, state.agents);
  if (place.hidden) return { state, events: [] };
  if (mode === 'updates')
    return mapUpdates(state, data, { path: place.path, own: namespace.length === 0 });
  const message: unknown = mode === 'messages' && Array.isArray(data) ? data[0] : undefined;
  if (!AIMessage.isInstance(message) && !AIMessageChunk.isInstance(message))
    return { state, events: [] };
  return mapMessage(state, message, place.path);
}
