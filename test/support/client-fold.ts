import { createHash } from 'node:crypto';
import { integer, isShape, list, object, type Shape, text } from './shape.ts';
import type { Frame } from './sse-parser.ts';

/**
 * The reader's fold, written from docs/PROTOCOL.md alone and sharing nothing with src/: a fault of the server's own
 * fold must not hide behind the same fault here.
 */
export class ClientFold {
  message: Shape | undefined;
  done: Frame | undefined;
  cursor: { seq: number; id: string } | undefined;
  pendingAction: Shape | undefined;
  title: string | undefined;

  get content(): unknown[] {
    return this.message ? list(this.message['content'], 'content') : [];
  }

  /** Forgets everything: the reader begins anew. */
  clear(): void {
    this.message = undefined;
    this.done = undefined;
    this.cursor = undefined;
    this.pendingAction = undefined;
    this.title = undefined;
  }

  apply(frame: Frame): void {
    this.cursor = { seq: frame.seq, id: frame.id };
    const { event, data } = frame;
    if (event === 'created') this.#created(data);
    else if (event === 'text_delta' || event === 'reasoning_delta') this.#delta(event, data);
    else if (event === 'sync' || event === 'reset') this.#replace(data);
    else if (event === 'segment') this.#segment(data);
    else if (event === 'title') this.title = text(data['title'], 'title');
    else if (event === 'done') this.#done(frame);
    else this.#partEvent(event, data);
  }

  #partEvent(event: string, data: Shape): void {
    if (event === 'tool_call') this.#toolCall(data);
    else if (event === 'tool_ready') this.#tool(data, { args: data['args'], status: 'ready' });
    else if (event === 'tool_result') {
      this.#tool(data, { status: data['status'], output: data['output'] });
    } else if (event === 'pending_action') this.#paused(object(data['action'], 'action'));
    else if (event === 'action_resolved') this.#resolved(data);
    else if (event === 'attachment' || event === 'steered') {
      const { part, seq: _seq, at: _at, ...rest } = data;
      this.content[integer(part, 'part')] = { type: event, ...rest };
    }
  }

  #created(data: Shape): void {
    this.message = {
      messageId: data['responseMessageId'],
      conversationId: data['conversationId'],
      parentMessageId:
        data['parentMessageId'] ?? object(data['userMessage'], 'userMessage')['messageId'],
      role: 'assistant',
      content: [],
      status: 'streaming',
      agentId: data['agentId'],
      model: data['model'],
    };
  }

  #delta(event: string, data: Shape): void {
    const type = event === 'text_delta' ? 'text' : 'reasoning';
    const index = integer(data['part'], 'part');
    const known = this.content[index];
    if (known === undefined) {
      if (index !== this.content.length) throw new Error(`part ${index} of ${this.content.length}`);
      const path = data['path'] === undefined ? {} : { path: data['path'] };
      this.content[index] = { type, text: text(data['text'], 'text'), ...path };
      return;
    }
    const part = object(known, 'part');
    if (part['type'] !== type)
      throw new Error(`${event} for a part of type ${String(part['type'])}`);
    part['text'] = text(part['text']) + text(data['text']);
  }

  #toolCall(data: Shape): void {
    const path = data['path'] === undefined ? {} : { path: data['path'] };
    this.content[integer(data['part'], 'part')] = {
      type: 'tool_call',
      toolCallId: data['toolCallId'],
      name: data['name'],
      args: {},
      status: 'streaming',
      ...path,
    };
  }

  #tool(of: Shape, change: Shape): Shape {
    const found = this.content.find(
      (part) =>
        isShape(part) && part['type'] === 'tool_call' && part['toolCallId'] === of['toolCallId'],
    );
    return Object.assign(object(found, `tool call ${String(of['toolCallId'])}`), change);
  }

  #paused(action: Shape): void {
    this.pendingAction = action;
    if (!('requests' in action)) return;
    for (const request of list(action['requests'], 'requests')) {
      this.#tool(object(request), { status: 'waiting' });
    }
  }

  #resolved(data: Shape): void {
    this.pendingAction = undefined;
    for (const each of list(data['decisions'] ?? [], 'decisions')) {
      const decision = object(each);
      const kind = text(decision['decision'], 'decision');
      const runs = kind === 'approve' || kind === 'edit' || kind === 'retry';
      const part = this.#tool(decision, { decision: kind, ...(runs && { status: 'running' }) });
      if (kind === 'edit') {
        part['proposedArgs'] = part['args'];
        part['args'] = decision['editedArgs'];
      }
    }
  }

  #segment(data: Shape): void {
    if (data['reason'] === 'recovered') this.#replace(data);
  }

  #replace(data: Shape): void {
    const state = object(data['state'], 'state');
    // A copy: later deltas change it, and the frame belongs to the caller.
    this.message = object(structuredClone(state['message']), 'state.message');
    list(this.message['content'], 'state.message.content');
    this.pendingAction = isShape(state['pendingAction']) ? state['pendingAction'] : undefined;
    if (typeof state['title'] === 'string') this.title = state['title'];
  }

  /** The terminal event's own word must agree with the fold: the content itself, or its hash. */
  #done(frame: Frame): void {
    const final = object(frame.data['message'], 'done.message');
    const { contentHash, content, ...rest } = final;
    if (content === undefined && contentHash === undefined) throw new Error('done says no content');
    const mine = hashOfContent(this.content);
    if (contentHash !== undefined && contentHash !== mine) {
      throw new Error(`done has contentHash ${canonical(contentHash)}, the fold ${mine}`);
    }
    if (content !== undefined && hashOfContent(content) !== mine) {
      throw new Error(
        `done has another content than the fold:\n${canonical(content).slice(0, 2000)}\n${canonical(this.content).slice(0, 2000)}`,
      );
    }
    this.message = { ...rest, content: this.content };
    this.pendingAction = undefined;
    this.done = frame;
  }
}

/** RFC 8785 for what JSON.parse gives: keys in the order of their UTF-16 units, no white space. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item)).join(',')}]`;
  if (!isShape(value)) return JSON.stringify(value);
  const keys = Object.keys(value).toSorted();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
}

export function hashOfContent(content: unknown): string {
  return createHash('sha256').update(canonical(content)).digest('hex');
}
