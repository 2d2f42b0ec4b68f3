import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { UsageRecord, UsageStore } from '../../src/usage/usage-store.ts';
import { ODD } from './approval-store-kit.ts';

/** What every `UsageStore` must do (src/usage/usage-store.ts), whatever keeps it. */

export interface UsageFixture {
  usage: UsageStore;
  destroy(): void | Promise<void>;
}

export interface UsageSuite {
  name: string;
  create: () => UsageFixture | Promise<UsageFixture>;
}

const ANN = { tenantId: 't', userId: 'ann' };
const BEN = { tenantId: 't', userId: 'ben' };
const NONE = { tokens: 0, cost: 0 };

function aCall(key: string, over: Partial<UsageRecord> = {}): UsageRecord {
  const tokens = { inputTokens: 10, outputTokens: 5, cacheRead: 2, reasoning: 1 };
  return { owner: ANN, day: '2026-11-21', key, model: 'demo', tokens, cost: 7, ...over };
}

export function describeUsageStore({ name, create }: UsageSuite): void {
  describe(`UsageStore: ${name}`, () => {
    let fixture: UsageFixture;

    beforeEach(async () => {
      fixture = await create();
    });

    afterEach(async () => {
      await fixture.destroy();
    });

    test('sums are of one owner and one day', async () => {
      const { usage } = fixture;
      await usage.add(aCall('a'));
      await usage.add(aCall('b', { cost: 5 }));
      await usage.add(aCall('c', { day: '2026-11-22' }));
      await usage.add(aCall('d', { owner: BEN }));
      await usage.add(aCall('e', { owner: { tenantId: 'u', userId: 'ann' } }));

      expect(await usage.of(ANN, '2026-11-21')).toEqual({ tokens: 30, cost: 12 });
      expect(await usage.of(ANN, '2026-11-22')).toEqual({ tokens: 15, cost: 7 });
      expect(await usage.of(BEN, '2026-11-22')).toEqual(NONE);
    });

    test('a call that is added again is counted once, as it was first', async () => {
      const { usage } = fixture;
      await usage.add(aCall('a'));
      await usage.add(aCall('a', { cost: 1_000, day: '2026-11-22' }));

      expect(await usage.of(ANN, '2026-11-21')).toEqual({ tokens: 15, cost: 7 });
      expect(await usage.of(ANN, '2026-11-22')).toEqual(NONE);
    });

    test('two owners may have one key', async () => {
      const { usage } = fixture;
      await usage.add(aCall('a'));
      await usage.add(aCall('a', { owner: BEN }));

      expect(await usage.of(ANN, '2026-11-21')).toEqual({ tokens: 15, cost: 7 });
      expect(await usage.of(BEN, '2026-11-21')).toEqual({ tokens: 15, cost: 7 });
    });

    test('calls that are added at once, each several times, are all counted, and once', async () => {
      const { usage } = fixture;
      const calls = Array.from({ length: 40 }, (_, at) => aCall(`call/${at}`, { cost: at }));
      await Promise.all([...calls, ...calls, ...calls].map((call) => usage.add(call)));

      expect(await usage.of(ANN, '2026-11-21')).toEqual({ tokens: 600, cost: 780 });
    });

    test('sums of large numbers are exact', async () => {
      const { usage } = fixture;
      const tokens = {
        inputTokens: 3_000_000_000,
        outputTokens: 1,
        cacheRead: 4_000_000_000,
        reasoning: 0,
      };
      await usage.add(aCall('a', { tokens, cost: 4_503_599_627_370_001 }));
      await usage.add(aCall('b', { tokens, cost: 4_503_599_627_370_001 }));

      expect(await usage.of(ANN, '2026-11-21')).toEqual({
        tokens: 6_000_000_002,
        cost: 9_007_199_254_740_002,
      });
      expect(await usage.list(ANN, '2026-11-21', '2026-11-21')).toMatchObject([
        { tokens: { cacheRead: 8_000_000_000 } },
      ]);
    });

    test('a list has days in their order, models by name, and both ends of the range', async () => {
      const { usage } = fixture;
      await usage.add(aCall('1', { day: '2026-11-20', model: 'openai:b' }));
      await usage.add(aCall('2', { day: '2026-11-20', model: 'openai:a' }));
      await usage.add(aCall('3', { day: '2026-11-20', model: 'openai:a' }));
      await usage.add(aCall('4', { day: '2026-11-22' }));
      await usage.add(aCall('5', { day: '2026-11-19' }));
      await usage.add(aCall('6', { day: '2026-11-23' }));
      await usage.add(aCall('7', { owner: BEN, day: '2026-11-21' }));
      const list = await usage.list(ANN, '2026-11-20', '2026-11-22');

      expect(list.map(({ day, model, calls, cost }) => [day, model, calls, cost])).toEqual([
        ['2026-11-20', 'openai:a', 2, 14],
        ['2026-11-20', 'openai:b', 1, 7],
        ['2026-11-22', 'demo', 1, 7],
      ]);
      expect(list[0]?.tokens).toEqual({
        inputTokens: 20,
        outputTokens: 10,
        cacheRead: 4,
        reasoning: 2,
      });
    });

    test('of a deleted owner nothing is left, of others everything', async () => {
      const { usage } = fixture;
      await usage.add(aCall('a'));
      await usage.add(aCall('b', { owner: BEN }));
      await usage.deleteOwner(ANN);

      expect(await usage.of(ANN, '2026-11-21')).toEqual(NONE);
      expect(await usage.list(ANN, '2000-01-01', '2100-01-01')).toEqual([]);
      expect(await usage.of(BEN, '2026-11-21')).toEqual({ tokens: 15, cost: 7 });
    });

    test('pruning takes days before the one that is named, a few at a time', async () => {
      const { usage } = fixture;
      for (const [key, day] of [
        ['a', '2025-01-01'],
        ['b', '2025-01-02'],
        ['c', '2025-01-03'],
        ['d', '2025-01-04'],
      ] as const) {
        await usage.add(aCall(key, { day }));
      }

      expect(await usage.prune('2025-01-04', 2)).toBe(2);
      expect(await usage.prune('2025-01-04', 2)).toBe(1);
      expect(await usage.prune('2025-01-04', 2)).toBe(0);
      expect(await usage.list(ANN, '2000-01-01', '2100-01-01')).toMatchObject([
        { day: '2025-01-04' },
      ]);
    });

    test('ids of any characters are kept apart', async () => {
      const { usage } = fixture;
      for (const [at, odd] of ODD.entries()) {
        const owner = { tenantId: odd, userId: odd };
        await usage.add(aCall(odd, { owner, cost: at + 1 }));
      }

      const costs = ODD.map((odd) => usage.of({ tenantId: odd, userId: odd }, '2026-11-21'));
      expect((await Promise.all(costs)).map(({ cost }) => cost)).toEqual(
        ODD.map((_, at) => at + 1),
      );
    });
  });
}
