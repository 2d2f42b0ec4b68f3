import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Outbox, OutboxItem } from '../../src/hitl/approval-store.ts';
import { ODD } from './approval-store-kit.ts';
import { ODD_JSON } from './conversation-store-kit.ts';

/** What every `Outbox` must do (src/hitl/approval-store.ts), whatever keeps it. */

export interface OutboxFixture {
  outbox: Outbox;
  destroy(): void | Promise<void>;
}

export interface OutboxSuite {
  name: string;
  create: () => OutboxFixture | Promise<OutboxFixture>;
}

export function describeOutbox({ name, create }: OutboxSuite): void {
  describe(`Outbox: ${name}`, () => {
    let fixture: OutboxFixture;
    const at = {
      get outbox() {
        return fixture.outbox;
      },
    };

    beforeEach(async () => {
      fixture = await create();
    });

    afterEach(async () => {
      await fixture.destroy();
    });

    describePut(at);
    describeDelivery(at);
  });
}

type UnderTest = { readonly outbox: Outbox };

const LATER = Number.MAX_SAFE_INTEGER;

function anItem(id: string, createdAt = 100): Parameters<Outbox['put']>[0] {
  return { id, event: 'approval.waiting', createdAt, payload: { actionId: id } };
}

const numbered = (n: number) => ({ ...anItem('a', n), payload: n });

const itemIds = (items: OutboxItem[]): string[] => items.map(({ id }) => id);

function describePut(at: UnderTest): void {
  describe('put', () => {
    test('an item is due at once, as it was put', async () => {
      await at.outbox.put(anItem('a'));

      expect(await at.outbox.due(99, 10)).toEqual([]);
      expect(await at.outbox.due(100, 10)).toEqual([{ ...anItem('a'), attempts: 0, nextAt: 100 }]);
    });

    test.each([
      ['null', null],
      ['text with all there is', ODD.join('\n')],
      ['a number', 0.1],
      ['a list', [1, [], {}, false]],
      ['an object with any keys', ODD_JSON],
    ])('a payload may be %s', async (_, payload) => {
      await at.outbox.put({ ...anItem('a'), payload });

      expect(await at.outbox.due(LATER, 10)).toMatchObject([{ payload }]);
    });

    test.each(['waiting', 'delivered', 'failed', 'given up'])(
      'an id that was there and is %s is not taken again',
      async (state) => {
        await at.outbox.put(anItem('a'));
        if (state === 'delivered') await at.outbox.delivered('a');
        if (state === 'failed') await at.outbox.failed('a', 500);
        if (state === 'given up') await at.outbox.givenUp('a');
        const before = await at.outbox.due(LATER, 10);

        await Promise.all(
          Array.from({ length: 10 }, () =>
            at.outbox.put({ ...anItem('a', 7), event: 'generation.finished', payload: 'other' }),
          ),
        );

        expect(await at.outbox.due(LATER, 10)).toEqual(before);
      },
    );

    test('of many with one id at once one stays, whole', async () => {
      await Promise.all([1, 2, 3].map((n) => at.outbox.put(numbered(n))));

      const [kept, ...more] = await at.outbox.due(LATER, 10);
      const n = kept?.createdAt ?? 0;
      expect(kept).toEqual({ ...numbered(n), attempts: 0, nextAt: n });
      expect(more).toEqual([]);
    });

    test('ids may hold anything a string can', async () => {
      for (const id of ODD) await at.outbox.put(anItem(id));

      await at.outbox.delivered('a');

      expect(itemIds(await at.outbox.due(LATER, 100))).toEqual(ODD.filter((id) => id !== 'a'));
    });
  });
}

