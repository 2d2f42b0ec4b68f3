import type { JsonObject } from '../../lib/json.ts';
import { type EventBody, type EventOf, type LogEvent } from '../../stream/events.ts';
import { jsonObjectSchema, type Usage } from '../../stream/message.ts';
import type { Decision } from '../../stream/pending-action.ts';
import type { Encoded, Encoder, ProtocolFrame } from '../encoder.ts';
import { formatApprovalId } from './approval-id.ts';
import { type Chunk, DONE, frameOf, metadataOf, steeredOf } from './chunks.ts';
import { Draft, INITIAL, type State } from './draft.ts';
import { retellWhatStands } from './recovered.ts';
import {
  ASK_USER,
  askingCall,
  askingTool,
  descriptorOf,
  NOT_FINISHED,
  questionsOf,
  resultOf,
} from './tool-parts.ts';

/** The log as a UI message stream v1 (docs/PROTOCOL.md section 10, AI SDK). */
export const aiSdkEncoder: Encoder<State> = {
  initial: INITIAL,
  encode(state, event) {
    const { body } = event;
    const quick = continued(state, body);
    if (quick) return quick;
    const draft = new Draft(state);
    tell(draft, event);
    const frames = draft.out.map(frameOf);
    const ending = endingOf(draft, body);
    return { state: draft.state, frames, ...(ending && { ending }) };
  },
};

/** A token that goes on with its part: most events are one. */
function continued(state: State, body: EventBody): Encoded<State> | undefined {
  if (body.type !== 'text_delta' && body.type !== 'reasoning_delta') return undefined;
  const open = state.open.get(body.part);
  if (!open) return undefined;
  const { text, part } = body;
  const length = open.length + text.length;
  return {
    state: { ...state, open: new Map(state.open).set(part, { ...open, length }) },
    frames: [frameOf({ type: `${open.kind}-delta`, id: open.id, delta: text })],
  };
}

// oxlint-disable-next-line complexity -- one line per kind of event
function tell(draft: Draft, { body, at }: LogEvent): void {
  switch (body.type) {
    case 'created':
      return created(draft, body, at);
    case 'text_delta':
    case 'reasoning_delta': {
      const kind = body.type === 'text_delta' ? 'text' : 'reasoning';
      const { part, text, path = [], call } = body;
      return draft.delta({ kind, part, text, path, call });
    }
    case 'tool_call':
      draft.announce({ toolCallId: body.toolCallId, name: body.name, path: body.path ?? [] });
      return;
    case 'tool_args_delta':
      return argsDelta(draft, body);
    case 'tool_ready':
      return ready(draft, body);
    case 'tool_result':
      return draft.tellResult(body.toolCallId, resultOf(body.status, body.output));
    case 'attachment':
      return attachment(draft, body);
    case 'steered':
      return draft.tellSteered(steeredOf(body));
    case 'pending_action':
      return paused(draft, body);
    case 'action_resolved':
      return resolved(draft, body);
    case 'usage': {
      const { total, contextUsed, contextMax } = body;
      return draft.say(usageChunk({ ...total, contextUsed, contextMax }));
    }
    case 'hand_off': {
      const { agentId, model } = body;
      return draft.say({ type: 'message-metadata', messageMetadata: { agentId, model } });
    }
    case 'segment':
      return retellWhatStands(draft, body);
    case 'done':
      return over(draft);
    case 'queued':
    case 'action_expiring':
    case 'agent':
    case 'title':
    case 'custom':
      return draft.say(noticeOf(body));
    default:
      return body satisfies never;
  }
}

type Notice = EventOf<
  'queued' | 'action_expiring' | 'agent' | 'title' | 'custom' | 'action_resolved'
>;

/** What is no part of the message: clients get it in `onData` and do not keep it. */
function noticeOf({ type, ...fields }: Notice): Chunk {
  return { type: `data-${type}`, data: jsonObjectSchema.parse({ ...fields }), transient: true };
}

function usageChunk(usage: Usage): Chunk {
  return { type: 'message-metadata', messageMetadata: { usage } };
}

function created(draft: Draft, body: EventOf<'created'>, at: string): void {
  const { generationId, conversationId, agentId, model, responseMessageId, route } = body;
  draft.messageId = responseMessageId;
  const ids = { generationId, conversationId, agentId, model, createdAt: at };
  const known = jsonObjectSchema.parse({ ...ids, ...(route && { route }) });
  draft.say({
    type: 'start',
    messageId: responseMessageId,
    messageMetadata: { ...known, status: 'streaming' },
  });
}

function argsDelta(draft: Draft, { toolCallId, text }: EventOf<'tool_args_delta'>): void {
  const call = draft.call(toolCallId);
  if (!call || call.told || call.done) return;
  draft.say({ type: 'tool-input-delta', toolCallId, inputTextDelta: text });
}

