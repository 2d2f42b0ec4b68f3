import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { NO_FILE } from '../../../src/config/file/live.ts';
import type { ConfigFile } from '../../../src/config/file/schema.ts';
import { unavailable } from '../../../src/errors.ts';
import {
  createMongoUsageStore,
  ensureIndexes,
  USAGE_INDEXES,
} from '../../../src/store/mongo/index.ts';
import { createSqliteUsageStore, openDatabase } from '../../../src/store/sqlite/index.ts';
import { costOf, dayOf } from '../../../src/usage/pricing.ts';
import { UsageMeter } from '../../../src/usage/usage-meter.ts';
import type { UsageStore } from '../../../src/usage/usage-store.ts';
import { describeMongo } from '../../support/mongo-service.ts';

const RUNS = Number(process.env['BUDGET_RUNS'] ?? '50');
const ANN = { tenantId: 't', userId: 'ann' };
const MIDNIGHT = Date.UTC(2026, 10, 22);
const DAY = '2026-11-21';
const tokens = (inputTokens: number, outputTokens: number, cacheRead = 0) => {
  return { inputTokens, outputTokens, cacheRead, reasoning: 0 };
};

/** A meter on a store, with a clock that a test sets and a store that it can break. */
function metered(store: UsageStore, part: Partial<ConfigFile>) {
  const state = { now: MIDNIGHT - 1_000, down: false };
  const logged: string[] = [];
  const log = (_fields: object, message: string) => void logged.push(message);
  const guarded: UsageStore = {
    ...store,
    add: async (record) => {
      if (state.down) throw unavailable(new Error('down'));
      await store.add(record);
    },
    of: async (owner, day) => {
      if (state.down) throw unavailable(new Error('down'));
      return store.of(owner, day);
    },
  };
  const meter = new UsageMeter({
    store: guarded,
    file: { current: { ...NO_FILE, ...part } },
    now: async () => state.now,
    metrics: { used: () => undefined },
    log: { info: log, warn: log, error: log },
  });
  return { meter, state, logged };
}

async function inMemory<T>(work: (store: UsageStore) => Promise<T>): Promise<T> {
  const db = openDatabase(':memory:');
  try {
    return await work(createSqliteUsageStore({ db }));
  } finally {
    db.close();
  }
}

const aCall = (key: string, used = tokens(6, 4)) => {
  return { owner: ANN, key, model: 'demo', tokens: used };
};

describe('prices', () => {
  const prices = {
    'a:b': { input: 1.75, output: 14, cacheRead: 0.175 },
    'c:d': { input: 0.1, output: 0.3 },
    '*': { input: 2, output: 3 },
  };

  test.each([
    ['a:b', tokens(1_000_000, 0), 1_750_000],
    ['a:b', tokens(1_000_000, 0, 1_000_000), 175_000],
    ['a:b', tokens(3, 1, 2), 17],
    ['c:d', tokens(10, 10), 4],
    ['c:d', tokens(1, 0), 1],
    ['other', tokens(1, 1), 5],
    ['constructor', tokens(1, 1), 5],
    ['a:b', tokens(0, 0), 0],
    ['a:b', tokens(1, 0, 5), 1],
  ])('%s: %j', (model, used, cost) => {
    expect(costOf(prices, model, used)).toBe(cost);
  });

  test('a model that is not named has none where there is no *', () => {
    expect(costOf({ 'a:b': prices['a:b'] }, 'toString', tokens(1, 1))).toBeUndefined();
  });

  test('a cost is a whole number, and never less than what it was made of', () => {
    const price = fc.double({ min: 0, max: 1_000, noNaN: true });
    const used = fc.tuple(fc.nat(10_000_000), fc.nat(1_000_000), fc.nat(10_000_000));
    const { counterexample } = fc.check(
      fc.property(price, price, used, (input, output, [ins, outs, cached]) => {
        const cost = costOf({ m: { input, output } }, 'm', tokens(ins, outs, cached)) ?? -1;
        const exact = ins * input + outs * output;
        return Number.isSafeInteger(cost) && cost > exact - 1 && cost < exact + 1.001;
      }),
    );

    expect(counterexample).toBeNull();
  });

  test('a day ends at midnight UTC', () => {
    expect(dayOf(MIDNIGHT - 1)).toEqual({ day: DAY, endsAt: MIDNIGHT });
    expect(dayOf(MIDNIGHT)).toEqual({ day: '2026-11-22', endsAt: MIDNIGHT + 86_400_000 });
  });
});

