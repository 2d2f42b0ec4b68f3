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

/** create, append, fence. */
export function describeLogWrites(at: UnderTest): void {
  describe('create', () => {
    test('makes an empty log with fence 0', async () => {
      await at.log.create(G);

      expect(await at.log.info(G)).toEqual({ head: 0, fence: 0, closed: false });
      expect(await all(at)).toEqual({
        events: [],
        info: { head: 0, fence: 0, closed: false },
      });
    });

    test('changes nothing where there is a log', async () => {
      await at.log.create(G);
      await at.log.append(batch(0, 2));

      await at.log.create(G);

      expect(await at.log.info(G)).toMatchObject({ head: 2, fence: 1 });
    });

    test('a log that was never made has no info, no page, no fence and takes no events', async () => {
      expect(await at.log.info(G)).toBeUndefined();
      expect(await all(at)).toBeUndefined();
      expect(await at.log.fence(G, 1)).toBeUndefined();
      expect(await at.log.append(batch(0, 1))).toEqual({ outcome: 'missing' });
    });
  });

  describe('append', () => {
    beforeEach(() => at.log.create(G));

    test('keeps the events as they were given, byte for byte', async () => {
      const texts = ['plain', 'Grüße 🐙', '\u0000\u001e\u001f\u2028', '\ud800', '"\\/\n\t', ''];
      const events = texts.map((text, index) => eventAt(index + 1, 1, text));

      const result = await at.log.append(batch(0, 0, { events }));

      expect(result).toEqual({ outcome: 'appended', head: texts.length });
      expect((await all(at))?.events).toEqual(events);
    });

    test('refuses an older fence and says which one holds the log', async () => {
      await at.log.fence(G, 3);

      const result = await at.log.append(batch(0, 1, { fence: 2 }));

      expect(result).toEqual({ outcome: 'stale_fence', fence: 3 });
      expect((await all(at))?.events).toEqual([]);
    });

    test('a newer fence takes the log over', async () => {
      await at.log.append(batch(0, 1, { fence: 1 }));

      expect(await at.log.append(batch(1, 1, { fence: 4 }))).toEqual({
        outcome: 'appended',
        head: 2,
      });

      expect(await at.log.append(batch(2, 1, { fence: 1 }))).toEqual({
        outcome: 'stale_fence',
        fence: 4,
      });
      expect((await all(at))?.events.map(({ fence }) => fence)).toEqual([1, 4]);
    });

    test('a newer fence holds even where its append is refused', async () => {
      await at.log.append(batch(0, 1));

      expect(await at.log.append(batch(7, 1, { fence: 2 }))).toEqual({
        outcome: 'out_of_sequence',
        head: 1,
      });

      expect(await at.log.append(batch(1, 1, { fence: 1 }))).toEqual({
        outcome: 'stale_fence',
        fence: 2,
      });
    });

    test.each([0, 2, 9])('refuses events after %i when the head is 1', async (expected) => {
      await at.log.append(batch(0, 1));

      expect(await at.log.append(batch(expected, 2))).toEqual({
        outcome: 'out_of_sequence',
        head: 1,
      });
      expect(seqs(await all(at))).toEqual([1]);
    });

    test('nothing follows the terminal event, and a retry of it learns that it is there', async () => {
      await at.log.append(batch(0, 2, { final: true }));

      expect(await at.log.append(batch(2, 1))).toEqual({ outcome: 'closed', head: 2 });
      expect(await at.log.append(batch(0, 2, { final: true }))).toEqual({
        outcome: 'closed',
        head: 2,
      });
      expect(await at.log.info(G)).toMatchObject({ head: 2, closed: true });
    });

    test('checks in order: stale fence before closed, closed before out of sequence', async () => {
      await at.log.append(batch(0, 1, { fence: 2, final: true }));

      expect(await at.log.append(batch(9, 1, { fence: 1 }))).toMatchObject({
        outcome: 'stale_fence',
      });
      expect(await at.log.append(batch(9, 1, { fence: 2 }))).toMatchObject({ outcome: 'closed' });
      expect(await at.log.append(batch(9, 1, { fence: 3 }))).toMatchObject({ outcome: 'closed' });
      expect(await at.log.info(G)).toMatchObject({ fence: 3, closed: true });
    });

    test('a repeat of what is there byte for byte is appended already, and kept once', async () => {
      await at.log.append(batch(0, 2));
      await at.log.append(batch(2, 3));

      expect(await at.log.append(batch(2, 3))).toEqual({ outcome: 'appended', head: 5 });
      expect(await at.log.append(batch(0, 2))).toEqual({ outcome: 'appended', head: 2 });

      expect(seqs(await all(at))).toEqual(upTo(1, 5));
    });

    test('what only looks like a repeat is out of sequence', async () => {
      await at.log.append(batch(0, 3));
      const other = batch(1, 0, { events: [eventAt(2, 1, 'other words')] });
      const longer = batch(1, 4);
      const newer = batch(1, 2, { fence: 2 });

      for (const request of [other, longer, newer]) {
        expect(await at.log.append(request)).toEqual({ outcome: 'out_of_sequence', head: 3 });
      }
      expect(await at.log.append(batch(0, 3, { fence: 1 }))).toEqual({
        outcome: 'stale_fence',
        fence: 2,
      });
    });

    test('rejects what would make a hole, be empty or carry another fence, and keeps nothing of it', async () => {
      const hole = batch(0, 0, { events: [eventAt(1), eventAt(3)] });
      const foreign = batch(0, 0, { events: [eventAt(1, 2)] });

      await expect(at.log.append(hole)).rejects.toThrow('out of sequence');
      await expect(at.log.append(foreign)).rejects.toThrow('fence');
      await expect(at.log.append(batch(0, 0))).rejects.toThrow('without events');

      expect(await at.log.info(G)).toMatchObject({ head: 0 });
    });

    test('of 50 concurrent appends at one place exactly one is kept', async () => {
      const results = await Promise.all(
        upTo(1, 50).map((n) =>
          at.log.append(batch(0, 0, { events: [eventAt(1, 1, `writer ${n}`)] })),
        ),
      );

      expect(results.filter(({ outcome }) => outcome === 'appended')).toHaveLength(1);
      expect(results.filter(({ outcome }) => outcome === 'out_of_sequence')).toHaveLength(49);
      expect(seqs(await all(at))).toEqual([1]);
    });

    test('appends of one turn follow each other where each expects the one before', async () => {
      const results = await Promise.all([0, 3, 6, 9].map((head) => at.log.append(batch(head, 3))));

      expect(results.map((result) => 'head' in result && result.head)).toEqual([3, 6, 9, 12]);
      expect(seqs(await all(at))).toEqual(upTo(1, 12));
    });

    test('concurrent terminal events: one wins, the other learns it', async () => {
      const results = await Promise.all([
        at.log.append(batch(0, 1, { final: true })),
        at.log.append(batch(0, 1, { final: true })),
      ]);

      expect(results.map(({ outcome }) => outcome).toSorted()).toEqual(['appended', 'closed']);
    });

    test('logs do not touch each other: 100 of them written in one turn', async () => {
      const ids = upTo(1, 100).map((n) => `gen_${n}`);
      await Promise.all(ids.map((id) => at.log.create(id)));

      await Promise.all(ids.map((id) => at.log.append(batch(0, 5, { generationId: id }))));

      for (const id of ids) {
        expect(seqs(await at.log.read(id, { after: 0, ...NO_BOUND }))).toEqual(upTo(1, 5));
      }
    });

    test('one refused or broken append does not spoil the others of its turn', async () => {
      await at.log.create('gen_2');
      const bad = batch(0, 0, { events: [eventAt(2)] });

      const [good, stale, broken] = await Promise.allSettled([
        at.log.append(batch(0, 1)),
        at.log.append(batch(5, 1, { generationId: 'gen_2' })),
        at.log.append(bad),
      ]);

      expect(good).toMatchObject({ value: { outcome: 'appended' } });
      expect(stale).toMatchObject({ value: { outcome: 'out_of_sequence' } });
      expect(broken).toMatchObject({ status: 'rejected' });
    });
  });

  describe('fence', () => {
    beforeEach(() => at.log.create(G));

    test('rises, and tells where the log is', async () => {
      await at.log.append(batch(0, 2));

      expect(await at.log.fence(G, 5)).toEqual({ head: 2, fence: 5, closed: false });
      expect(await at.log.info(G)).toMatchObject({ fence: 5 });
    });

    test('never falls', async () => {
      await at.log.fence(G, 5);

      expect(await at.log.fence(G, 4)).toEqual({ outcome: 'stale_fence', fence: 5 });
      expect(await at.log.info(G)).toMatchObject({ fence: 5 });
    });

    test('the same fence again is no refusal', async () => {
      await at.log.fence(G, 5);

      expect(await at.log.fence(G, 5)).toMatchObject({ fence: 5 });
    });

    test('of concurrent fences the highest stays', async () => {
      await Promise.all([3, 9, 1, 7].map((fence) => at.log.fence(G, fence)));

      expect(await at.log.info(G)).toMatchObject({ fence: 9 });
    });
  });
}
