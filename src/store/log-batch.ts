import type { StoredEvent } from '../stream/event-transport.ts';

/**
 * The events of one append as one text. These two control characters can't stand in JSON text (they are always escaped
 * there), so it is split again without parsing, and every reader gets the bytes that were written. An event without a
 * type has that of the one before.
 */
const BETWEEN_EVENTS = '\u001E';
const AFTER_TYPE = '\u001F';

// oxlint-disable-next-line no-control-regex -- these are what JSON text never holds
const NOT_JSON_TEXT = /[\u0000-\u001F\uD800-\uDFFF]/u;

/** Throws where the bytes would not come back as they went in. */
export function encodeBatch(events: readonly StoredEvent[]): string {
  for (const { type, data } of events) {
    if (NOT_JSON_TEXT.test(type) || NOT_JSON_TEXT.test(data)) {
      throw new Error('the data of an event must be JSON text on one line');
    }
  }
  let before: string | undefined;
  const parts = events.map(({ type, data }) => {
    const part = type === before ? data : `${type}${AFTER_TYPE}${data}`;
    before = type;
    return part;
  });
  return parts.join(BETWEEN_EVENTS);
}

/** `first` is the sequence of its first event. */
export function decodeBatch(
  text: string,
  { first, fence }: { first: number; fence: number },
): StoredEvent[] {
  let type = '';
  return text.split(BETWEEN_EVENTS).map((event, index) => {
    const end = event.indexOf(AFTER_TYPE);
    if (end >= 0) type = event.slice(0, end);
    return { seq: first + index, fence, type, data: event.slice(end + 1) };
  });
}
