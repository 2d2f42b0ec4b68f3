import type { JsonObject } from '../../lib/json.ts';
import type { PendingAction } from '../../stream/pending-action.ts';
import { type Chunk, metadataOf } from './chunks.ts';
import { type Result, WAITING } from './tool-parts.ts';

export type TextKind = 'text' | 'reasoning';

/** A content part that has been told: enough to see, after a crash, what of it stands. */
export interface Told {
  kind: TextKind | 'attachment';
  /** The model call that made it. */
  call: string | undefined;
  path: string[];
  /** Characters. */
  length: number;
}

interface Open extends Told {
  kind: TextKind;
  id: string;
}

export interface Call {
  toolCallId: string;
  name: string;
  path: string[];
  args: JsonObject;
  /** The client has its arguments. Those of questions it gets when they are asked. */
  told: boolean;
  /** The client was given the stand-in for a result. */
  waiting: boolean;
  done: boolean;
}

/** Where a stream of the AI SDK stands. Values are never changed in place. */
export interface State {
  messageId: string;
  /** Parts that are being written, by their place in the message: parallel sub-agents interleave. */
  open: ReadonlyMap<number, Open>;
  /** The other parts. */
  told: ReadonlyMap<number, Told>;
  calls: ReadonlyMap<string, Call>;
  nextId: number;
  /** `over`: what comes next belongs to another call of the model. */
  step: 'none' | 'open' | 'over';
  stepHasCalls: boolean;
  action: PendingAction | undefined;
}

export const INITIAL: State = {
  messageId: '',
  open: new Map(),
  told: new Map(),
  calls: new Map(),
  nextId: 0,
  step: 'none',
  stepHasCalls: false,
  action: undefined,
};

export interface TextDelta {
  kind: TextKind;
  part: number;
  text: string;
  path: string[];
  call: string | undefined;
}

/**
 * The next state in the making, and the frames that lead to it. A step of the AI SDK is a call of the model with the
 * results of its tools: it ends only when all of its calls have theirs, because the stock client looks for a call's
 * input, and its helpers for unanswered approvals, in the last step alone.
 */
export class Draft {
  readonly out: Chunk[] = [];
  readonly #open: Map<number, Open>;
  #told: Map<number, Told>;
  readonly #calls: Map<string, Call>;
  messageId: string;
  action: PendingAction | undefined;
  #nextId: number;
  #step: State['step'];
  #stepHasCalls: boolean;

  constructor(state: State) {
    this.#open = new Map(state.open);
    this.#told = new Map(state.told);
    this.#calls = new Map(state.calls);
    this.messageId = state.messageId;
    this.action = state.action;
    this.#nextId = state.nextId;
    this.#step = state.step;
    this.#stepHasCalls = state.stepHasCalls;
  }

  get state(): State {
    return {
      messageId: this.messageId,
      open: this.#open,
      told: this.#told,
      calls: this.#calls,
      nextId: this.#nextId,
      step: this.#step,
      stepHasCalls: this.#stepHasCalls,
      action: this.action,
    };
  }

  get told(): ReadonlyMap<number, Told> {
    return this.#told;
  }

  call(toolCallId: string): Call | undefined {
    return this.#calls.get(toolCallId);
  }

