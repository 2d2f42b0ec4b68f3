import type { EventBody, EventOf, LogEvent, Outcome } from '../../stream/events.ts';
import type { Json, JsonObject } from '../../lib/json.ts';
import type { TokenCount, ToolCallPart } from '../../stream/message.ts';
import { jsonObjectSchema } from '../../stream/message.ts';
import type { Encoder } from '../encoder.ts';
import { type Call, EMPTY, type Fold, put, type View } from './fold-state.ts';
import { interruptsOf } from './interrupts.ts';
import { ATTACHMENT, attachmentOf, partId, resultId, tagOf } from './messages.ts';
import { keyOf, Pen } from './pen.ts';

/**
 * AG-UI 1.0 as a fold over the log. A generation is one run, and one more for each pause in it: a run ends with
 * `outcome: interrupt`, and whatever follows in the log begins the next one.
 */
export function agUiEncoder(view: View): Encoder<Fold> {
  return {
    initial: EMPTY,
    encode(state, event) {
      const pen = new Pen(state, view, event.at);
      write(pen, event);
      const rests = event.body.type === 'done' || pen.state.phase === 'paused';
      return { state: pen.state, frames: pen.frames, ...(rests && { ending: [] }) };
    },
  };
}

/** Said while it waits: nothing that begins a run. */
const ASIDE: ReadonlySet<EventBody['type']> = new Set([
  'action_expiring',
  'pending_action',
  'title',
  'usage',
  'custom',
]);

function write(pen: Pen, { body }: LogEvent): void {
  if (body.type === 'created') return begin(pen, body);
  if (pen.state.phase === 'paused') {
    if (ASIDE.has(body.type)) return;
    pen.beginRun(pen.state.pausedBy);
  }
  return writeBody(pen, body);
}

// oxlint-disable-next-line complexity -- one case per event
function writeBody(pen: Pen, body: EventBody): void {
  switch (body.type) {
    case 'text_delta':
      return pen.content('text', { ...body });
    case 'reasoning_delta':
      return pen.content('reasoning', { ...body });
    case 'tool_call':
      return pen.call(body);
    case 'tool_args_delta':
      return pen.args(body.toolCallId, body.text);
    case 'tool_ready':
      return ready(pen, body);
    case 'tool_result':
      return result(pen, body);
    case 'agent':
      return body.state === 'started' ? pen.enter(body.path, body.agentId) : pen.leave(body.path);
    case 'attachment':
      return attach(pen, body);
    case 'steered':
      return steered(pen, body);
    case 'usage':
      return usage(pen, body);
    case 'pending_action':
      return pen.interrupt(
        body.action.actionId,
        interruptsOf(body.action, (id) => pen.state.calls.get(id)?.path),
      );
    case 'segment':
      return body.reason === 'recovered' ? recovered(pen, body) : undefined;
    case 'done':
      return done(pen, body);
    case 'hand_off':
      return pen.custom('hand_off', plain(body));
    case 'queued':
      return pen.custom('queued', { position: body.position });
    case 'title':
      return pen.custom('title', { title: body.title });
    case 'custom':
      return pen.custom('custom', body.data, body.path);
    case 'action_resolved':
      return pen.custom('action_resolved', plain(body));
    case 'action_expiring':
    case 'created':
      return undefined;
    default:
      return body satisfies never;
  }
}

function begin(pen: Pen, body: EventOf<'created'>): void {
  const { generationId, conversationId, responseMessageId, userMessage } = body;
  // What the record tells of a log that is gone has the message's id only.
  const known = userMessage.content.length > 0 ? userMessage : undefined;
  pen.set({ generationId, conversationId, messageId: responseMessageId, userMessage: known });
  pen.beginRun(undefined);
  const { agentId, route } = body;
  if (route) pen.custom('route', jsonObjectSchema.parse({ agentId, ...route }));
}

function plain({ type: _type, ...rest }: EventBody): JsonObject {
  const members: [string, Json | undefined][] = Object.entries(rest);
  return Object.fromEntries(members.flatMap(([key, it]) => (it === undefined ? [] : [[key, it]])));
}

function ready(pen: Pen, { toolCallId, args }: EventOf<'tool_ready'>): void {
  const call = pen.state.calls.get(toolCallId);
  if (call && !call.streamed) pen.args(toolCallId, JSON.stringify(args));
  pen.closeCall(toolCallId);
}

function result(pen: Pen, { toolCallId, status, output }: EventOf<'tool_result'>): void {
  const call = pen.state.calls.get(toolCallId);
  // Told before, or of a call that a crash withdrew.
  if (!call || call.stage === 'answered') return;
  pen.enter(call.path);
  pen.closeCall(toolCallId);
  pen.say('TOOL_CALL_RESULT', {
    messageId: resultId(toolCallId),
    toolCallId,
    role: 'tool',
    content: output,
    metadata: { holdfast: { status } },
    ...tagOf(call.path),
  });
  pen.set({ calls: put(pen.state.calls, toolCallId, { ...call, stage: 'answered' }) });
}

function attach(pen: Pen, body: EventOf<'attachment'>): void {
  pen.enter(body.path);
  pen.say('ACTIVITY_SNAPSHOT', {
    messageId: partId(pen.state.messageId, body.part),
    activityType: ATTACHMENT,
    content: attachmentOf(body),
    ...tagOf(body.path),
  });
}

/** The user's words have no event in a run; a snapshot has them as a message of the user's. */
function steered(pen: Pen, { messageId, text, heard }: EventOf<'steered'>): void {
  pen.closePart(keyOf(undefined), undefined);
  pen.custom('steered', { messageId, text, heard });
}

/** It comes when a model call is over: so is the part that it wrote. */
function usage(pen: Pen, body: EventOf<'usage'>): void {
  const { call, total, contextUsed, contextMax, path } = body;
  pen.closePart(keyOf(path), path);
  pen.set({ spent: sum(pen.state.spent, call) });
  pen.custom('usage', { call, total, contextUsed, contextMax }, path);
}

function sum(a: TokenCount, b: TokenCount): TokenCount {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cacheRead: a.cacheRead + b.cacheRead,
    reasoning: a.reasoning + b.reasoning,
  };
}

/** A crash lost the rest: what stands takes the place of what was said. */
function recovered(pen: Pen, { state }: EventOf<'segment'>): void {
  if (!state) return;
  pen.closeAll();
  const calls = state.message.content.filter((part) => part.type === 'tool_call');
  const stands = new Set(calls.map(({ toolCallId }) => toolCallId));
  for (const id of [...pen.state.agents.keys()].toReversed()) {
    const failure = { message: 'A crash withdrew the call.', code: 'RECOVERED' };
    if (!stands.has(id)) pen.failAgent(id, failure);
  }
  pen.set({ calls: new Map(calls.map((call) => [call.toolCallId, standingCall(call)])) });
  pen.snapshot([state.message]);
}

function standingCall({ path, output }: ToolCallPart): Call {
  return { path, stage: output === undefined ? 'closed' : 'answered', streamed: true };
}

const CANCELLED: ReadonlySet<Outcome> = new Set(['aborted', 'superseded', 'expired']);

function done(pen: Pen, { status, error }: EventOf<'done'>): void {
  const failure = {
    message: error?.message ?? `The answer ended: ${status}.`,
    code: error?.code ?? status.toUpperCase(),
  };
  pen.closeAll();
  pen.closeAgents(status === 'completed' ? undefined : failure);
  if (status === 'completed') return pen.finish({ type: 'success' }, { status });
  if (CANCELLED.has(status)) return pen.finish({ type: 'cancelled' }, { status });
  return pen.fail(failure);
}
