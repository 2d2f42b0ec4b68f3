import { describe, expect, test } from '@jest/globals';
import { delay } from '../../src/lib/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('FakeClock', () => {
  test('fires in order of time, then of creation, each at its own moment', async () => {
    const clock = new FakeClock(0);
    const fired: string[] = [];
    for (const [name, ms] of [
      ['late', 30],
      ['first', 10],
      ['second', 10],
    ] as const) {
      clock.after(ms, () => fired.push(`${name}@${clock.now()}`));
    }

    await clock.advance(20);

    expect(fired).toEqual(['first@10', 'second@10']);
    expect(clock.now()).toBe(20);
    expect(clock.pending).toBe(1);
  });

  test('lets promises settle between timers, so a chain of delays runs within one advance', async () => {
    const clock = new FakeClock(0);
    const at: number[] = [];
    const chain = (async () => {
      for (let step = 0; step < 3; step += 1) {
        await delay(clock, 10);
        at.push(clock.now());
      }
    })();

    await clock.advance(30);

    expect(at).toEqual([10, 20, 30]);
    await chain;
  });

  test('a cancelled timer neither fires nor counts, also when a timer of the same moment cancels it', async () => {
    const clock = new FakeClock(0);
    let fired = false;
    clock.after(5, () => second.cancel());
    const second = clock.after(5, () => (fired = true));

    await clock.advance(10);

    expect(fired).toBe(false);
    expect(clock.pending).toBe(0);
  });
});
