import type { EventOf, GenerationStatus, LogEvent, StreamState } from './events.ts';
import type { Message, MessagePart, ToolCallPart, Usage } from './message.ts';
import type { Decision, PendingAction } from './pending-action.ts';

/** Where a part came from: what recovery needs to know and the message does not show. */
export interface PartOrigin {
  /** Model call that made it; undefined for tool calls and attachments. */
  call: string | undefined;
  /** Sequence of the event that began it. */
  since: number;
}

/**
 * The fold from events to the message (docs/PROTOCOL.md section 3): deterministic, no I/O. Holds its state in place,
 * because a token must cost a string append and not a copy of the message. Throws if the log does not begin with
 * `created`.
 */
export class MessageFold {
  #message: Message | undefined;
  #generationId = '';
  #status: GenerationStatus = 'queued';
  #parts: MessagePart[] = [];
  #origins: PartOrigin[] = [];
  #tools = new Map<string, number>();
  #pendingAction: PendingAction | undefined;
  readonly #actions = new Set<string>();
  readonly #warnings = new Set<string>();
  #usage: Usage | undefined;
  #title: string | undefined;

  get usage(): Usage | undefined {
    return this.#usage;
  }

  get title(): string | undefined {
    return this.#title;
  }

  get pendingAction(): PendingAction | undefined {
    return this.#pendingAction;
  }

  /** Has this action been announced? */
  knowsAction(actionId: string): boolean {
    return this.#actions.has(actionId);
  }

  /** Was it told that this action expires soon? */
  knowsWarning(actionId: string): boolean {
    return this.#warnings.has(actionId);
  }

  /** Index of the next content part. */
  get nextPart(): number {
    return this.#parts.length;
  }

  get parts(): readonly MessagePart[] {
    return this.#parts;
  }

  origin(part: number): PartOrigin | undefined {
    return this.#origins[part];
  }

  /** A copy that later events leave alone. */
  state(): StreamState {
    const message = this.message();
    return {
      generationId: this.#generationId,
      conversationId: message.conversationId,
      status: this.#status,
      message,
      ...(this.#pendingAction && { pendingAction: this.#pendingAction }),
      ...(this.#usage && { usage: this.#usage }),
      ...(this.#title !== undefined && { title: this.#title }),
    };
  }

  message(): Message {
    if (!this.#message) throw new Error('a log begins with the created event');
    return {
      ...this.#message,
      content: this.#parts.map((part) => ({ ...part })),
      ...(this.#usage && { usage: this.#usage }),
    };
  }

  // oxlint-disable-next-line complexity -- one line per kind of event
  apply({ seq, at, body }: LogEvent): void {
    switch (body.type) {
      case 'created':
        return this.#created(body, at);
      case 'queued':
        this.#status = 'queued';
        return;
      case 'text_delta':
      case 'reasoning_delta':
        return this.#delta(body, seq);
      case 'tool_call':
      case 'tool_ready':
      case 'tool_result':
      case 'attachment':
      case 'steered':
        this.#status = 'running';
        return this.#toolEvent(body, seq);
      case 'pending_action':
        return this.#paused(body.action);
      case 'action_resolved':
        return this.#resolved(body);
      case 'usage':
        return this.#used(body);
      case 'title':
        this.#title = body.title;
        return;
      case 'hand_off':
        return this.#answeredBy(body);
      case 'segment':
        return this.#segment(body, seq);
      case 'done':
        return this.#done(body);
      case 'action_expiring':
        this.#warnings.add(body.actionId);
        return;
      case 'tool_args_delta':
      case 'agent':
      case 'custom':
        return;
      default:
        return body satisfies never;
    }
  }

  #answeredBy({ agentId, model }: Pick<Message, 'agentId' | 'model'>): void {
    if (this.#message) this.#message = { ...this.#message, agentId, model };
  }

  #used({ total, contextUsed, contextMax }: EventOf<'usage'>): void {
    this.#usage = { ...total, contextUsed, contextMax };
  }

  #created(body: EventOf<'created'>, at: string): void {
    this.#generationId = body.generationId;
    this.#message = {
      messageId: body.responseMessageId,
      conversationId: body.conversationId,
      parentMessageId: body.parentMessageId ?? body.userMessage.messageId,
      role: 'assistant',
      content: [],
      status: 'streaming',
      agentId: body.agentId,
      model: body.model,
      createdAt: at,
    };
  }

  #delta(body: EventOf<'text_delta' | 'reasoning_delta'>, seq: number): void {
    this.#status = 'running';
    const known = this.#parts[body.part];
    if (known?.type === 'text' || known?.type === 'reasoning') {
      known.text += body.text;
      return;
    }
    const type = body.type === 'text_delta' ? 'text' : 'reasoning';
    this.#begin(body.part, { type, text: body.text, ...(body.path && { path: body.path }) }, seq);
    this.#origins[body.part] = { call: body.call, since: seq };
  }

  #begin(index: number, part: MessagePart, seq: number): void {
    this.#parts[index] = part;
    this.#origins[index] = { call: undefined, since: seq };
  }

