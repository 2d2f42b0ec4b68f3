import type { EventBody, LogEvent, ResetReason, StreamState } from './events.ts';
import { wordData, type StoredEvent } from './event-transport.ts';
import { formatCursor, type Position } from './cursor.ts';

/** Events as text: how they are kept, and how they go over the wire (WHATWG HTML section 9.2). */

export function toStored({ seq, fence, at, body }: LogEvent): StoredEvent {
  // Nearly all events: as below, for a third of the time.
  if (body.type === 'text_delta' && body.path === undefined && body.call === undefined) {
    const word = { at, part: body.part, text: JSON.stringify(body.text).slice(1, -1) };
    return { seq, fence, type: body.type, data: wordData(seq, word), word };
  }
  const { type, ...data } = body;
  return { seq, fence, type, data: JSON.stringify({ seq, at, ...data }) };
}

/** The inverse of `toStored`, which alone writes logs: no schema is run per token. */
export function fromStored(stored: StoredEvent): LogEvent {
  if (stored.word) {
    const { at, part, text } = stored.word;
    const body: EventBody = { type: 'text_delta', part, text: unescaped(text) };
    return { seq: stored.seq, fence: stored.fence, at, body };
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by toStored
  const { seq, at, ...data } = JSON.parse(stored.data) as { seq: number; at: string };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by toStored
  const body = { type: stored.type, ...data } as EventBody;
  return { seq, fence: stored.fence, at, body };
}

/** The text that stands between the quotes of a JSON string. */
function unescaped(text: string): string {
  if (!text.includes('\\')) return text;
  const value: unknown = JSON.parse(`"${text}"`);
  return String(value);
}

/** `data` is JSON, so it has no line feed of its own. */
export function frameOf(generationId: string, stored: StoredEvent): string {
  return frame(formatCursor(generationId, stored), stored.type, stored.data);
}

function frame(id: string, event: string, data: string): string {
  return `id: ${id}\nevent: ${event}\ndata: ${data}\n\n`;
}

/** One frame with all that there is up to a position; what follows it is exact. */
export function syncFrame(
  generationId: string,
  upTo: Position,
  payload: { state: StreamState; reason?: ResetReason; at: string },
): string {
  const { state, reason, at } = payload;
  const data = { seq: upTo.seq, at, ...(reason && { reason }), upTo: upTo.seq, state };
  return frame(formatCursor(generationId, upTo), reason ? 'reset' : 'sync', JSON.stringify(data));
}
