import type { JsonObject } from '../../lib/json.ts';
import type { EventOf, Outcome } from '../../stream/events.ts';
import type { Message } from '../../stream/message.ts';
import type { ProtocolFrame } from '../encoder.ts';
import { type Fold, NOTHING_SPENT, type OpenPart, put, type View, without } from './fold-state.ts';
import { messagesOf, partId, tagOf } from './messages.ts';

/** The protocol that these streams speak. */
const PROTOCOL_VERSION = '1.0';

/** Writes the frames of one event: what is opened is closed, in the order that `verifyEvents` wants. */
export class Pen {
  readonly frames: ProtocolFrame[] = [];
  state: Fold;
  readonly #view: View;
  /** ISO time of the event. */
  readonly #at: string;

  constructor(state: Fold, view: View, at: string) {
    this.state = state;
    this.#view = view;
    this.#at = at;
  }

  say(type: string, fields: JsonObject): void {
    this.frames.push({ data: JSON.stringify({ type, ...fields }) });
  }

  custom(name: string, value: JsonObject[string], path?: readonly string[]): void {
    this.say('CUSTOM', { name: `holdfast.${name}`, value, ...tagOf(path) });
  }

  set(change: Partial<Fold>): void {
    this.state = { ...this.state, ...change };
  }

  /** `after`: the action whose end begins it; undefined: the generation's first run. */
  beginRun(after: string | undefined): void {
    const { names } = this.#view;
    const { generationId, conversationId, messageId } = this.state;
    const runs = this.state.runs + 1;
    const asked = names.runId !== undefined && names.after === after;
    const runId = asked && names.runId !== undefined ? names.runId : `${generationId}.${runs}`;
    // Whoever speaks in this run begins in it.
    const agents = [...this.state.agents].map(
      ([id, agent]) => [id, { ...agent, state: 'away' }] as const,
    );
    this.set({
      runs,
      runId,
      phase: 'running',
      pausedBy: '',
      spent: NOTHING_SPENT,
      agents: new Map(agents),
    });
    this.say('RUN_STARTED', {
      ...this.#boundary(),
      protocolVersion: PROTOCOL_VERSION,
      metadata: { holdfast: { generationId, conversationId, messageId } },
    });
    if (runs === 1 && this.#view.snapshot) this.snapshot([]);
  }

  #boundary(): JsonObject {
    const threadId = this.#view.names.threadId ?? this.state.conversationId;
    return { threadId, runId: this.state.runId, timestamp: Date.parse(this.#at) };
  }

  /** Replaces all that the client has: what came before this generation, and these messages of it. */
  snapshot(own: readonly Message[]): void {
    const { userMessage } = this.state;
    const { history } = this.#view;
    const asked = history.length > 0 || !userMessage ? history : [userMessage];
    this.say('MESSAGES_SNAPSHOT', { messages: [...asked, ...own].flatMap(messagesOf) });
  }

  /** A piece of text or reasoning. */
  content(kind: OpenPart['kind'], body: EventOf<'text_delta' | 'reasoning_delta'>): void {
    const { part, text, path } = body;
    const key = keyOf(path);
    let open = this.state.open.get(key);
    if (open?.part !== part || open.kind !== kind) {
      this.closePart(key, path);
      this.enter(path);
      open = { kind, part, messageId: partId(this.state.messageId, part) };
      this.#openPart(open, path);
      this.set({ open: put(this.state.open, key, open) });
    }
    if (text === '') return;
    const type = kind === 'text' ? 'TEXT_MESSAGE_CONTENT' : 'REASONING_MESSAGE_CONTENT';
    this.say(type, { messageId: open.messageId, delta: text, ...tagOf(path) });
  }

  #openPart({ kind, messageId }: OpenPart, path: readonly string[] | undefined): void {
    const tag = tagOf(path);
    if (kind === 'text') {
      this.say('TEXT_MESSAGE_START', { messageId, role: 'assistant', ...tag });
      return;
    }
    this.say('REASONING_START', { messageId, ...tag });
    this.say('REASONING_MESSAGE_START', { messageId, role: 'reasoning', ...tag });
  }

  closePart(key: string, path: readonly string[] | undefined): void {
    const open = this.state.open.get(key);
    if (!open) return;
    const { messageId } = open;
    const tag = tagOf(path);
    if (open.kind === 'text') this.say('TEXT_MESSAGE_END', { messageId, ...tag });
    else {
      this.say('REASONING_MESSAGE_END', { messageId, ...tag });
      this.say('REASONING_END', { messageId, ...tag });
    }
    this.set({ open: without(this.state.open, key) });
  }

  call({ part, toolCallId, name, path }: EventOf<'tool_call'>): void {
    this.closePart(keyOf(path), path);
    this.enter(path);
    const parentMessageId = partId(this.state.messageId, part);
    this.say('TOOL_CALL_START', {
      toolCallId,
      toolCallName: name,
      parentMessageId,
      ...tagOf(path),
    });
    this.set({
      calls: put(this.state.calls, toolCallId, { path, stage: 'open', streamed: false }),
    });
  }

  args(toolCallId: string, delta: string): void {
    const call = this.state.calls.get(toolCallId);
    if (call?.stage !== 'open' || delta === '') return;
    this.say('TOOL_CALL_ARGS', { toolCallId, delta, ...tagOf(call.path) });
    if (!call.streamed) {
      this.set({ calls: put(this.state.calls, toolCallId, { ...call, streamed: true }) });
    }
  }

  closeCall(toolCallId: string): void {
    const call = this.state.calls.get(toolCallId);
    if (call?.stage !== 'open') return;
    this.say('TOOL_CALL_END', { toolCallId, ...tagOf(call.path) });
    this.set({ calls: put(this.state.calls, toolCallId, { ...call, stage: 'closed' }) });
  }

  /** Everybody on the way to who is about to speak has begun. */
  enter(path: readonly string[] | undefined, name?: string): void {
    (path ?? []).forEach((id, index, all) => {
      const known = this.state.agents.get(id);
      if (known?.state === 'active' || known?.state === 'closed') return;
      const own = index === all.length - 1 ? name : undefined;
      const agent = { path: all.slice(0, index + 1), name: known?.name ?? own ?? 'agent' };
      this.set({ agents: put(this.state.agents, id, { ...agent, state: 'active' }) });
      const above = all[index - 1];
      this.say('SUBAGENT_STARTED', {
        subagentRunId: id,
        name: agent.name,
        parentToolCallId: id,
        ...(above !== undefined && { parentSubagentRunId: above }),
      });
    });
  }

  leave(path: readonly string[]): void {
    const id = path.at(-1) ?? '';
    const agent = this.state.agents.get(id);
    if (agent?.state !== 'active') return;
    for (const [key] of this.state.open) if (isWithin(key, path)) this.closePart(key, keyPath(key));
    for (const inner of this.#activeAgents()) {
      if (isWithin(keyOf(inner.path), path))
        this.#endAgent(inner.path, 'closed', { type: 'success' });
    }
  }

  /** Deepest first. */
  #activeAgents(): { path: readonly string[] }[] {
    return [...this.state.agents.values()]
      .filter(({ state }) => state === 'active')
      .toSorted((a, b) => b.path.length - a.path.length);
  }

