import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  all,
  batch,
  eventAt,
  G,
  NO_BOUND,
  seqs,
  upTo,
  type UnderTest,
} from './event-transport-kit.ts';

const readBytes = (at: UnderTest, maxBytes: number) =>
  at.log.read(G, { after: 0, limit: 100, maxBytes });

/** A round of `list`: what it named, in order, and how many calls it took. */
async function listed(at: UnderTest, limit: number, each?: (id: string) => Promise<void>) {
  const found = new Set<string>();
  let calls = 0;
  let cursor: string | undefined;
  do {
    const page = await at.log.list(cursor, limit);
    for (const id of page.generationIds) {
      found.add(id);
      await each?.(id);
    }
    cursor = page.cursor;
    calls += 1;
  } while (cursor !== undefined);
  return { found: [...found].toSorted(), calls };
}

/** read, drop, list. */
export function describeLogReads(at: UnderTest): void {
  describe('read', () => {
    beforeEach(async () => {
      await at.log.create(G);
      await at.log.append(batch(0, 4));
      await at.log.append(batch(4, 1));
      await at.log.append(batch(5, 5));
    });

    test.each(upTo(0, 10))('from every place, also inside a batch: after %i', async (after) => {
      const page = await at.log.read(G, { after, ...NO_BOUND });

      expect(seqs(page)).toEqual(upTo(after + 1, 10));
      expect(page?.info).toEqual({ head: 10, fence: 1, closed: false });
    });

    test('beyond the head there is nothing', async () => {
      expect(seqs(await at.log.read(G, { after: 99, ...NO_BOUND }))).toEqual([]);
    });

    test.each([1, 3, 4, 7, 10, 11])('at most %i events', async (limit) => {
      const page = await at.log.read(G, { after: 2, limit, maxBytes: NO_BOUND.maxBytes });

      expect(seqs(page)).toEqual(upTo(3, Math.min(10, 2 + limit)));
    });

    test('about as many bytes as asked for, and always one event', async () => {
      const one = Buffer.byteLength(eventAt(1).data);

      expect(seqs(await readBytes(at, 1))).toEqual([1]);
      expect(seqs(await readBytes(at, one * 3))).toEqual([1, 2, 3]);
      expect(seqs(await readBytes(at, one * 6))).toEqual(upTo(1, 6));
    });

    test('page by page nothing is lost or doubled over a long log', async () => {
      for (let head = 10; head < 1_000; head += 10) await at.log.append(batch(head, 10));
      const got: number[] = [];

      for (let after = 0; after < 1_000; after = got.at(-1) ?? 1_000) {
        got.push(...(seqs(await at.log.read(G, { after, limit: 37, maxBytes: 900 })) ?? []));
      }

      expect(got).toEqual(upTo(1, 1_000));
      expect(seqs(await all(at))).toEqual(upTo(1, 1_000));
    });

    test('what a reader does to its page changes nothing for the next', async () => {
      const page = await all(at);
      page?.events.splice(0);
      if (page) page.info.head = 0;

      expect(seqs(await all(at))).toEqual(upTo(1, 10));
      expect(await at.log.info(G)).toMatchObject({ head: 10 });
    });
  });

  describe('drop', () => {
    beforeEach(async () => {
      await at.log.create(G);
      await at.log.append(batch(0, 4));
      await at.log.append(batch(4, 4));
    });

    test('a dropped log is missing, for good, and dropping it again is nothing', async () => {
      await at.log.drop(G);
      await at.log.drop(G);

      expect(await at.log.info(G)).toBeUndefined();
      expect(await all(at)).toBeUndefined();
      expect(await at.log.append(batch(8, 1))).toEqual({ outcome: 'missing' });
    });

    test('a log made anew under a dropped name has nothing of the old one', async () => {
      await at.log.drop(G);
      await at.log.create(G);

      expect(await at.log.info(G)).toEqual({ head: 0, fence: 0, closed: false });
      expect(seqs(await all(at))).toEqual([]);
    });

    test('of a log that is not there does nothing', async () => {
      await at.log.drop('gen_9');

      expect(await at.log.info('gen_9')).toBeUndefined();
    });
  });

  describe('list', () => {
    test('names each log once or more in a round, some at a time, and none that was dropped', async () => {
      const ids = upTo(1, 60).map((n) => `gen_${n}`);
      for (const id of ids) await at.log.create(id);
      await at.log.append(batch(0, 3, { generationId: 'gen_7' }));
      await at.log.drop('gen_8');

      const rounds = [await listed(at, 10), await listed(at, 10)];

      const there = ids.filter((id) => id !== 'gen_8').toSorted();
      expect(rounds.map(({ found }) => found)).toEqual([there, there]);
      expect(rounds[0]?.calls).toBeGreaterThan(3);
    });

    test('goes on behind what is dropped meanwhile', async () => {
      const ids = upTo(1, 60).map((n) => `gen_${n}`);
      for (const id of ids) await at.log.create(id);

      const { found } = await listed(at, 10, (id) => at.log.drop(id));

      expect(found).toEqual(ids.toSorted());
      expect((await listed(at, 10)).found).toEqual([]);
    });
  });

  test('ids may hold anything a string can', async () => {
    const ids = ['a\u0000b', 'a', '\ud800', '\udfff', '"a"', "'; DROP TABLE logs; --", ''];

    for (const id of ids) await at.log.create(id);
    for (const [index, id] of ids.entries()) {
      await at.log.append(batch(0, index + 1, { generationId: id }));
    }

    const heads = await Promise.all(ids.map(async (id) => (await at.log.info(id))?.head));
    expect(heads).toEqual(ids.map((_, index) => index + 1));
    expect((await listed(at, 100)).found).toEqual(ids.toSorted());
  });
}
