import type { StoredEvent } from '../stream/event-transport.ts';

/**
 * The events of one append as one text, and back: every reader gets the bytes that were written. These control
 * characters can't stand in JSON text (they are always escaped there), so it is split again without parsing. An event
 * without a type has that of the one before.
 */
const BETWEEN_EVENTS = '\u001E';
const AFTER_TYPE = '\u001F';
/** An event as `toStored` makes it, shortened: see `short`. */
const SHORT = '\u001C';

// oxlint-disable-next-line no-control-regex -- these are what JSON text never holds
const NOT_JSON_TEXT = /[\u0000-\u001F\uD800-\uDFFF]/u;

/** Length of an ISO time with milliseconds. */
const TIME = 24;
/** What counts of characters are added to, so that each is one that can be seen. */
const COUNT = 0x20;
const MOST_SHARED = 94;

/** What is known of the event before. */
export interface Before {
  time: string;
  /** What followed the time. */
  rest: string;
}

/** For the first event of a text: most begin like this. */
export const nothingBefore = (): Before => ({ time: '', rest: '","part":0,"text":"' });

/**
 * Throws where the bytes would not come back as they went in. `before`: texts that are read in the same order may go on
 * from each other.
 */
export function encodeBatch(events: readonly StoredEvent[], before = nothingBefore()): string {
  let text = '';
  let typeBefore: string | undefined;
  for (const { seq, type, data } of events) {
    if (typeBefore !== undefined) text += BETWEEN_EVENTS;
    if (type !== typeBefore) text += jsonText(type) + AFTER_TYPE;
    text += short(data, seq, before) ?? jsonText(data);
    typeBefore = type;
  }
  return text;
}

function jsonText(text: string): string {
  if (!NOT_JSON_TEXT.test(text)) return text;
  throw new Error('the data of an event must be JSON text on one line');
}

/** `first` is the sequence of its first event. */
export function decodeBatch(
  text: string,
  { first, fence }: { first: number; fence: number },
  before = nothingBefore(),
): StoredEvent[] {
  let type = '';
  return text.split(BETWEEN_EVENTS).map((event, index) => {
    const seq = first + index;
    const end = event.indexOf(AFTER_TYPE);
    if (end >= 0) type = event.slice(0, end);
    const body = event.slice(end + 1);
    return { seq, fence, type, data: body.startsWith(SHORT) ? long(body, seq, before) : body };
  });
}

const beginning = (seq: number): string => `{"seq":${seq},"at":"`;

/**
 * Most of an answer are deltas of a few bytes: their sequence is known, and the most of the time and of what follows is
 * as it was in the event before. Two counts say how many characters are. Undefined: other data.
 */
function short(data: string, seq: number, before: Before): string | undefined {
  const begins = beginning(seq);
  const behind = begins.length + TIME;
  if (data[behind - 1] !== 'Z' || !data.startsWith(begins)) return undefined;
  const time = data.slice(begins.length, behind);
  const rest = data.slice(behind);
  const ofTime = shared(time, before.time);
  const ofRest = shared(rest, before.rest);
  before.time = time;
  before.rest = rest;
  // What is shared was looked at with the event before.
  return `${SHORT}${count(ofTime)}${jsonText(time.slice(ofTime) + count(ofRest) + rest.slice(ofRest))}`;
}

function long(event: string, seq: number, before: Before): string {
  const ofTime = countAt(event, SHORT.length);
  const timeEnd = SHORT.length + 1 + TIME - ofTime;
  const ofRest = countAt(event, timeEnd);
  before.time = before.time.slice(0, ofTime) + event.slice(SHORT.length + 1, timeEnd);
  before.rest = before.rest.slice(0, ofRest) + event.slice(timeEnd + 1);
  return beginning(seq) + before.time + before.rest;
}

const count = (value: number): string => String.fromCharCode(COUNT + value);
const countAt = (event: string, at: number): number => event.charCodeAt(at) - COUNT;

/** How many characters both begin with. */
function shared(text: string, other: string): number {
  const most = Math.min(text.length, other.length, MOST_SHARED);
  let same = 0;
  while (same < most && text.charCodeAt(same) === other.charCodeAt(same)) same += 1;
  // The halves of a character are not parted.
  return isSecondHalf(text.charCodeAt(same)) ? same - 1 : same;
}

const isSecondHalf = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;