  #endAgent(path: readonly string[], state: 'closed' | 'away', outcome: JsonObject): void {
    const id = path.at(-1) ?? '';
    const agent = this.state.agents.get(id);
    if (!agent) return;
    this.say('SUBAGENT_FINISHED', { subagentRunId: id, outcome });
    this.set({ agents: put(this.state.agents, id, { ...agent, state }) });
  }

  failAgent(id: string, failure: { message: string; code: string }): void {
    const agent = this.state.agents.get(id);
    if (agent?.state !== 'active') return;
    this.say('SUBAGENT_ERROR', { subagentRunId: id, ...failure });
    this.set({ agents: put(this.state.agents, id, { ...agent, state: 'closed' }) });
  }

  /** Parts and calls, not sub-agents. */
  closeAll(): void {
    for (const [key] of this.state.open) this.closePart(key, keyPath(key));
    for (const [toolCallId] of this.state.calls) this.closeCall(toolCallId);
  }

  interrupt(actionId: string, interrupts: JsonObject[]): void {
    this.closeAll();
    for (const { path } of this.#activeAgents()) {
      const inside = interrupts.filter((it) => it['subagentRunId'] === path.at(-1));
      const interruptIds = inside.map((it) => it['id'] ?? '');
      const named = interruptIds.length > 0 && { interruptIds };
      this.#endAgent(path, 'away', { type: 'suspended', ...named });
    }
    this.finish({ type: 'interrupt', interrupts }, {});
    this.set({ phase: 'paused', pausedBy: actionId });
  }

  /** `failure`: of sub-agents that were not done. */
  closeAgents(failure: { message: string; code: string } | undefined): void {
    for (const { path } of this.#activeAgents()) {
      if (failure) this.failAgent(path.at(-1) ?? '', failure);
      else this.#endAgent(path, 'closed', { type: 'success' });
    }
  }

  finish(outcome: JsonObject, { status }: { status?: Outcome }): void {
    this.say('RUN_FINISHED', {
      ...this.#boundary(),
      outcome,
      ...this.usage(),
      ...(status !== undefined && { metadata: { holdfast: { status } } }),
    });
  }

  fail(failure: { message: string; code: string }): void {
    this.say('RUN_ERROR', { ...failure, timestamp: Date.parse(this.#at), ...this.usage() });
  }

  /** Of this run's model calls, in the form of AG-UI. */
  usage(): JsonObject {
    const { inputTokens, outputTokens, cacheRead, reasoning } = this.state.spent;
    if (inputTokens + outputTokens === 0) return {};
    const totalTokens = inputTokens + outputTokens;
    const parts = { cachedInputTokens: cacheRead, reasoningTokens: reasoning };
    return { usage: [{ inputTokens, outputTokens, totalTokens, ...parts }] };
  }
}

export function keyOf(path: readonly string[] | undefined): string {
  return JSON.stringify(path ?? []);
}

function keyPath(key: string): string[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by keyOf
  return JSON.parse(key) as string[];
}

function isWithin(key: string, path: readonly string[]): boolean {
  return path.every((id, index) => keyPath(key)[index] === id);
}