function describeDelivery(at: UnderTest): void {
  describe('due', () => {
    test('oldest first, those of one moment as they came, at most as many as asked for', async () => {
      for (const [id, createdAt] of [
        ['c', 3],
        ['z', 1],
        ['a', 1],
        ['b', 2],
      ] as const) {
        await at.outbox.put(anItem(id, createdAt));
      }

      expect(itemIds(await at.outbox.due(LATER, 10))).toEqual(['z', 'a', 'b', 'c']);
      expect(itemIds(await at.outbox.due(LATER, 2))).toEqual(['z', 'a']);
      expect(itemIds(await at.outbox.due(2, 10))).toEqual(['z', 'a', 'b']);
    });

    test('one that failed waits for its time, counts its attempts, and is as old as it was', async () => {
      await at.outbox.put(anItem('a', 1));
      await at.outbox.put(anItem('b', 2));
      await at.outbox.failed('a', 300);
      await at.outbox.failed('a', 500);

      expect(itemIds(await at.outbox.due(499, 10))).toEqual(['b']);
      expect(await at.outbox.due(500, 10)).toEqual([
        { ...anItem('a', 1), attempts: 2, nextAt: 500 },
        { ...anItem('b', 2), attempts: 0, nextAt: 2 },
      ]);
    });

    test('one that is claimed is due only later, and of many claims at once one wins', async () => {
      await at.outbox.put(anItem('a', 1));
      const [item] = await at.outbox.due(5, 1);
      if (!item) throw new Error('nothing is due');

      const claims = await Promise.all([60, 70, 80].map((until) => at.outbox.claim(item, until)));

      expect(claims.filter(Boolean)).toHaveLength(1);
      const until = [60, 70, 80][claims.indexOf(true)] ?? 0;
      expect(await at.outbox.due(until - 1, 10)).toEqual([]);
      expect(await at.outbox.due(until, 10)).toEqual([{ ...item, nextAt: until }]);
    });

    test.each(['delivered', 'givenUp'] as const)(
      'one that is %s can not be claimed',
      async (over) => {
        await at.outbox.put(anItem('a', 1));
        await at.outbox[over]('a');

        expect(await at.outbox.claim({ id: 'a', nextAt: 1 }, 50)).toBe(false);
        expect(await at.outbox.claim({ id: 'unknown', nextAt: 1 }, 50)).toBe(false);
        expect(await at.outbox.due(LATER, 10)).toEqual([]);
      },
    );

    test('of many failures at once each is counted', async () => {
      await at.outbox.put(anItem('a'));

      await Promise.all([5, 7, 6, 8, 9].map((nextAt) => at.outbox.failed('a', nextAt)));

      expect(await at.outbox.due(LATER, 10)).toMatchObject([{ id: 'a', attempts: 5 }]);
    });

    test.each(['delivered', 'givenUp'] as const)(
      'one that is %s while others say that it failed comes no more',
      async (over) => {
        await at.outbox.put(anItem('a'));
        const fail = () => at.outbox.failed('a', 1);

        await Promise.all([
          fail(),
          fail(),
          at.outbox[over]('a'),
          fail(),
          at.outbox.put(anItem('a')),
        ]);

        expect(await at.outbox.due(LATER, 10)).toEqual([]);
      },
    );

    test.each(['delivered', 'givenUp'] as const)(
      'one that is %s comes no more, whatever is said of it later',
      async (over) => {
        await at.outbox.put(anItem('a'));
        await at.outbox.put(anItem('b'));

        await at.outbox[over]('a');
        const left = [];
        for (const later of ['failed', 'delivered', 'givenUp'] as const) {
          await at.outbox[later]('a', 1);
          left.push(itemIds(await at.outbox.due(LATER, 10)));
        }

        expect(left).toEqual([['b'], ['b'], ['b']]);
      },
    );

    test('what is said of an unknown item changes nothing, and it may still come', async () => {
      await at.outbox.delivered('a');
      await at.outbox.failed('a', 5);
      await at.outbox.givenUp('a');

      await at.outbox.put(anItem('a'));

      expect(await at.outbox.due(LATER, 10)).toEqual([
        { ...anItem('a'), attempts: 0, nextAt: 100 },
      ]);
    });
  });
}
