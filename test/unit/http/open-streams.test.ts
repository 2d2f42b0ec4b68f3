import { describe, expect, test } from '@jest/globals';
import { OpenStreams } from '../../../src/http/open-streams.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const ANN = { tenantId: 't', userId: 'ann' };
const BOB = { tenantId: 't', userId: 'bob' };

class FakeStream {
  beats = 0;
  destroyed = 0;
  heartbeat(): void {
    this.beats += 1;
  }
  destroy(): void {
    this.destroyed += 1;
  }
}

function setUp(): { clock: FakeClock; streams: OpenStreams } {
  const clock = new FakeClock();
  return { clock, streams: new OpenStreams({ clock, heartbeatMs: 1_000, maxPerUser: 2 }) };
}

describe('open streams', () => {
  test('are limited per user, and a place is counted from its reservation', () => {
    const { streams } = setUp();
    const first = streams.reserve(ANN);
    streams.reserve(ANN);

    expect(() => streams.reserve(ANN)).toThrow('No more than 2 streams');
    expect(() => streams.reserve(BOB)).not.toThrow();
    first.release();
    expect(() => streams.reserve(ANN)).not.toThrow();
  });

  test('release a place once, however often it is said', () => {
    const { streams } = setUp();
    const first = streams.reserve(ANN);
    streams.reserve(ANN);

    first.release();
    first.release();
    streams.reserve(ANN);

    expect(() => streams.reserve(ANN)).toThrow('No more than 2 streams');
  });

  test('never mix users whose names join alike', () => {
    const { streams } = setUp();
    streams.reserve({ tenantId: 'a', userId: 'b/c' });
    streams.reserve({ tenantId: 'a', userId: 'b/c' });

    expect(() => streams.reserve({ tenantId: 'a/b', userId: 'c' })).not.toThrow();
  });

  test('share one ticker, which runs only while a stream is open', async () => {
    const { clock, streams } = setUp();
    const places = [streams.reserve(ANN), streams.reserve(BOB)];
    const open = places.map((place) => {
      const stream = new FakeStream();
      place.attach(stream);
      return stream;
    });

    const pending = clock.pending;
    await clock.advance(3_500);
    for (const place of places) place.release();

    expect(pending).toBe(1);
    expect(open.map((stream) => stream.beats)).toEqual([3, 3]);
    expect(clock.pending).toBe(0);
    expect(streams.total).toBe(0);
  });

  test('are all cut at shutdown; one that comes back meanwhile is served', () => {
    const { clock, streams } = setUp();
    const early = new FakeStream();
    const late = new FakeStream();
    streams.reserve(ANN).attach(early);

    streams.destroyAll();
    const place = streams.reserve(BOB);
    place.attach(late);

    expect([early.destroyed, late.destroyed]).toEqual([1, 0]);
    place.release();
    streams.destroyAll();
    expect(clock.pending).toBe(1);
  });
});
