import { wordData, type StoredEvent, type Word } from '../stream/event-transport.ts';

/**
 * The events of one append as one text, and back: every reader gets the bytes that were written. These control
 * characters can't stand in JSON text (they are always escaped there), so it is split again without parsing. An event
 * without a type has that of the one before, the first one `FIRST_TYPE`.
 */
const FIRST_TYPE = 'text_delta';
const BETWEEN_EVENTS = '\u001E';
const AFTER_TYPE = '\u001F';

// oxlint-disable-next-line no-control-regex -- these are what JSON text never holds
const NOT_JSON_TEXT = /[\u0000-\u001F\uD800-\uDFFF]/u;

/**
 * Begins a word, of which only the text is new: its sequence is known, its time and part are mostly those of the word
 * before. Next comes its time, then its part and `AFTER_PART` if that is another one, then its text.
 */
const WORD = '\u001C';
const AFTER_PART = '\u001B';
/** Length of an ISO time with milliseconds, and of what stands before these. */
const TIME = 24;
const SECOND = 20;
/** Before a time: it is that of the word before, or its milliseconds follow, or all of it but the `Z`. */
const SAME = '=';
const MILLISECONDS = '.';
const WHOLE = '@';

/** What is known of the word before. */
export interface Before {
  at: string;
  part: number;
}

export const nothingBefore = (): Before => ({ at: '', part: 0 });

/**
 * Throws where the bytes would not come back as they went in. `before`: texts that are read in the same order may go on
 * from each other.
 */
export function encodeBatch(events: readonly StoredEvent[], before = nothingBefore()): string {
  let text = '';
  let typeBefore = FIRST_TYPE;
  for (const [index, { type, data, word }] of events.entries()) {
    if (index > 0) text += BETWEEN_EVENTS;
    if (type !== typeBefore) text += jsonText(type) + AFTER_TYPE;
    text += word?.at.length === TIME ? short(word, before) : jsonText(data);
    typeBefore = type;
  }
  return text;
}

/** `first` is the sequence of its first event. */
export function decodeBatch(
  text: string,
  { first, fence }: { first: number; fence: number },
  before = nothingBefore(),
): StoredEvent[] {
  let type = FIRST_TYPE;
  return text.split(BETWEEN_EVENTS).map((event, index) => {
    const seq = first + index;
    const end = event.indexOf(AFTER_TYPE);
    if (end >= 0) type = event.slice(0, end);
    if (event[end + 1] !== WORD) return { seq, fence, type, data: event.slice(end + 1) };
    const word = long(event.slice(end + 1), before);
    return { seq, fence, type, data: wordData(seq, word), word };
  });
}

function jsonText(text: string): string {
  if (!NOT_JSON_TEXT.test(text)) return text;
  throw new Error('the data of an event must be JSON text on one line');
}

function short({ at, part, text }: Word, before: Before): string {
  const partBefore = before.part;
  const time = shortTime(at, before.at);
  before.at = at;
  before.part = part;
  return part === partBefore ? WORD + time + text : WORD + time + part + AFTER_PART + text;
}

function shortTime(at: string, before: string): string {
  if (at === before) return SAME;
  const inSecond = at.slice(0, SECOND) === before.slice(0, SECOND);
  return inSecond ? MILLISECONDS + at.slice(SECOND, -1) : WHOLE + at.slice(0, -1);
}

function long(event: string, before: Before): Word {
  const timeAt = WORD.length + 1;
  const how = event[timeAt - 1];
  const timeEnd = timeAt + (how === SAME ? 0 : how === WHOLE ? TIME - 1 : TIME - 1 - SECOND);
  const time = event.slice(timeAt, timeEnd);
  if (how === WHOLE) before.at = `${time}Z`;
  if (how === MILLISECONDS) before.at = `${before.at.slice(0, SECOND)}${time}Z`;
  const partEnd = event.indexOf(AFTER_PART, timeEnd);
  if (partEnd >= 0) before.part = Number(event.slice(timeEnd, partEnd));
  const text = event.slice(partEnd < 0 ? timeEnd : partEnd + AFTER_PART.length);
  return { at: before.at, part: before.part, text };
}
