import { describe, expect, test } from '@jest/globals';
import type { EventBody } from '../../../src/stream/events.ts';
import { toStored } from '../../../src/stream/frame.ts';
import { LogView } from '../../../src/stream/log-view.ts';
import { created, GENERATION, logOf } from '../../support/events.ts';

function viewOf(bodies: EventBody[]): LogView {
  const view = new LogView(GENERATION);
  for (const event of logOf(bodies)) view.append(toStored(event), event);
  return view;
}

describe('a log in memory', () => {
  test('says about what it holds, content as well as frames', () => {
    const text = 'x'.repeat(10_000);
    const deltas = Array.from({ length: 1_000 }, (): EventBody => ({
      type: 'text_delta',
      part: 0,
      text,
    }));
    const view = viewOf([created(), ...deltas]);
    view.settled(1_001);

    expect(view.size).toBeGreaterThan(20_000_000);
    expect(view.size).toBeLessThan(60_000_000);
  });

  test('lets go of durable frames outside its window, and never of others', () => {
    const text = 'x'.repeat(10_000);
    const deltas = Array.from({ length: 300 }, (): EventBody => ({
      type: 'text_delta',
      part: 0,
      text,
    }));
    const view = viewOf([created(), ...deltas]);

    expect(view.read(0, 1_000)).not.toBe('behind');

    view.settled(301);

    expect(view.read(0, 1_000)).toBe('behind');
    expect(view.read(300, 1_000)).toMatchObject({ last: 301 });
    expect(view.read(301, 1_000)).toBeUndefined();
  });

  test('reads any range frame by frame, the same bytes as at once', () => {
    const words = Array.from({ length: 50 }, (_, index): EventBody => ({
      type: 'text_delta',
      part: 0,
      text: `${index} `,
    }));
    const view = viewOf([created(), ...words]);
    const all: Uint8Array[] = [];
    for (let after = 0; ;) {
      const slice = view.read(after, 1);
      if (slice === undefined || slice === 'behind') break;
      expect(slice.last).toBe(after + 1);
      all.push(slice.bytes);
      after = slice.last;
    }

    const whole = view.read(0, 1_000_000);
    if (whole === undefined || whole === 'behind') throw new Error('nothing to read');
    expect(Buffer.concat(all).subarray(0, whole.bytes.length)).toEqual(Buffer.from(whole.bytes));
  });
});
