import { describe, expect, test } from '@jest/globals';
import { createIds } from '../../src/lib/ids.ts';

describe('ids', () => {
  test('are in the order in which they were made, also within a millisecond', () => {
    let now = 1_000;
    const ids = createIds(() => now);
    const made = Array.from({ length: 5_000 }, (_, index) => {
      if (index % 1_500 === 0) now += 1;
      return ids.sortable('x');
    });

    expect(made.toSorted()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
  });

  test('say their kind and have 80 random bits behind the time', () => {
    const ids = createIds(() => Date.UTC(2026, 0, 1));

    expect(ids.sortable('gen')).toMatch(/^gen_[0-9a-z]{27}$/);
    expect(ids.sortable('gen').slice(-16)).not.toBe(ids.sortable('gen').slice(-16));
  });

  test('draw numbers from 0 up to 1', () => {
    const ids = createIds(
      () => 0,
      (n) => new Uint8Array(n).fill(255),
    );

    expect(ids.random()).toBeLessThan(1);
    expect(ids.random()).toBeGreaterThan(0.99);
  });
});