  get unresolved(): Call[] {
    return [...this.#calls.values()].filter((call) => !call.done);
  }

  say(chunk: Chunk): void {
    this.out.push(chunk);
  }

  // Steps

  /** Called before anything that the model made. */
  beginContent(): void {
    if (this.#step === 'open') return;
    if (this.#step === 'over') this.endStep();
    this.say({ type: 'start-step' });
    this.#step = 'open';
    this.#stepHasCalls = false;
  }

  endStep(): void {
    this.closeText();
    if (this.#step !== 'none') this.say({ type: 'finish-step' });
    this.#step = 'none';
  }

  /** The user's words, between two calls of the model, or behind the last one. */
  tellSteered(chunk: Chunk): void {
    this.closeText([]);
    if (this.#step === 'open' && this.unresolved.length === 0) this.#step = 'over';
    this.say(chunk);
  }

  /** Ends with a step without calls: an answer that is over must not look like one that waits for the client. */
  endLastStep(): void {
    const hadCalls = this.#stepHasCalls && this.#step !== 'none';
    this.endStep();
    if (!hadCalls) return;
    this.say({ type: 'start-step' });
    this.say({ type: 'finish-step' });
  }

  // Text

  delta({ kind, part, text, path, call }: TextDelta): void {
    const told = this.#told.get(part);
    if (!told && !this.#open.has(part)) this.closeText(path);
    this.beginContent();
    const known = this.#open.get(part) ?? this.#openText(part, told, { kind, path, call });
    this.say({ type: `${known.kind}-delta`, id: known.id, delta: text });
    this.#open.set(part, { ...known, length: known.length + text.length });
  }

  /** A part that was closed goes on in a new one of the client's. */
  #openText(
    part: number,
    told: Told | undefined,
    fresh: { kind: TextKind; path: string[]; call: string | undefined },
  ): Open {
    const { kind, path } = fresh;
    const id = `t${this.#nextId}`;
    this.#nextId += 1;
    this.say({ type: `${kind}-start`, id, ...metadataOf(path.length > 0 ? { path } : {}) });
    this.#told.delete(part);
    return { ...fresh, call: told?.call ?? fresh.call, length: told?.length ?? 0, id };
  }

  /** Those of one (sub-)agent, or all. */
  closeText(path?: string[]): void {
    for (const [part, { id, ...told }] of this.#open) {
      if (path && !samePath(path, told.path)) continue;
      this.say({ type: `${told.kind}-end`, id });
      this.#told.set(part, told);
      this.#open.delete(part);
    }
  }

  /** Without an end for each: a client that was cut may have had that end before it was withdrawn. */
  dropText(): void {
    const over = this.unresolved.length === 0;
    if (this.#step !== 'none' && (over || this.#open.size > 0)) this.say({ type: 'finish-step' });
    for (const [part, { id: _id, ...told }] of this.#open) this.#told.set(part, told);
    this.#open.clear();
    if (over) this.#step = 'none';
  }

  /** What stands after a crash takes new places in the message. */
  retell(told: Map<number, Told>): void {
    this.#told = told;
  }

  tellAttachment(part: number, path: string[]): void {
    this.#told.set(part, { kind: 'attachment', call: undefined, path, length: 0 });
  }

  // Tools

  announce({ toolCallId, name, path }: Pick<Call, 'toolCallId' | 'name' | 'path'>): Call {
    this.closeText(path);
    this.beginContent();
    this.#stepHasCalls = true;
    const fresh = { toolCallId, name, path, args: {}, told: false, waiting: false, done: false };
    this.#calls.set(toolCallId, fresh);
    this.say({ type: 'tool-input-start', toolCallId, toolName: name, ...pathOf(path) });
    return fresh;
  }

  setArgs(toolCallId: string, args: JsonObject): void {
    this.#change(toolCallId, { args });
  }

  /** Also says that a call which was asked about is under way. */
  tellInput(
    toolCallId: string,
    { input, ours = {} }: { input?: JsonObject; ours?: JsonObject },
  ): void {
    const call = this.#calls.get(toolCallId);
    if (!call) return;
    const { name: toolName, path } = call;
    const { providerMetadata } = metadataOf({ ...(path.length > 0 && { path }), ...ours });
    this.say({
      type: 'tool-input-available',
      toolCallId,
      toolName,
      input: input ?? call.args,
      ...(providerMetadata && { providerMetadata }),
    });
    this.#change(toolCallId, { told: true, waiting: false });
  }

  tellWaiting(toolCallId: string): void {
    this.say({ type: 'tool-output-available', toolCallId, output: WAITING });
    this.#change(toolCallId, { waiting: true });
  }

  /** Back from the stand-in to what it was. */
  tellGoesOn(call: Call): void {
    if (call.told) return this.tellInput(call.toolCallId, {});
    const { toolCallId, name: toolName, path } = call;
    this.say({ type: 'tool-input-start', toolCallId, toolName, ...pathOf(path) });
    this.#change(toolCallId, { waiting: false });
  }

  tellResult(toolCallId: string, result: Result): void {
    const call = this.#calls.get(toolCallId);
    if (!call || call.done) return;
    if (!call.told) this.tellInput(toolCallId, {});
    this.say({ ...result, toolCallId });
    this.#change(toolCallId, { done: true });
    if (this.unresolved.length === 0 && this.#step === 'open') this.#step = 'over';
  }

  #change(toolCallId: string, change: Partial<Call>): void {
    const call = this.#calls.get(toolCallId);
    if (call) this.#calls.set(toolCallId, { ...call, ...change });
  }
}

function pathOf(path: string[]): ReturnType<typeof metadataOf> {
  return metadataOf(path.length > 0 ? { path } : {});
}

export function samePath(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}
