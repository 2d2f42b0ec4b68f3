import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeBatch, encodeBatch, nothingBefore } from '../../../src/store/log-batch.ts';
import type { StoredEvent } from '../../../src/stream/event-transport.ts';
import type { LogEvent } from '../../../src/stream/events.ts';
import { fromStored, toStored } from '../../../src/stream/frame.ts';

/** Through UTF-8, as every store keeps it. */
const kept = (text: string): string => Buffer.from(text).toString();

const place = { first: 1, fence: 3 };

function delta(seq: number, text: string, more: { at?: string; part?: number } = {}): StoredEvent {
  const { at = '2026-11-22T10:00:00.000Z', part = 0 } = more;
  return toStored({ seq, fence: 3, at, body: { type: 'text_delta', part, text } });
}

describe('the events of one append as a text', () => {
  const time = fc
    .integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 })
    .map((ms) => new Date(ms).toISOString());
  const word = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({ unit: fc.constantFrom('😀', '😁', '🙀', 'é', '"', '\\', '~', '\n'), maxLength: 6 }),
    fc.string({ unit: 'grapheme', minLength: 90, maxLength: 130 }),
  );
  const asMade = fc.record({ at: time, part: fc.nat({ max: 12 }), text: word }).map(
    ({ at, part, text }) =>
      (seq: number) =>
        delta(seq, text, { at, part }),
  );
  const anything = fc
    .record({ type: fc.constantFrom('text_delta', 'custom', 'done'), data: fc.jsonValue() })
    .map(({ type, data }) => (seq: number): StoredEvent => {
      return { seq, fence: 3, type, data: JSON.stringify(data) };
    });
  const nearly = fc
    .record({ at: fc.string({ unit: 'binary', maxLength: 40 }), wrong: fc.nat({ max: 2 }) })
    .map(({ at, wrong }) => (seq: number): StoredEvent => {
      const data = `{"seq":${seq + wrong},"at":${JSON.stringify(at)},"text":"Z"}`;
      return { seq, fence: 3, type: 'text_delta', data };
    });
  const events = fc
    .array(fc.oneof(asMade, asMade, anything, nearly), {
      minLength: 1,
      maxLength: 12,
    })
    .map((each) => each.map((make, index) => make(index + 1)));

  test('comes back as it was, byte for byte', () => {
    fc.assert(
      fc.property(events, (batch) => {
        expect(decodeBatch(kept(encodeBatch(batch)), place)).toEqual(batch);
      }),
      { numRuns: 2_000 },
    );
  });

  test('says the same as when it was made', () => {
    const bodies = fc.array(fc.record({ at: time, part: fc.nat({ max: 12 }), text: word }), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(bodies, (each) => {
        const made = each.map(({ at, part, text }, index): LogEvent => {
          return { seq: index + 1, fence: 3, at, body: { type: 'text_delta', part, text } };
        });
        const read = decodeBatch(kept(encodeBatch(made.map(toStored))), place);
        expect(read.map(fromStored)).toEqual(made);
        // And as somebody reads it who has the frame alone.
        expect(read.map(({ word: _word, ...frame }) => fromStored(frame))).toEqual(made);
      }),
    );
  });

  test('texts that are read in the order in which they were made go on from each other', () => {
    fc.assert(
      fc.property(fc.array(events, { minLength: 1, maxLength: 5 }), (batches) => {
        const [to, from] = [nothingBefore(), nothingBefore()];
        const texts = batches.map((batch) => kept(encodeBatch(batch, to)));
        expect(texts.map((text) => decodeBatch(text, place, from))).toEqual(batches);
      }),
    );
  });

  test('a word costs few bytes more than it has itself', () => {
    const batch = Array.from({ length: 10 }, (_, index) =>
      delta(index + 1, `word${index} `, { at: `2026-11-22T10:00:00.${200 + index * 20}Z` }),
    );
    const words = batch.length * 'word0 '.length;
    expect(Buffer.byteLength(encodeBatch(batch)) - words).toBeLessThanOrEqual(
      batch.length * 6 + 24,
    );
  });

  test('what was kept before events were shortened is still read', () => {
    const [one, two] = [delta(1, 'a'), delta(2, 'b')];
    const text = `text_delta\u001F${one.data}\u001E${two.data}`;
    expect(decodeBatch(text, place)).toEqual([one, two].map(({ word: _word, ...kept }) => kept));
  });

  test.each(['{"a":"\u0001"}', '{"a":"\uD83D"}', 'a\u001Eb', '\u001C00'])(
    'data that is no JSON text on one line is refused: %j',
    (data) => {
      expect(() => encodeBatch([{ seq: 1, fence: 1, type: 'custom', data }])).toThrow('JSON text');
    },
  );
});
