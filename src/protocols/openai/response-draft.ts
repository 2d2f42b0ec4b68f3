import type { EventOf } from '../../stream/events.ts';
import type { Message } from '../../stream/message.ts';
import type { PendingAction } from '../../stream/pending-action.ts';
import type { ProtocolFrame } from '../encoder.ts';
import {
  askingItems,
  callItem,
  callOfPart,
  textItem,
  textPart,
  worked,
  type Call,
  type Item,
  type TextKind,
} from './response-items.ts';
import { itemId, responseOf, type ResponseState } from './response-state.ts';

const ID_PREFIX: Record<TextKind, string> = { message: 'msg', reasoning: 'rs' };
const TEXT_EVENT: Record<TextKind, string> = {
  message: 'response.output_text',
  reasoning: 'response.reasoning_text',
};

/** One step of the fold: takes a state and leaves it alone, gathers the next one and what is said of it. */
export class ResponseDraft {
  state: ResponseState;
  frames: ProtocolFrame[] = [];

  constructor(state: ResponseState) {
    this.state = state;
  }

  set(change: Partial<ResponseState>): void {
    this.state = { ...this.state, ...change };
  }

  /** Nothing is said, and no number used, before the response is under way. */
  emit(type: string, fields: object): void {
    const { n, begun } = this.state;
    if (!begun) return;
    const data = JSON.stringify({ type, sequence_number: n, ...fields });
    this.frames.push({ event: type, data, n });
    this.set({ n: n + 1 });
  }

  emitResponse(type: string): void {
    this.emit(type, { response: responseOf(this.state) });
  }

  /** The generation is at work. */
  work(): void {
    if (this.state.status !== 'queued') return;
    this.set({ status: 'in_progress' });
    this.emitResponse('response.in_progress');
  }

  /** The answer that makes this response is given: all that came before belongs to earlier ones. */
  begin(): void {
    const { calls, parts, usage } = this.state;
    const done = [...calls].filter(([, call]) => call.result !== null).map(([id]) => id);
    this.set({
      begun: true,
      status: 'in_progress',
      items: [],
      open: null,
      incomplete: null,
      before: { parts, calls: new Set(done), usage },
    });
    this.emitResponse('response.created');
    this.emitResponse('response.in_progress');
  }

  text(kind: TextKind, { part, text, path }: EventOf<'text_delta' | 'reasoning_delta'>): void {
    this.#seen(part);
    // What a sub-agent says stays inside its tool's result.
    if (path) return;
    const { open } = this.state;
    if (open?.part !== part || open.kind !== kind) this.#openText(kind, part);
    const now = this.state.open;
    if (!now) return;
    this.set({ open: { ...now, text: now.text + text } });
    this.emit(`${TEXT_EVENT[kind]}.delta`, {
      ...this.#at(now.index),
      content_index: 0,
      delta: text,
      ...(kind === 'message' && { logprobs: [] }),
    });
  }

  #openText(kind: TextKind, part: number): void {
    this.closeText();
    const index = this.state.items.length;
    const id = itemId(ID_PREFIX[kind], this.state, index);
    this.#add(textItem(kind, { id, text: null, status: 'in_progress' }));
    this.set({ open: { kind, part, index, text: '' } });
    const at = { ...this.#at(index), content_index: 0 };
    this.emit('response.content_part.added', { ...at, part: textPart(kind, '') });
  }

