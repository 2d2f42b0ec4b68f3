import type { Message, MessagePart } from '../stream/message.ts';

/** What is asked of a model that goes on with an unfinished answer. */
export const GO_ON =
  'Your last answer was cut off. Go on exactly where it stopped: repeat nothing of it, and do not comment on the cut.';

/**
 * The messages of a branch that a model is given (docs/PROTOCOL.md section 12): an answer that failed is for display
 * only, unless the next message, or the turn itself where it is the last one, goes on with it. An answer and the one
 * that goes on with it are one.
 */
export function heard(branch: readonly Message[]): Message[] {
  const messages: Message[] = [];
  for (const [index, message] of branch.entries()) {
    if (hasFailed(message) && branch[index + 1]?.role === 'user') continue;
    const before = messages.at(-1);
    if (before && goesOnWith(before, message)) {
      messages[messages.length - 1] = spliced(before, message);
    } else messages.push(message);
  }
  return messages;
}

function goesOnWith(before: Message, { role, parentMessageId }: Message): boolean {
  const both = before.role === 'assistant' && role === 'assistant';
  return both && parentMessageId === before.messageId;
}

function hasFailed({ role, status, error }: Message): boolean {
  return role === 'assistant' && status === 'unfinished' && error !== undefined;
}

/** The words of the second one begin where those of the first one end, often in the middle of a sentence. */
function spliced(first: Message, second: Message): Message {
  const end = first.content.at(-1);
  const [start, ...rest] = second.content;
  const oneText =
    isOwnText(end) && isOwnText(start) ? { ...start, text: end.text + start.text } : undefined;
  const content = oneText
    ? [...first.content.slice(0, -1), oneText, ...rest]
    : [...first.content, ...second.content];
  return { ...second, content };
}

function isOwnText(part: MessagePart | undefined): part is Extract<MessagePart, { type: 'text' }> {
  return part?.type === 'text' && part.path === undefined;
}
