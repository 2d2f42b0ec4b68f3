import type { EventBody, StreamState } from '../stream/events.ts';
import type { Message, MessagePart } from '../stream/message.ts';

/** The shortest log that folds to a state: what is left to show of a generation whose log is past its retention. */
export function eventsOfState(state: StreamState): EventBody[] {
  const { message, usage, title, pendingAction: action } = state;
  return [
    createdOf(state),
    ...message.content.flatMap(eventsOfPart),
    ...(action ? [{ type: 'pending_action' as const, action }] : []),
    ...(usage ? [usageOf(usage)] : []),
    ...(title === undefined ? [] : [{ type: 'title' as const, title }]),
  ];
}

function createdOf({ generationId, conversationId, message }: StreamState): EventBody {
  const { agentId, model, messageId, parentMessageId, createdAt } = message;
  // Only its id is known here.
  const userMessage: Message = {
    messageId: parentMessageId ?? '',
    conversationId,
    parentMessageId: null,
    role: 'user',
    content: [],
    status: 'complete',
    agentId,
    model,
    createdAt,
  };
  const ids = { conversationId, generationId, agentId, model };
  return { type: 'created', ...ids, userMessage, responseMessageId: messageId };
}

function usageOf(usage: NonNullable<StreamState['usage']>): EventBody {
  const { contextUsed, contextMax, ...total } = usage;
  return { type: 'usage', call: total, total, contextUsed, contextMax };
}

function eventsOfPart(content: MessagePart, part: number): EventBody[] {
  if (content.type === 'steered') return [{ ...content, part }];
  const { path } = content;
  const at = { part, ...(path && { path }) };
  switch (content.type) {
    case 'text':
      return [{ type: 'text_delta', ...at, text: content.text }];
    case 'reasoning':
      return [{ type: 'reasoning_delta', ...at, text: content.text }];
    case 'attachment':
      return [{ ...content, ...at }];
    case 'tool_call': {
      const { toolCallId, name, args, status, output } = content;
      const call: EventBody[] = [{ type: 'tool_call', ...at, toolCallId, name }];
      if (status === 'streaming') return call;
      call.push({ type: 'tool_ready', toolCallId, name, args });
      if (status === 'ready' || status === 'waiting' || status === 'running') return call;
      return [...call, { type: 'tool_result', toolCallId, status, output: output ?? '' }];
    }
    default:
      return content satisfies never;
  }
}
