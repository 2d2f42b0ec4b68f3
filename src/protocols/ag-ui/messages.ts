import type { Json, JsonObject } from '../../lib/json.ts';
import type { Message, MessagePart } from '../../stream/message.ts';

/**
 * AG-UI's messages, made of ours: one of each part, so that an id depends on nothing but its part's place, and a
 * snapshot names what was streamed by the same ids.
 */

export const ATTACHMENT = 'holdfast.attachment';

export function partId(messageId: string, part: number): string {
  return `${messageId}:${part}`;
}

export function resultId(toolCallId: string): string {
  return `${toolCallId}:result`;
}

/** Whose work it is: a sub-agent is named by the call that asked for it; nothing for the agent itself. */
export function tagOf(path: readonly string[] | undefined): { subagentRunId?: string } {
  const subagentRunId = path?.at(-1);
  return subagentRunId === undefined ? {} : { subagentRunId };
}

/** What an attachment shows of itself. */
export function attachmentOf(part: {
  name: string;
  mediaType: string;
  url?: string | undefined;
  data?: Json | undefined;
}): JsonObject {
  const { name, mediaType, url, data } = part;
  return {
    name,
    mediaType,
    ...(url !== undefined && { url }),
    ...(data !== undefined && { data }),
  };
}

/** As a MESSAGES_SNAPSHOT has them. */
export function messagesOf({ messageId, role, content }: Message): JsonObject[] {
  if (role === 'user') {
    const text = content.map((part) => (part.type === 'text' ? part.text : '')).join('');
    return [{ id: messageId, role, content: text }];
  }
  return content.flatMap((part, index) => messagesOfPart(part, partId(messageId, index)));
}

function messagesOfPart(part: MessagePart, id: string): JsonObject[] {
  if (part.type === 'steered') return [{ id: part.messageId, role: 'user', content: part.text }];
  const tag = tagOf(part.path);
  switch (part.type) {
    case 'text':
      return [{ id, role: 'assistant', content: part.text, ...tag }];
    case 'reasoning':
      return [{ id, role: 'reasoning', content: part.text, ...tag }];
    case 'attachment':
      return [
        { id, role: 'activity', activityType: ATTACHMENT, content: attachmentOf(part), ...tag },
      ];
    case 'tool_call': {
      const { toolCallId, name, args, output } = part;
      const of = { name, arguments: JSON.stringify(args) };
      const toolCalls = [{ id: toolCallId, type: 'function', function: of }];
      const call: JsonObject = { id, role: 'assistant', toolCalls, ...tag };
      if (output === undefined) return [call];
      return [
        call,
        { id: resultId(toolCallId), role: 'tool', toolCallId, content: output, ...tag },
      ];
    }
    default:
      return part satisfies never;
  }
}

/** Memory that a response may hold for snapshots, in characters of JSON. */
const MAX_HISTORY_CHARS = 262_144;

/** The newest messages of a branch that fit, oldest first. */
export function newestOf(branch: readonly Message[]): Message[] {
  let room = MAX_HISTORY_CHARS;
  const first = branch.findLastIndex((message) => {
    room -= JSON.stringify(message).length;
    return room < 0;
  });
  return branch.slice(first + 1);
}
