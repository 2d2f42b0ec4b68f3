import type { Standing, StandingCall } from '../agent/agent-runner.ts';
import type { MessageFold } from './fold.ts';
import type { MessagePart, ToolCallPart } from './message.ts';
import { steeredIn } from './unheard.ts';

/** What is left of an answer after its driver died. */
export interface Recovered {
  content: MessagePart[];
  /** The model call that made each part. */
  calls: (string | null)[];
  /** Sequence up to which what readers have seen stands. */
  keep: number;
}

/**
 * Compares what readers have seen (the fold of the durable log) with what the agent will go on from (its newest
 * checkpoint). Finished model calls and tool results stand, completed from the checkpoint where the log lost their
 * last deltas; everything else is withdrawn, because the model will be asked for it again.
 */
export function whatStands(fold: MessageFold, standing: Standing, head: number): Recovered {
  const content: MessagePart[] = [];
  const made: (string | null)[] = [];
  let keep = head;
  const withdrawn = (index: number): void => {
    keep = Math.min(keep, (fold.origin(index)?.since ?? 1) - 1);
  };
  if (!standing.resumable) {
    fold.parts.forEach((_part, index) => withdrawn(index));
    return { content, calls: made, keep };
  }
  const calls = new Map(standing.calls.map((call) => [call.call, new Remaining(call)]));
  const toolCalls = new Set(
    standing.calls.flatMap((call) => call.toolCalls.map((it) => it.toolCallId)),
  );
  const steered = new Set(standing.steered.map(({ messageId }) => messageId));
  const known = (part: MessagePart, call: string | undefined): boolean => {
    if (part.type === 'tool_call') return toolCalls.has(part.toolCallId);
    if (part.type === 'steered') return steered.has(part.messageId);
    return part.type === 'attachment' || (call !== undefined && calls.has(call));
  };
  for (const [index, part] of fold.parts.entries()) {
    const call = fold.origin(index)?.call;
    if (!known(part, call)) {
      withdrawn(index);
      continue;
    }
    const copy = { ...part };
    if (call !== undefined) calls.get(call)?.seen(copy);
    content.push(copy);
    made.push(call ?? null);
  }
  const told = new Set(steeredIn(content));
  const heardAfter = (id: string | undefined): void => {
    for (const { messageId, text, after } of standing.steered) {
      if (after !== id || told.has(messageId)) continue;
      content.push({ type: 'steered', messageId, text, heard: true });
      made.push(null);
    }
  };
  heardAfter(undefined);
  for (const [id, call] of calls) {
    for (const part of call.missing(content)) {
      content.push(part);
      made.push(part.type === 'tool_call' ? null : id);
    }
    for (const part of call.notShown(standing, content)) {
      content.push(part);
      made.push(null);
    }
    heardAfter(id);
  }
  return { content: content.map((part) => withResult(part, standing)), calls: made, keep };
}

/** A finished model call, less what the log has of it. */
class Remaining {
  readonly #call: StandingCall;
  readonly #last: { text?: MessagePart; reasoning?: MessagePart } = {};
  readonly #lengths = { text: 0, reasoning: 0 };

  constructor(call: StandingCall) {
    this.#call = call;
  }

  seen(part: MessagePart): void {
    if (part.type !== 'text' && part.type !== 'reasoning') return;
    this.#last[part.type] = part;
    this.#lengths[part.type] += part.text.length;
  }

  /** Completes the parts that are there, and makes those that are not. */
  missing(content: readonly MessagePart[]): MessagePart[] {
    const path = this.#call.path ? { path: this.#call.path } : {};
    const made: MessagePart[] = [];
    for (const type of ['reasoning', 'text'] as const) {
      const rest = this.#call[type].slice(this.#lengths[type]);
      const last = this.#last[type];
      if (rest === '') continue;
      if (last && 'text' in last) last.text += rest;
      else made.push({ type, text: rest, ...path });
    }
    const have = new Set(content.map((part) => (part.type === 'tool_call' ? part.toolCallId : '')));
    for (const { toolCallId, name, args } of this.#call.toolCalls) {
      if (have.has(toolCallId)) continue;
      made.push({ type: 'tool_call', toolCallId, name, args, status: 'ready', ...path });
    }
    return made;
  }

  /** What its tool calls showed by their results. */
  notShown({ results }: Standing, content: readonly MessagePart[]): MessagePart[] {
    const path = this.#call.path ? { path: this.#call.path } : {};
    const has = new Set(content.map((part) => (part.type === 'attachment' ? part.url : undefined)));
    const mine = new Set(this.#call.toolCalls.map(({ toolCallId }) => toolCallId));
    return results
      .filter(({ toolCallId }) => mine.has(toolCallId))
      .flatMap(({ attachments = [] }) => attachments)
      .filter(({ url }) => !has.has(url))
      .map((file) => ({ type: 'attachment', ...file, ...path }));
  }
}

const APPROVED = new Set(['approve', 'edit', 'retry']);

function withResult(part: MessagePart, standing: Standing): MessagePart {
  if (part.type !== 'tool_call') return part;
  const proposed = standing.calls
    .flatMap((call) => call.toolCalls)
    .find((call) => call.toolCallId === part.toolCallId);
  const result = standing.results.find((it) => it.toolCallId === part.toolCallId);
  const { output: _output, ...rest } = part;
  // Edited arguments are what was approved, also where the checkpoint does not have them yet.
  const args = part.proposedArgs ? part.args : (proposed?.args ?? part.args);
  const approved = part.decision !== undefined && APPROVED.has(part.decision);
  const open: ToolCallPart = { ...rest, args, status: approved ? 'running' : 'ready' };
  return result ? { ...open, status: result.status, output: result.output } : open;
}
