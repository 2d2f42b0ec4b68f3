import type { AppendRequest, LogInfo, LogNews, StoredEvent } from '../../stream/event-transport.ts';
import { decodeBatch, encodeBatch, type Before } from '../log-batch.ts';

/** What stands in Redis, as text and as what it means. */

/** The state of a log; `last` is the fence of the entry at its head. */
export interface LogState {
  info: LogInfo;
  last: number;
}

const STATE = /^(\d+) (\d+) ([01]) (\d+)$/;

export function parseState(text: string): LogState {
  const [, head, fence, closed, last] = STATE.exec(text) ?? [];
  if (last === undefined) throw new Error('Redis holds a log state that nobody wrote');
  return {
    info: { head: Number(head), fence: Number(fence), closed: closed === '1' },
    last: Number(last),
  };
}

/** The text of the entry: the fence, a line end, the events. `before`: see `encodeBatch`. */
export function encodeEntry(
  { fence, events }: Pick<AppendRequest, 'fence' | 'events'>,
  before?: Before,
): string {
  return `${fence}\n${encodeBatch(events, before)}`;
}

/** `first` is the sequence of its first event. */
function decodeEntry(text: string, first: number, before?: Before): StoredEvent[] {
  const end = text.indexOf('\n');
  return decodeBatch(text.slice(end + 1), { first, fence: Number(text.slice(0, end)) }, before);
}

/** The events of the entry with this id. */
export function decodeWithId(id: string, text: string): StoredEvent[] {
  const [last, count] = id.split('-');
  return decodeEntry(text, Number(last) - Number(count) + 1);
}

const NEWS = /^(\d+) (\d+)\n/;

/** Undefined: the message holds no entry. */
export function decodeNews(message: string, before?: Before): LogNews | undefined {
  const [head, fence, seq] = NEWS.exec(message) ?? [];
  if (head === undefined) return undefined;
  const after = { fence: Number(fence), seq: Number(seq) };
  return { after, events: decodeEntry(message.slice(head.length), after.seq + 1, before) };
}
