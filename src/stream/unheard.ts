import type { Job, Steer } from './job.ts';
import type { MessagePart } from './message.ts';

/** Ids of the messages that came while an answer was being made, and that stand in it. */
export function steeredIn(content: readonly MessagePart[]): string[] {
  return content.flatMap((part) => (part.type === 'steered' ? [part.messageId] : []));
}

/** Those that came and are not among `known`: ids of what the agent heard, or of what readers see. */
export function unheard(
  { steers = [] }: Pick<Job, 'steers'>,
  known: readonly string[],
): readonly Steer[] {
  const has = new Set(known);
  return steers.filter(({ messageId }) => !has.has(messageId));
}
