import type {
  Decision,
  EventOf,
  Message,
  MessagePart,
  StreamEvent,
  StreamState,
  ToolCallPart,
} from './types.ts';

/**
 * The fold of docs/PROTOCOL.md section 3: what a reader holds after one more event. Pure; what does not change is
 * shared with the state before, so that a view can tell by identity. Undefined until there was `created`, `sync` or
 * `reset`; events of an unknown type change nothing.
 */
export function fold(state: StreamState | undefined, event: StreamEvent): StreamState | undefined {
  if (event.type === 'created') return begin(event);
  if (event.type === 'sync' || event.type === 'reset') return event.state;
  return state && foldPart(foldStatus(state, event), event);
}

function begin(event: EventOf<'created'>): StreamState {
  const { generationId, conversationId, agentId, model } = event;
  return {
    generationId,
    conversationId,
    status: 'queued',
    message: {
      messageId: event.responseMessageId,
      conversationId,
      parentMessageId: event.parentMessageId ?? event.userMessage.messageId,
      role: 'assistant',
      content: [],
      status: 'streaming',
      agentId,
      model,
      createdAt: event.at,
    },
  };
}

/** Everything but the content. */
// oxlint-disable-next-line complexity -- one line per kind of event
function foldStatus(state: StreamState, event: StreamEvent): StreamState {
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- the others, known or not, change nothing here
  switch (event.type) {
    case 'queued':
      return { ...state, status: 'queued' };
    case 'text_delta':
    case 'reasoning_delta':
    case 'tool_call':
    case 'tool_ready':
    case 'tool_result':
    case 'attachment':
    case 'steered':
      return state.status === 'running' ? state : { ...state, status: 'running' };
    case 'pending_action':
      return { ...state, status: 'paused', pendingAction: event.action };
    case 'action_resolved':
      return { ...settled(state), status: event.outcome === 'decided' ? 'queued' : 'finalizing' };
    case 'usage': {
      const { total, contextUsed, contextMax } = event;
      return withUsage(state, { ...total, contextUsed, contextMax });
    }
    case 'hand_off':
      return answeredBy(state, event);
    case 'title':
      return { ...state, title: event.title };
    case 'segment':
      return segment(state, event);
    case 'done':
      return done(state, event);
    default:
      return state;
  }
}

function settled({ pendingAction: _pendingAction, ...state }: StreamState): StreamState {
  return state;
}

function answeredBy(
  state: StreamState,
  { agentId, model }: Pick<Message, 'agentId' | 'model'>,
): StreamState {
  return { ...state, message: { ...state.message, agentId, model } };
}

function withUsage(state: StreamState, usage: StreamState['usage']): StreamState {
  const { usage: _before, ...rest } = state;
  const { usage: _told, ...message } = state.message;
  return usage ? { ...rest, usage, message: { ...message, usage } } : { ...rest, message };
}

function segment(state: StreamState, { state: stands }: EventOf<'segment'>): StreamState {
  if (!stands) return { ...state, status: 'running' };
  const { pendingAction, usage, message } = stands;
  const before = answeredBy({ ...settled(state), status: 'running' }, message);
  const next = withUsage(before, usage);
  return {
    ...next,
    ...(pendingAction && { pendingAction }),
    message: { ...next.message, content: message.content },
  };
}

function done(state: StreamState, event: EventOf<'done'>): StreamState {
  const { status, usage, message, error } = event;
  const next = usage ? withUsage(state, usage) : state;
  return {
    ...settled(next),
    status,
    message: { ...next.message, status: message.status, ...(error && { error }) },
  };
}

/** The content. */
function foldPart(state: StreamState, event: StreamEvent): StreamState {
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- the others, known or not, change nothing here
  switch (event.type) {
    case 'text_delta':
    case 'reasoning_delta':
      return withPart(state, event.part, (known) => appended(known, event));
    case 'tool_call': {
      const { toolCallId, name, path } = event;
      const fresh = { type: 'tool_call', toolCallId, name, args: {}, status: 'streaming' } as const;
      return withPart(state, event.part, () => ({ ...fresh, ...(path && { path }) }));
    }
    case 'attachment':
    case 'steered': {
      const { seq: _seq, at: _at, part, ...whole } = event;
      return withPart(state, part, () => whole);
    }
    case 'tool_ready':
      return withCall(state, event.toolCallId, () => ({ args: event.args, status: 'ready' }));
    case 'tool_result': {
      const { status, output } = event;
      return withCall(state, event.toolCallId, () => ({ status, output }));
    }
    case 'pending_action':
      if (!('requests' in event.action)) return state;
      return event.action.requests.reduce(
        (before, { toolCallId }) => withCall(before, toolCallId, () => ({ status: 'waiting' })),
        state,
      );
    case 'action_resolved':
      return (event.decisions ?? []).reduce(
        (before, decision) =>
          withCall(before, decision.toolCallId, (call) => decided(call, decision)),
        state,
      );
    default:
      return state;
  }
}

function appended(
  known: MessagePart | undefined,
  event: EventOf<'text_delta'> | EventOf<'reasoning_delta'>,
): MessagePart {
  if (known?.type === 'text' || known?.type === 'reasoning') {
    return { ...known, text: known.text + event.text };
  }
  const { text, path } = event;
  return { type: event.type === 'text_delta' ? 'text' : 'reasoning', text, ...(path && { path }) };
}

function decided(call: ToolCallPart, { decision, editedArgs }: Decision): Partial<ToolCallPart> {
  const runs = decision === 'approve' || decision === 'edit' || decision === 'retry';
  return {
    decision,
    ...(runs && { status: 'running' }),
    ...(decision === 'edit' && editedArgs && { proposedArgs: call.args, args: editedArgs }),
  };
}

function withContent(state: StreamState, content: Message['content']): StreamState {
  return { ...state, message: { ...state.message, content } };
}

function withPart(
  state: StreamState,
  part: number,
  make: (known: MessagePart | undefined) => MessagePart,
): StreamState {
  const content = [...state.message.content];
  content[part] = make(content[part]);
  return withContent(state, content);
}

function withCall(
  state: StreamState,
  toolCallId: string,
  change: (call: ToolCallPart) => Partial<ToolCallPart>,
): StreamState {
  const { content } = state.message;
  const index = content.findIndex(
    (part) => part.type === 'tool_call' && part.toolCallId === toolCallId,
  );
  const call = content[index];
  if (call?.type !== 'tool_call') return state;
  return withPart(state, index, () => ({ ...call, ...change(call) }));
}
