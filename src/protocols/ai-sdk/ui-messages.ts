import { z } from 'zod';
import type { JsonObject } from '../../lib/json.ts';
import {
  jsonObjectSchema,
  type Message,
  type MessagePart,
  type ToolCallPart,
} from '../../stream/message.ts';
import type { PendingAction } from '../../stream/pending-action.ts';
import { formatApprovalId } from './approval-id.ts';
import { metadataOf, steeredOf } from './chunks.ts';
import {
  ASK_USER,
  askingCall,
  askingTool,
  descriptorOf,
  NOT_FINISHED,
  questionsOf,
  resultOfPart,
  WAITING,
} from './tool-parts.ts';

/** Our messages as `UIMessage`s: what the stock client makes of their streams. */

export const uiMessageSchema = z.object({
  id: z.string(),
  role: z.enum(['user', 'assistant']),
  metadata: jsonObjectSchema,
  parts: z.array(z.looseObject({ type: z.string() })),
});
export type UiMessage = z.infer<typeof uiMessageSchema>;
type UiPart = UiMessage['parts'][number];

/** `action`: what it waits for. */
export function uiMessageOf(message: Message, action?: PendingAction): UiMessage {
  const { messageId: id, role, content } = message;
  const parts =
    role === 'user' ? content.map((part) => partOf(part)) : answerParts(content, action);
  return { id, role, metadata: metadata(message, action), parts };
}

function metadata(message: Message, action: PendingAction | undefined): JsonObject {
  const { conversationId, agentId, model, createdAt, role } = message;
  const { status, usage, error } = message;
  if (role === 'user') return { conversationId, createdAt };
  return {
    conversationId,
    agentId,
    model,
    createdAt,
    status: action ? 'paused' : status,
    ...(action && { generationId: action.generationId }),
    ...(usage && { usage }),
    ...(error && { error }),
  };
}

function answerParts(content: MessagePart[], action: PendingAction | undefined): UiPart[] {
  const parts: UiPart[] = [];
  const asked = action && askedIn(content, action);
  let before: Before = 'nothing';
  for (const part of content) {
    if (beginsStep(part, before)) parts.push({ type: 'step-start' });
    before = behind(part, before);
    parts.push(part.type === 'tool_call' ? callPart(part, asked) : partOf(part));
  }
  if (asked && !asked.inContent) parts.push(questionPart(asked, placeOf(asked)));
  return parts;
}

/** What there is of a step so far. */
type Before = 'nothing' | 'words' | 'call';

/** As in the stream: what the model says behind its calls' results, or a person's words, is a step of its own. */
function beginsStep(part: MessagePart, before: Before): boolean {
  if (part.type === 'steered' || part.path) return false;
  return before === 'nothing' || (before === 'call' && part.type !== 'tool_call');
}

function behind(part: MessagePart, before: Before): Before {
  if (part.type === 'steered') return 'nothing';
  if (part.path) return before;
  return part.type === 'tool_call' ? 'call' : 'words';
}

function partOf(part: MessagePart): UiPart {
  if (part.type === 'steered') return steeredOf(part);
  const place: JsonObject = part.path ? { path: part.path } : {};
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return { type: part.type, text: part.text, state: 'done', ...metadataOf(place) };
    case 'attachment': {
      const { name, mediaType, url, data = null } = part;
      if (url === undefined) {
        return { type: 'data-attachment', data: { name, mediaType, data, ...place } };
      }
      return { type: 'file', url, mediaType, ...metadataOf({ name, ...place }) };
    }
    case 'tool_call':
      return callPart(part, undefined);
    default:
      return part satisfies never;
  }
}

interface Asked {
  action: PendingAction;
  /** The call that asks the questions. */
  toolCallId: string;
  inContent: boolean;
}

function askedIn(content: MessagePart[], action: PendingAction): Asked {
  const open = content.filter(
    (part): part is ToolCallPart => part.type === 'tool_call' && !resultOfPart(part),
  );
  const toolCallId = askingCall(action, open);
  const isAsked = askingTool(action) !== undefined;
  const inContent = !isAsked || open.some((part) => part.toolCallId === toolCallId);
  return { action, toolCallId, inContent };
}

function placeOf({ action }: Asked): JsonObject {
  return action.kind === 'custom' && action.path ? { path: action.path } : {};
}

function callPart(part: ToolCallPart, asked: Asked | undefined): UiPart {
  const { toolCallId, name, args, decision, path } = part;
  const call = { type: `tool-${name}`, toolCallId, input: args };
  const ours = metadataOf(path ? { path } : {});
  const known = ours.providerMetadata ? { callProviderMetadata: ours.providerMetadata } : {};
  const result = resultOfPart(part);
  if (!result) return asked ? openPart(part, asked, known) : { ...call, ...notFinished, ...known };
  const { type, ...output } = result;
  const state = type.slice('tool-'.length);
  // A part that was denied has an approval in every client's types.
  const decided = decision !== undefined || state === 'output-denied';
  const approval = { approval: { id: toolCallId, approved: state !== 'output-denied' } };
  return { ...call, state, ...output, ...known, ...(decided && approval) };
}

const notFinished = { state: 'output-error', errorText: NOT_FINISHED };

/** A call without a result, while its generation waits. */
function openPart(part: ToolCallPart, asked: Asked, known: JsonObject): UiPart {
  const { toolCallId, name, args } = part;
  const { action } = asked;
  const call = { type: `tool-${name}`, toolCallId, input: args };
  if (!('requests' in action)) {
    if (toolCallId === asked.toolCallId)
      return questionPart(asked, part.path ? { path: part.path } : {});
    return { ...call, state: 'output-available', output: WAITING, ...known };
  }
  const request = action.requests.find((it) => it.toolCallId === toolCallId);
  if (!request) return { ...call, state: 'output-available', output: WAITING, ...known };
  const { actionId, kind } = action;
  const id = formatApprovalId({ actionId, kind, toolCallId });
  const descriptor = descriptorOf(action, request);
  return { ...call, state: 'approval-requested', approval: { id, descriptor }, ...known };
}

function questionPart({ action, toolCallId }: Asked, place: JsonObject): UiPart {
  return {
    type: `tool-${askingTool(action) ?? ASK_USER}`,
    toolCallId,
    state: 'input-available',
    input: questionsOf(action),
    callProviderMetadata: { holdfast: { ...place, actionId: action.actionId } },
  };
}