describe('a meter', () => {
  test('lets pass up to the budget, and anew on the next day', async () => {
    await inMemory(async (store) => {
      const { meter, state } = metered(store, { budget: { tokens: 20 } });
      await meter.used(aCall('1'));
      await meter.check(ANN);
      await meter.used(aCall('2'));

      await expect(meter.check(ANN)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED' });
      await expect(meter.admit(ANN)).rejects.toMatchObject({
        status: 402,
        headers: { 'Retry-After': '1' },
        details: { kind: 'tokens', limit: 20, used: 20, resetsAt: '2026-11-22T00:00:00.000Z' },
      });
      await expect(meter.check({ ...ANN, userId: 'ben' })).resolves.toBeUndefined();

      state.now = MIDNIGHT;

      await expect(meter.admit(ANN)).resolves.toBeUndefined();
    });
  });

  test('without a budget asks nobody', async () => {
    await inMemory(async (store) => {
      const { meter, state } = metered(store, {});
      state.down = true;

      await expect(meter.check(ANN)).resolves.toBeUndefined();
    });
  });

  test('what a store refused is counted before anybody is let pass; an outage opens no budget', async () => {
    await inMemory(async (store) => {
      const { meter, state, logged } = metered(store, { budget: { tokens: 20 } });
      state.down = true;
      await Promise.all([meter.used(aCall('1')), meter.used(aCall('2'))]);

      await expect(meter.check(ANN)).rejects.toMatchObject({ code: 'UNAVAILABLE' });

      state.down = false;

      await expect(meter.check(ANN)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED' });
      expect(await store.of(ANN, DAY)).toMatchObject({ tokens: 20 });
      expect(logged).toEqual(['usage is written later', 'usage is written later']);
    });
  });

  test('what waits is written when it lets go; what is lost is said', async () => {
    await inMemory(async (store) => {
      const { meter, state, logged } = metered(store, {});
      state.down = true;
      await meter.used(aCall('1'));
      state.down = false;
      await meter[Symbol.asyncDispose]();

      expect(await store.of(ANN, DAY)).toMatchObject({ tokens: 10 });

      state.down = true;
      await meter.used(aCall('2'));
      await meter[Symbol.asyncDispose]();

      expect(logged).toContain('usage is lost');
    });
  });
});

/** Runs that call models until they are told to stop: what they used over the budget, in calls. */
async function crowd(meters: UsageMeter[], store: UsageStore, limit: number): Promise<number> {
  let running = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: RUNS }, async (_, run) => {
      const meter = meters[run % meters.length];
      if (!meter) return;
      for (let call = 0; ; call += 1) {
        try {
          await meter.check(ANN);
        } catch {
          // Its budget is over: that is how a run ends here.
          return;
        }
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setImmediate(resolve));
        await meter.used(aCall(`${run}/${call}`));
        running -= 1;
      }
    }),
  );
  const used = await store.of(ANN, DAY);
  expect(most).toBeLessThanOrEqual(RUNS);
  expect(used.tokens).toBeGreaterThanOrEqual(limit);
  return (used.tokens - limit) / 10;
}

describe('many runs of one user at once', () => {
  test('spend no more than the calls that were running, on SQLite', async () => {
    await inMemory(async (store) => {
      const budget = { tokens: 2_000 };
      const meters = [metered(store, { budget }).meter, metered(store, { budget }).meter];

      expect(await crowd(meters, store, 2_000)).toBeLessThanOrEqual(RUNS - 1);
    });
  });
});

describeMongo('many runs of one user at once', (at) => {
  test('two replicas spend no more than the calls that were running', async () => {
    await ensureIndexes(at.mongo, USAGE_INDEXES);
    const other = await at.connect();
    const budget = { tokens: 2_000 };
    const store = createMongoUsageStore({ mongo: at.mongo });
    const meters = [
      metered(store, { budget }).meter,
      metered(createMongoUsageStore({ mongo: other }), { budget }).meter,
    ];

    expect(await crowd(meters, store, 2_000)).toBeLessThanOrEqual(RUNS - 1);
  });
});