  closeText(status: 'completed' | 'incomplete' = 'completed'): void {
    const { open } = this.state;
    if (!open) return;
    const { kind, index, text } = open;
    const at = { ...this.#at(index), content_index: 0 };
    const more = kind === 'message' ? { logprobs: [] } : {};
    this.emit(`${TEXT_EVENT[kind]}.done`, { ...at, text, ...more });
    this.emit('response.content_part.done', { ...at, part: textPart(kind, text) });
    this.set({ open: null });
    this.#done(index, textItem(kind, { id: at.item_id, text, status }));
  }

  call({ part, toolCallId, name }: EventOf<'tool_call'>): void {
    this.#seen(part);
    this.closeText();
    this.#openCall(toolCallId, { name, args: '', approvalId: null, index: null, result: null });
  }

  #openCall(toolCallId: string, call: Call): number {
    const index = this.state.items.length;
    const item = callItem(itemId('mcp', this.state, index), call, { open: true });
    this.#add(item);
    this.#know(toolCallId, { ...call, index });
    this.emit('response.mcp_call.in_progress', this.#at(index));
    return index;
  }

  args({ toolCallId, text }: EventOf<'tool_args_delta'>): void {
    const call = this.state.calls.get(toolCallId);
    if (!call) return;
    this.#know(toolCallId, { ...call, args: call.args + text });
    if (call.index === null) return;
    this.emit('response.mcp_call_arguments.delta', { ...this.#at(call.index), delta: text });
  }

  ready({ toolCallId, args }: EventOf<'tool_ready'>): void {
    const call = this.state.calls.get(toolCallId);
    if (!call) return;
    const now = { ...call, args: JSON.stringify(args) };
    this.#know(toolCallId, now);
    if (call.index === null) return;
    const at = this.#at(call.index);
    this.#keep(call.index, callItem(at.item_id, now, { open: true }));
    this.emit('response.mcp_call_arguments.done', { ...at, arguments: now.args });
  }

  /** A call whose item was closed by a pause gets one of its own for its result. */
  result({ toolCallId, status, output }: EventOf<'tool_result'>): void {
    const call = this.state.calls.get(toolCallId);
    if (!call) return;
    const index = call.index ?? this.#openCall(toolCallId, call);
    const now = { ...call, index: null, result: { status, output } };
    this.#know(toolCallId, now);
    this.emit(`response.mcp_call.${worked(now) ? 'completed' : 'failed'}`, this.#at(index));
    this.#done(index, callItem(this.#at(index).item_id, now, { open: false }));
  }

  /** Before a response ends, also for the time being. */
  closeAll(text: 'completed' | 'incomplete'): void {
    this.closeText(text);
    for (const [toolCallId, call] of this.state.calls) {
      if (call.index === null) continue;
      this.#know(toolCallId, { ...call, index: null });
      const { item_id: id } = this.#at(call.index);
      this.#done(call.index, callItem(id, call, { open: false }));
    }
  }

  ask(action: PendingAction): void {
    const first = this.state.items.length;
    const items = askingItems(action, (place) => itemId('fc', this.state, first + place));
    for (const item of items) {
      const index = this.state.items.length;
      if (item.type === 'function_call') {
        this.#add({ ...item, arguments: '', status: 'in_progress' });
        const done = { ...this.#at(index), name: item.name, arguments: item.arguments };
        this.emit('response.function_call_arguments.done', done);
      } else this.#add(item);
      this.#done(index, item);
    }
    if (!('requests' in action)) return;
    for (const [place, { toolCallId }] of action.requests.entries()) {
      const call = this.state.calls.get(toolCallId);
      if (call) this.#know(toolCallId, { ...call, approvalId: items[place]?.id ?? null });
    }
  }

  edited(decisions: EventOf<'action_resolved'>['decisions'] = []): void {
    for (const { toolCallId, editedArgs } of decisions) {
      const call = this.state.calls.get(toolCallId);
      if (call && editedArgs) {
        this.#know(toolCallId, { ...call, args: JSON.stringify(editedArgs) });
      }
    }
  }

  /** After a crash: what stands, in place of all that was said. */
  replace({ content }: Message): void {
    const { calls: known, before } = this.state;
    this.set({ items: [], open: null, calls: new Map(), parts: content.length });
    for (const [part, it] of content.entries()) {
      const shown = part >= before.parts;
      if (it.type === 'tool_call') {
        const approvalId = known.get(it.toolCallId)?.approvalId ?? null;
        const call: Call = { ...callOfPart(it), approvalId, index: null };
        this.#stands(it.toolCallId, call, shown);
      } else if (
        (it.type === 'text' || it.type === 'reasoning') &&
        it.path === undefined &&
        shown
      ) {
        const kind = it.type === 'text' ? 'message' : 'reasoning';
        const id = itemId(ID_PREFIX[kind], this.state, this.state.items.length);
        const { text } = it;
        this.#append(textItem(kind, { id, text, status: 'completed' }));
      }
    }
  }

  #stands(toolCallId: string, call: Call, shown: boolean): void {
    const index = this.state.items.length;
    const open = call.result === null;
    const late = !open && !this.state.before.calls.has(toolCallId);
    if (shown || late) this.#append(callItem(itemId('mcp', this.state, index), call, { open }));
    this.#know(toolCallId, { ...call, index: shown && open ? index : null });
  }

  #seen(part: number): void {
    if (part >= this.state.parts) this.set({ parts: part + 1 });
  }

  #at(index: number): { item_id: string; output_index: number } {
    return { item_id: this.state.items[index]?.id ?? '', output_index: index };
  }

  #know(toolCallId: string, call: Call): void {
    this.set({ calls: new Map(this.state.calls).set(toolCallId, call) });
  }

  #append(item: Item): void {
    this.set({ items: [...this.state.items, item] });
  }

  #keep(index: number, item: Item): void {
    this.set({ items: this.state.items.with(index, item) });
  }

  #add(item: Item): void {
    this.#append(item);
    const output_index = this.state.items.length - 1;
    this.emit('response.output_item.added', { output_index, item });
  }

  #done(index: number, item: Item): void {
    this.#keep(index, item);
    this.emit('response.output_item.done', { output_index: index, item });
  }
}
