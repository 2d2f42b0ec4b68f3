import { expect, test } from '@jest/globals';
import { storeTime } from '../../../src/store/store-time.ts';

/** A store whose clock is far from ours, and a local one that only runs forward. */
function aStore() {
  const store = { now: 5_000_000, asked: 0, away: false };
  let elapsed = 10;
  const now = storeTime(
    async () => {
      store.asked += 1;
      if (store.away) throw new Error('away');
      return store.now;
    },
    () => elapsed,
  );
  const pass = (ms: number): void => {
    elapsed += ms;
    store.now += ms;
  };
  return { store, now, pass };
}

test('the store is asked once a second, and gone on from in between', async () => {
  const { store, now, pass } = aStore();

  const seen = [];
  for (const ms of [0, 300, 300, 399.5, 0.5, 500]) {
    pass(ms);
    seen.push((await now()) - 5_000_000);
  }

  expect(seen).toEqual([0, 300, 600, 999, 1_000, 1_500]);
  expect(store.asked).toBe(2);
});

test('those who ask together ask once', async () => {
  const { store, now } = aStore();

  await Promise.all([now(), now(), now()]);

  expect(store.asked).toBe(1);
});

test('a clock of the store that was set is followed within a second', async () => {
  const { store, now, pass } = aStore();
  await now();
  store.now -= 60_000;

  pass(1_000);

  expect(await now()).toBe(store.now);
});

test('rejects where the store is away and the last answer is old, and asks again the next time', async () => {
  const { store, now, pass } = aStore();
  await now();
  store.away = true;
  pass(999);
  expect(await now()).toBe(5_000_999);
  pass(1);

  await expect(now()).rejects.toThrow('away');

  store.away = false;
  expect(await now()).toBe(store.now);
});