  #toolEvent(
    body: EventOf<'tool_call' | 'tool_ready' | 'tool_result' | 'attachment' | 'steered'>,
    seq: number,
  ): void {
    if (body.type === 'attachment' || body.type === 'steered') {
      const { part, ...whole } = body;
      return this.#begin(part, whole, seq);
    }
    if (body.type === 'tool_call') {
      const { part, toolCallId, name, path } = body;
      this.#tools.set(toolCallId, part);
      const fresh: ToolCallPart = {
        type: 'tool_call',
        toolCallId,
        name,
        args: {},
        status: 'streaming',
      };
      return this.#begin(part, path ? { ...fresh, path } : fresh, seq);
    }
    const { toolCallId } = body;
    if (body.type === 'tool_ready')
      return this.#patch(toolCallId, { args: body.args, status: 'ready' });
    this.#patch(toolCallId, { status: body.status, output: body.output });
  }

  #patch(toolCallId: string, change: Partial<ToolCallPart>): void {
    const index = this.#tools.get(toolCallId);
    const part = index === undefined ? undefined : this.#parts[index];
    if (part?.type === 'tool_call') Object.assign(part, change);
  }

  #paused(action: PendingAction): void {
    this.#status = 'paused';
    this.#pendingAction = action;
    this.#actions.add(action.actionId);
    if (!('requests' in action)) return;
    for (const { toolCallId } of action.requests) this.#patch(toolCallId, { status: 'waiting' });
  }

  #resolved(body: EventOf<'action_resolved'>): void {
    this.#pendingAction = undefined;
    this.#status = body.outcome === 'decided' ? 'queued' : 'finalizing';
    for (const decision of body.decisions ?? []) this.#decided(decision);
  }

  #decided({ toolCallId, decision, editedArgs }: Decision): void {
    const index = this.#tools.get(toolCallId);
    const part = index === undefined ? undefined : this.#parts[index];
    if (part?.type !== 'tool_call') return;
    part.decision = decision;
    if (decision === 'approve' || decision === 'edit' || decision === 'retry')
      part.status = 'running';
    if (decision === 'edit' && editedArgs) {
      part.proposedArgs = part.args;
      part.args = editedArgs;
    }
  }

  #segment(body: EventOf<'segment'>, seq: number): void {
    this.#status = 'running';
    if (!body.state) return;
    const { message, usage } = body.state;
    this.#answeredBy(message);
    this.#parts = message.content.map((part) => ({ ...part }));
    this.#origins = this.#parts.map((_part, index) => ({
      call: body.calls?.[index] ?? undefined,
      since: seq,
    }));
    this.#tools = new Map();
    for (const [index, part] of this.#parts.entries()) {
      if (part.type === 'tool_call') this.#tools.set(part.toolCallId, index);
    }
    this.#usage = usage;
    this.#pendingAction = body.state.pendingAction;
  }

  #done({ status, message, usage, error }: EventOf<'done'>): void {
    this.#status = status;
    this.#pendingAction = undefined;
    if (usage) this.#usage = usage;
    if (!this.#message) return;
    this.#message = { ...this.#message, status: message.status, ...(error && { error }) };
  }
}

/** The message that these events make. */
export function foldEvents(events: Iterable<LogEvent>): MessageFold {
  const fold = new MessageFold();
  for (const event of events) fold.apply(event);
  return fold;
}
