import type { EventOf, LogEvent, Outcome } from '../../stream/events.ts';
import type { Encoded, Encoder } from '../encoder.ts';
import type { ResponseRef } from './ids.ts';
import { ResponseDraft } from './response-draft.ts';
import { initialResponse, type ResponseState, type ResponseStatus } from './response-state.ts';
import { seconds } from './usage.ts';

/** A reason of OpenAI's is why a model stopped; these are why an agent did. */
const WAITS = { reason: 'requires_action' };

interface Ending {
  status: ResponseStatus;
  event: string;
  reason?: string;
}

/** There is no event for a cancelled response: clients throw at one that they don't know. */
const ENDINGS: Record<Outcome, Ending> = {
  completed: { status: 'completed', event: 'response.completed' },
  failed: { status: 'failed', event: 'response.failed' },
  interrupted: { status: 'failed', event: 'response.failed' },
  aborted: { status: 'cancelled', event: 'response.incomplete' },
  superseded: { status: 'cancelled', event: 'response.incomplete', reason: 'superseded' },
  expired: { status: 'incomplete', event: 'response.incomplete', reason: 'expired' },
};

/**
 * A generation as a response of OpenAI's Responses API, from the answer to its `since`th pause on. Where it waits the
 * response is incomplete for the time being: whoever comes after the answer reads what followed.
 */
export function responseEncoder(ref: ResponseRef): Encoder<ResponseState> {
  return { initial: initialResponse(ref), encode };
}

function encode(before: ResponseState, event: LogEvent): Encoded<ResponseState> {
  const draft = new ResponseDraft(before);
  const end = apply(draft, event);
  const { frames } = draft;
  if (end === undefined || !draft.state.begun) return { state: draft.state, frames };
  // Its number is used whether it is sent or not: those behind it must have others.
  draft.frames = [];
  draft.emitResponse(end);
  return { state: draft.state, frames, ending: draft.frames };
}

/** Returns the event with which the response may end here. */
// oxlint-disable-next-line complexity -- one line per kind of event
function apply(draft: ResponseDraft, { body, at }: LogEvent): string | undefined {
  switch (body.type) {
    case 'created':
      created(draft, body);
      return undefined;
    case 'queued':
      draft.emitResponse('response.queued');
      return undefined;
    case 'title':
    case 'attachment':
    case 'steered':
    case 'custom':
    case 'agent':
    case 'hand_off':
    case 'action_expiring':
      return undefined;
    case 'pending_action':
      return paused(draft, body);
    case 'action_resolved':
      resolved(draft, body);
      return undefined;
    case 'done':
      return done(draft, body, at);
    case 'usage':
      draft.set({ usage: body.total });
      return undefined;
    case 'segment':
      segment(draft, body);
      return undefined;
    case 'text_delta':
    case 'reasoning_delta':
      draft.work();
      draft.text(body.type === 'text_delta' ? 'message' : 'reasoning', body);
      return undefined;
    case 'tool_call':
      draft.work();
      draft.call(body);
      return undefined;
    case 'tool_args_delta':
      draft.args(body);
      return undefined;
    case 'tool_ready':
      draft.ready(body);
      return undefined;
    case 'tool_result':
      draft.result(body);
      return undefined;
    default:
      return body satisfies never;
  }
}

function created(draft: ResponseDraft, body: EventOf<'created'>): void {
  const { conversationId, responseMessageId: messageId, agentId: model } = body;
  const createdAt = seconds(body.userMessage.createdAt);
  draft.set({ conversationId, messageId, model, createdAt });
  draft.emitResponse('response.created');
}

function paused(draft: ResponseDraft, { action }: EventOf<'pending_action'>): string {
  draft.work();
  draft.closeAll('completed');
  draft.ask(action);
  draft.set({ status: 'incomplete', incomplete: WAITS, pauses: action.revision });
  return 'response.incomplete';
}

function resolved(draft: ResponseDraft, body: EventOf<'action_resolved'>): void {
  draft.edited(body.decisions);
  if (body.outcome !== 'decided') return;
  const { begun, pauses, ref } = draft.state;
  if (!begun && pauses === ref.since) {
    draft.begin();
    return;
  }
  draft.set({ status: 'in_progress', incomplete: null });
  draft.emitResponse('response.in_progress');
}

function segment(draft: ResponseDraft, { state }: EventOf<'segment'>): void {
  if (!state) {
    draft.work();
    return;
  }
  draft.replace(state.message);
  draft.set({
    status: 'in_progress',
    incomplete: null,
    ...(state.usage && { usage: state.usage }),
  });
  draft.emitResponse('response.in_progress');
}

function done(draft: ResponseDraft, body: EventOf<'done'>, at: string): string {
  const { status, event, reason } = ENDINGS[body.status];
  draft.closeAll(body.status === 'completed' ? 'completed' : 'incomplete');
  if (!draft.state.begun) {
    // Its log is gone, and nobody knows any more what came before the answer: it is told as a whole.
    draft.set({ begun: true });
    draft.emitResponse('response.created');
  }
  draft.set({
    over: true,
    status,
    incomplete: reason === undefined ? null : { reason },
    error: status === 'failed' ? errorOf(body) : null,
    ...(status === 'completed' && { completedAt: seconds(at) }),
    ...(body.usage && { usage: body.usage }),
  });
  return event;
}

/** `code` is one of OpenAI's, ours is in the message. */
function errorOf({ status, error }: EventOf<'done'>): { code: string; message: string } {
  const { code, message } = error ?? {
    code: `GENERATION_${status.toUpperCase()}`,
    message: `The answer was ${status}.`,
  };
  const known = code === 'MODEL_RATE_LIMITED' ? 'rate_limit_exceeded' : 'server_error';
  return { code: known, message: `${message} (${code})` };
}