/** The client's own tool gets its input when it is asked: once, with the ids of the questions. */
function ready(draft: Draft, { toolCallId, name, args }: EventOf<'tool_ready'>): void {
  if (!draft.call(toolCallId)) draft.announce({ toolCallId, name, path: [] });
  draft.setArgs(toolCallId, args);
  if (name !== ASK_USER) draft.tellInput(toolCallId, {});
}

function attachment(draft: Draft, body: EventOf<'attachment'>): void {
  const { part, name, mediaType, url, data, path = [] } = body;
  draft.closeText(path);
  draft.beginContent();
  draft.tellAttachment(part, path);
  const place: JsonObject = path.length > 0 ? { path } : {};
  if (url !== undefined) {
    draft.say({ type: 'file', url, mediaType, ...metadataOf({ name, ...place }) });
    return;
  }
  const inline: JsonObject = { name, mediaType, data: data ?? null, ...place };
  draft.say({ type: 'data-attachment', data: inline });
}

/** Asks for what is asked, and gives every other call of the step a stand-in for its result (docs/CLIENTS.md). */
function paused(draft: Draft, { action }: EventOf<'pending_action'>): void {
  draft.closeText();
  draft.action = action;
  const asked = new Set<string>();
  if (!('requests' in action)) {
    const toolCallId = askingCall(action, draft.unresolved);
    const name = askingTool(action) ?? ASK_USER;
    const path = action.kind === 'custom' ? (action.path ?? []) : [];
    if (!draft.call(toolCallId)) draft.announce({ toolCallId, name, path });
    const ours = { actionId: action.actionId };
    draft.tellInput(toolCallId, { input: questionsOf(action), ours });
    asked.add(toolCallId);
  } else {
    const { actionId, kind } = action;
    for (const request of action.requests) {
      const { toolCallId, name, args } = request;
      if (!draft.call(toolCallId)) draft.announce({ toolCallId, name, path: [] });
      draft.setArgs(toolCallId, args);
      if (draft.call(toolCallId)?.told !== true) draft.tellInput(toolCallId, {});
      const approvalId = formatApprovalId({ actionId, kind, toolCallId });
      const approvalDescriptor = descriptorOf(action, request);
      draft.say({ type: 'tool-approval-request', approvalId, toolCallId, approvalDescriptor });
      asked.add(toolCallId);
    }
  }
  for (const { toolCallId } of draft.unresolved) {
    if (!asked.has(toolCallId)) draft.tellWaiting(toolCallId);
  }
}

const GOES_ON = new Set<Decision['decision']>(['approve', 'edit', 'retry']);

/** A response that goes on behind a pause begins here, so it begins as every response does. */
function resolved(draft: Draft, body: EventOf<'action_resolved'>): void {
  draft.action = undefined;
  const messageMetadata = { status: 'streaming' };
  draft.say({ type: 'start', messageId: draft.messageId, messageMetadata });
  draft.say(noticeOf(body));
  for (const call of draft.unresolved) if (call.waiting) draft.tellGoesOn(call);
  for (const { toolCallId, decision, editedArgs } of body.decisions ?? []) {
    if (!GOES_ON.has(decision)) continue;
    if (decision === 'edit' && editedArgs) draft.setArgs(toolCallId, editedArgs);
    draft.tellInput(toolCallId, {});
  }
  // What no call of a tool asked: its part has the action's id, and no result will follow.
  const { actionId, answers = {}, response } = body;
  const output = response === undefined ? JSON.stringify(answers) : response;
  draft.tellResult(actionId, { type: 'tool-output-available', output });
}

/** Nothing is left open, also where it was stopped in the middle. */
function over(draft: Draft): void {
  draft.closeText();
  for (const { toolCallId } of draft.unresolved) {
    draft.tellResult(toolCallId, { type: 'tool-output-error', errorText: NOT_FINISHED });
  }
  draft.endLastStep();
}

function endingOf({ action }: Draft, body: EventBody): ProtocolFrame[] | undefined {
  if (body.type === 'done') return [...closingOf(body).map(frameOf), DONE];
  if (!action) return undefined;
  return [
    frameOf({ type: 'finish-step' }),
    frameOf({ type: 'finish', finishReason: 'tool-calls', messageMetadata: { status: 'paused' } }),
    DONE,
  ];
}

function closingOf({ status, error, usage }: EventOf<'done'>): Chunk[] {
  const messageMetadata: JsonObject = { status, ...(usage && { usage }), ...(error && { error }) };
  if (status === 'completed') return [{ type: 'finish', finishReason: 'stop', messageMetadata }];
  const known: Chunk = { type: 'message-metadata', messageMetadata };
  if (!error) return [known, { type: 'abort', reason: status }];
  const finish: Chunk = { type: 'finish', finishReason: 'error' };
  return [known, { type: 'error', errorText: error.message }, finish];
}
