import { describe, expect, test } from '@jest/globals';
import type { EventBody } from '../../../src/stream/events.ts';
import { FrameSpace } from '../../../src/stream/frame-space.ts';
import { toStored } from '../../../src/stream/frame.ts';
import { LogView } from '../../../src/stream/log-view.ts';
import { created, GENERATION, logOf } from '../../support/events.ts';

function viewOf(bodies: EventBody[]): LogView {
  const view = new LogView(GENERATION);
  for (const event of logOf(bodies)) view.append(toStored(event), event);
  return view;
}

const word = (text: string, part = 0): EventBody => ({ type: 'text_delta', part, text });

const long = (count: number): EventBody[] => [
  created(),
  ...Array.from({ length: count }, () => word('x'.repeat(10_000))),
];

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

  test('lets go of durable frames where memory is short, and never of others', () => {
    const view = viewOf(long(300));
    view.share(new FrameSpace(0));

    expect(view.read(0, 1_000)).not.toBe('behind');

    view.settled(301);

    expect(view.read(0, 1_000)).toBe('behind');
    expect(view.read(300, 1_000)).toMatchObject({ last: 301 });
    expect(view.read(301, 1_000)).toBeUndefined();
  });

  test('keeps several MiB while there is room, and no more of one log', () => {
    const view = viewOf(long(600));
    view.settled(601);

    expect(view.read(0, 1_000)).not.toBe('behind');

    const longer = viewOf(long(900));
    longer.settled(901);

    expect(longer.read(0, 1_000)).toBe('behind');
    expect(longer.size).toBeLessThan(8 * 1024 * 1024 + 64 * 1024 + 3 * 900 * 10_100);
  });

  test('shares its room with other logs for as long as it is kept', () => {
    const space = new FrameSpace(4_000_000);
    const first = viewOf(long(300));
    const second = viewOf(long(300));
    first.share(space);
    first.settled(301);
    const alone = space.held;
    expect(first.read(0, 1_000)).not.toBe('behind');

    second.share(space);
    second.settled(301);
    expect(second.read(0, 1_000)).toBe('behind');
    expect(space.held).toBeGreaterThan(alone);

    second.share(undefined);
    expect(space.held).toBe(alone);
    first.clear();
    expect(space.held).toBe(0);
    const [event] = logOf([created()]);
    if (event) first.append(toStored(event), event);
    expect(space.held).toBe(4_096);
    first.share(undefined);
    expect(space.held).toBe(0);
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

  test('a run that was read and then grew is read as it is now, and what was read stays', () => {
    const log = logOf([created(), word('a'), word('b'), word('c'), word('d', 1)]);
    const view = new LogView(GENERATION);
    const seen: string[] = [];
    for (const event of log) {
      view.append(toStored(event), event);
      const runs = view.readRuns(1, 1_000_000);
      seen.push(`${String(runs?.at.seq)} ${Buffer.from(runs?.bytes ?? []).toString()}`);
    }

    const texts = seen.map((frames) =>
      [...frames.matchAll(/"text":"(\w+)"/g)].map(([, text]) => text),
    );
    expect(texts).toEqual([[], ['a'], ['ab'], ['abc'], ['abc', 'd']]);
    expect(seen.map((each) => each.split(' ', 1)[0])).toEqual(['undefined', '2', '3', '4', '5']);
    expect(log.slice(1).map(({ body }) => body)).toEqual([
      word('a'),
      word('b'),
      word('c'),
      word('d', 1),
    ]);
  });
});
