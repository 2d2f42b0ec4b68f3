import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type {
  AppendRequest,
  EventTransport,
  StoredEvent,
} from '../../src/stream/event-transport.ts';
import { ModelLog } from './model-log.ts';

/** What every `EventTransport` must do (src/stream/event-transport.ts), whatever keeps it. */

export interface TransportFixture {
  transport: EventTransport;
  destroy(): void | Promise<void>;
}

export interface TransportSuite {
  name: string;
  create(): TransportFixture | Promise<TransportFixture>;
}

const NO_BOUND = { limit: 1_000_000, maxBytes: 1_000_000_000 };
const G = 'gen_1';

export function eventAt(seq: number, fence = 1, text = `w${seq}`): StoredEvent {
  return { seq, fence, type: 'text_delta', data: JSON.stringify({ seq, text }) };
}

/** `count` events after `expected`. */
export function batch(
  expected: number,
  count: number,
  more: Partial<AppendRequest> = {},
): AppendRequest {
  const fence = more.fence ?? 1;
  const events = Array.from({ length: count }, (_, index) => eventAt(expected + 1 + index, fence));
  return { generationId: G, fence, expected, events, final: false, ...more };
}

const seqs = (page: { events: StoredEvent[] } | undefined): number[] | undefined =>
  page?.events.map(({ seq }) => seq);

const upTo = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

export function describeEventTransport({ name, create }: TransportSuite): void {
  describe(`EventTransport: ${name}`, () => {
    let fixture: TransportFixture;
    let log: EventTransport;

    beforeEach(async () => {
      fixture = await create();
      log = fixture.transport;
    });

    afterEach(async () => {
      await fixture.destroy();
    });

    const all = () => log.read(G, { after: 0, ...NO_BOUND });

    describe('create', () => {
      test('makes an empty log with fence 0', async () => {
        await log.create(G);

        expect(await log.info(G)).toEqual({ head: 0, first: 1, fence: 0, closed: false });
        expect(await all()).toEqual({
          events: [],
          info: { head: 0, first: 1, fence: 0, closed: false },
        });
      });

      test('changes nothing where there is a log', async () => {
        await log.create(G);
        await log.append(batch(0, 2));

        await log.create(G);

        expect(await log.info(G)).toMatchObject({ head: 2, fence: 1 });
      });

      test('a log that was never made has no info, no page, no fence and takes no events', async () => {
        expect(await log.info(G)).toBeUndefined();
        expect(await all()).toBeUndefined();
        expect(await log.fence(G, 1)).toBeUndefined();
        expect(await log.append(batch(0, 1))).toEqual({ outcome: 'missing' });
      });
    });

    describe('append', () => {
      beforeEach(() => log.create(G));

      test('keeps the events as they were given, byte for byte', async () => {
        const texts = ['plain', 'Grüße 🐙', '\u0000\u001e\u001f\u2028', '\ud800', '"\\/\n\t', ''];
        const events = texts.map((text, index) => eventAt(index + 1, 1, text));

        const result = await log.append(batch(0, 0, { events }));

        expect(result).toEqual({ outcome: 'appended', head: texts.length });
        expect((await all())?.events).toEqual(events);
      });

      test('refuses an older fence and says which one holds the log', async () => {
        await log.fence(G, 3);

        const result = await log.append(batch(0, 1, { fence: 2 }));

        expect(result).toEqual({ outcome: 'stale_fence', fence: 3 });
        expect((await all())?.events).toEqual([]);
      });

      test('a newer fence takes the log over', async () => {
        await log.append(batch(0, 1, { fence: 1 }));

        expect(await log.append(batch(1, 1, { fence: 4 }))).toEqual({
          outcome: 'appended',
          head: 2,
        });

        expect(await log.append(batch(2, 1, { fence: 1 }))).toEqual({
          outcome: 'stale_fence',
          fence: 4,
        });
        expect((await all())?.events.map(({ fence }) => fence)).toEqual([1, 4]);
      });

      test('a newer fence holds even where its append is refused', async () => {
        await log.append(batch(0, 1));

        expect(await log.append(batch(7, 1, { fence: 2 }))).toEqual({
          outcome: 'out_of_sequence',
          head: 1,
        });

        expect(await log.append(batch(1, 1, { fence: 1 }))).toEqual({
          outcome: 'stale_fence',
          fence: 2,
        });
      });

      test.each([0, 2, 9])('refuses events after %i when the head is 1', async (expected) => {
        await log.append(batch(0, 1));

        expect(await log.append(batch(expected, 2))).toEqual({
          outcome: 'out_of_sequence',
          head: 1,
        });
        expect(seqs(await all())).toEqual([1]);
      });

      test('nothing follows the terminal event, and a retry of it learns that it is there', async () => {
        await log.append(batch(0, 2, { final: true }));

        expect(await log.append(batch(2, 1))).toEqual({ outcome: 'closed', head: 2 });
        expect(await log.append(batch(0, 2, { final: true }))).toEqual({
          outcome: 'closed',
          head: 2,
        });
        expect(await log.info(G)).toMatchObject({ head: 2, closed: true });
      });

      test('checks in order: stale fence before closed, closed before out of sequence', async () => {
        await log.append(batch(0, 1, { fence: 2, final: true }));

        expect(await log.append(batch(9, 1, { fence: 1 }))).toMatchObject({
          outcome: 'stale_fence',
        });
        expect(await log.append(batch(9, 1, { fence: 2 }))).toMatchObject({ outcome: 'closed' });
        expect(await log.append(batch(9, 1, { fence: 3 }))).toMatchObject({ outcome: 'closed' });
        expect(await log.info(G)).toMatchObject({ fence: 3, closed: true });
      });

      test('rejects what would make a hole, be empty or carry another fence, and keeps nothing of it', async () => {
        const hole = batch(0, 0, { events: [eventAt(1), eventAt(3)] });
        const foreign = batch(0, 0, { events: [eventAt(1, 2)] });

        await expect(log.append(hole)).rejects.toThrow('out of sequence');
        await expect(log.append(foreign)).rejects.toThrow('fence');
        await expect(log.append(batch(0, 0))).rejects.toThrow('without events');

        expect(await log.info(G)).toMatchObject({ head: 0 });
      });

      test('of 50 concurrent appends at one place exactly one is kept', async () => {
        const results = await Promise.all(
          upTo(1, 50).map((n) =>
            log.append(batch(0, 0, { events: [eventAt(1, 1, `writer ${n}`)] })),
          ),
        );

        expect(results.filter(({ outcome }) => outcome === 'appended')).toHaveLength(1);
        expect(results.filter(({ outcome }) => outcome === 'out_of_sequence')).toHaveLength(49);
        expect(seqs(await all())).toEqual([1]);
      });

      test('appends of one turn follow each other where each expects the one before', async () => {
        const results = await Promise.all([0, 3, 6, 9].map((at) => log.append(batch(at, 3))));

        expect(results.map((result) => 'head' in result && result.head)).toEqual([3, 6, 9, 12]);
        expect(seqs(await all())).toEqual(upTo(1, 12));
      });

      test('concurrent terminal events: one wins, the other learns it', async () => {
        const results = await Promise.all([
          log.append(batch(0, 1, { final: true })),
          log.append(batch(0, 1, { final: true })),
        ]);

        expect(results.map(({ outcome }) => outcome).toSorted()).toEqual(['appended', 'closed']);
      });

      test('logs do not touch each other: 100 of them written in one turn', async () => {
        const ids = upTo(1, 100).map((n) => `gen_${n}`);
        await Promise.all(ids.map((id) => log.create(id)));

        await Promise.all(ids.map((id) => log.append(batch(0, 5, { generationId: id }))));

        for (const id of ids) {
          expect(seqs(await log.read(id, { after: 0, ...NO_BOUND }))).toEqual(upTo(1, 5));
        }
      });

      test('one refused or broken append does not spoil the others of its turn', async () => {
        await log.create('gen_2');
        const bad = batch(0, 0, { events: [eventAt(2)] });

        const [good, stale, broken] = await Promise.allSettled([
          log.append(batch(0, 1)),
          log.append(batch(5, 1, { generationId: 'gen_2' })),
          log.append(bad),
        ]);

        expect(good).toMatchObject({ value: { outcome: 'appended' } });
        expect(stale).toMatchObject({ value: { outcome: 'out_of_sequence' } });
        expect(broken).toMatchObject({ status: 'rejected' });
      });
    });

    describe('fence', () => {
      beforeEach(() => log.create(G));

      test('rises, and tells where the log is', async () => {
        await log.append(batch(0, 2));

        expect(await log.fence(G, 5)).toEqual({ head: 2, first: 1, fence: 5, closed: false });
        expect(await log.info(G)).toMatchObject({ fence: 5 });
      });

      test('never falls', async () => {
        await log.fence(G, 5);

        expect(await log.fence(G, 4)).toEqual({ outcome: 'stale_fence', fence: 5 });
        expect(await log.info(G)).toMatchObject({ fence: 5 });
      });

      test('the same fence again is no refusal', async () => {
        await log.fence(G, 5);

        expect(await log.fence(G, 5)).toMatchObject({ fence: 5 });
      });

      test('of concurrent fences the highest stays', async () => {
        await Promise.all([3, 9, 1, 7].map((fence) => log.fence(G, fence)));

        expect(await log.info(G)).toMatchObject({ fence: 9 });
      });
    });

    describe('read', () => {
      beforeEach(async () => {
        await log.create(G);
        await log.append(batch(0, 4));
        await log.append(batch(4, 1));
        await log.append(batch(5, 5));
      });

      test.each(upTo(0, 10))('from every place, also inside a batch: after %i', async (after) => {
        const page = await log.read(G, { after, ...NO_BOUND });

        expect(seqs(page)).toEqual(upTo(after + 1, 10));
        expect(page?.info).toEqual({ head: 10, first: 1, fence: 1, closed: false });
      });

      test('beyond the head there is nothing', async () => {
        expect(seqs(await log.read(G, { after: 99, ...NO_BOUND }))).toEqual([]);
      });

      test.each([1, 3, 4, 7, 10, 11])('at most %i events', async (limit) => {
        const page = await log.read(G, { after: 2, limit, maxBytes: NO_BOUND.maxBytes });

        expect(seqs(page)).toEqual(upTo(3, Math.min(10, 2 + limit)));
      });

      test('about as many bytes as asked for, and always one event', async () => {
        const one = Buffer.byteLength(eventAt(1).data);
        const read = (maxBytes: number) => log.read(G, { after: 0, limit: 100, maxBytes });

        expect(seqs(await read(1))).toEqual([1]);
        expect(seqs(await read(one * 3))).toEqual([1, 2, 3]);
        expect(seqs(await read(one * 6))).toEqual(upTo(1, 6));
      });

      test('page by page nothing is lost or doubled over a long log', async () => {
        for (let at = 10; at < 1_000; at += 10) await log.append(batch(at, 10));
        const got: number[] = [];

        for (let after = 0; after < 1_000; after = got.at(-1) ?? 1_000) {
          got.push(...(seqs(await log.read(G, { after, limit: 37, maxBytes: 900 })) ?? []));
        }

        expect(got).toEqual(upTo(1, 1_000));
        expect(seqs(await all())).toEqual(upTo(1, 1_000));
      });

      test('what a reader does to its page changes nothing for the next', async () => {
        const page = await all();
        page?.events.splice(0);
        if (page) page.info.head = 0;

        expect(seqs(await all())).toEqual(upTo(1, 10));
        expect(await log.info(G)).toMatchObject({ head: 10 });
      });
    });

    describe('wait', () => {
      const never = new AbortController().signal;

      beforeEach(async () => {
        await log.create(G);
        await log.create('gen_2');
      });

      test('resolves at once with the logs that are ahead, and only those', async () => {
        await log.append(batch(0, 2));

        const have = new Map([
          [G, 1],
          ['gen_2', 0],
        ]);

        expect(await log.wait(have, never)).toEqual([G]);
      });

      test('resolves when an event arrives', async () => {
        const waiting = log.wait(new Map([[G, 0]]), never);

        await log.append(batch(0, 1));

        expect(await waiting).toEqual([G]);
      });

      test('is not woken by another log, by a fence or by a refused append', async () => {
        let woken = false;
        const stop = new AbortController();
        const waiting = log.wait(new Map([[G, 0]]), stop.signal).then((ids) => {
          woken = true;
          return ids;
        });

        await log.append(batch(0, 1, { generationId: 'gen_2' }));
        await log.fence(G, 2);
        await log.append(batch(0, 1, { fence: 1 }));
        await new Promise((resolve) => setImmediate(resolve));

        expect(woken).toBe(false);
        stop.abort();
        expect(await waiting).toEqual([]);
      });

      test('resolves with [] when the signal aborts, also before the call', async () => {
        const stop = new AbortController();
        const waiting = log.wait(new Map([[G, 0]]), stop.signal);

        stop.abort();

        expect(await waiting).toEqual([]);
        expect(await log.wait(new Map([[G, 0]]), stop.signal)).toEqual([]);
      });

      test('waits for a log that is not there yet', async () => {
        const waiting = log.wait(new Map([['gen_9', 0]]), never);

        await log.create('gen_9');
        await log.append(batch(0, 1, { generationId: 'gen_9' }));

        expect(await waiting).toEqual(['gen_9']);
      });

      test('all who wait are woken, each for what it lacks', async () => {
        const behind = log.wait(new Map([[G, 0]]), never);
        const ahead = log.wait(new Map([[G, 2]]), never);
        await log.append(batch(0, 2));
        expect(await behind).toEqual([G]);

        await log.append(batch(2, 1));

        expect(await ahead).toEqual([G]);
      });

      test('a reader that reads, then waits, misses nothing while 300 events arrive', async () => {
        const got: number[] = [];
        const read = async (): Promise<void> => {
          while (got.length < 300) {
            await log.wait(new Map([[G, got.length]]), never);
            got.push(...(seqs(await log.read(G, { after: got.length, ...NO_BOUND })) ?? []));
          }
        };
        const write = async (): Promise<void> => {
          for (let at = 0; at < 300; at += 1) {
            await log.append(batch(at, 1));
            if (at % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
          }
        };

        await Promise.all([read(), write()]);

        expect(got).toEqual(upTo(1, 300));
      });
    });

    describe('trim and drop', () => {
      beforeEach(async () => {
        await log.create(G);
        await log.append(batch(0, 4));
        await log.append(batch(4, 4));
      });

      test.each([1, 3, 4, 5, 7])('takes away up to and with %i, also within a batch', async (n) => {
        await log.trim(G, n);

        expect(await all()).toMatchObject({ info: { head: 8, first: n + 1 } });
        expect(seqs(await all())).toEqual(upTo(n + 1, 8));
        expect(seqs(await log.read(G, { after: 7, ...NO_BOUND }))).toEqual([8]);
      });

      test('never gives back what was taken, and stops at the head', async () => {
        await log.trim(G, 6);
        await log.trim(G, 2);
        expect(seqs(await all())).toEqual([7, 8]);

        await log.trim(G, 99);

        expect(await log.info(G)).toMatchObject({ head: 8, first: 9 });
        expect(seqs(await all())).toEqual([]);
      });

      test('the log goes on after a trim', async () => {
        await log.trim(G, 99);

        expect(await log.append(batch(8, 2))).toEqual({ outcome: 'appended', head: 10 });
        expect(seqs(await all())).toEqual([9, 10]);
      });

      test('a dropped log is missing, for good, and dropping it again is nothing', async () => {
        await log.drop(G);
        await log.drop(G);

        expect(await log.info(G)).toBeUndefined();
        expect(await all()).toBeUndefined();
        expect(await log.append(batch(8, 1))).toEqual({ outcome: 'missing' });
      });

      test('a log made anew under a dropped name has nothing of the old one', async () => {
        await log.drop(G);
        await log.create(G);

        expect(await log.info(G)).toEqual({ head: 0, first: 1, fence: 0, closed: false });
        expect(seqs(await all())).toEqual([]);
      });

      test('trim and drop of a log that is not there do nothing', async () => {
        await log.trim('gen_9', 3);
        await log.drop('gen_9');

        expect(await log.info('gen_9')).toBeUndefined();
      });
    });

    test('ids may hold anything a string can', async () => {
      const ids = ['a\u0000b', 'a', '\ud800', '\udfff', '"a"', "'; DROP TABLE logs; --", ''];

      for (const id of ids) await log.create(id);
      for (const [index, id] of ids.entries()) {
        await log.append(batch(0, index + 1, { generationId: id }));
      }

      const heads = await Promise.all(ids.map(async (id) => (await log.info(id))?.head));
      expect(heads).toEqual(ids.map((_, index) => index + 1));
    });

    test('answers a ping', async () => {
      await expect(log.ping()).resolves.toBeUndefined();
    });

    test('any sequence of calls does what the trivial log does', async () => {
      const small = fc.integer({ min: 0, max: 4 });
      const call = fc.oneof(
        {
          weight: 5,
          arbitrary: fc.record({
            op: fc.constant('append' as const),
            fence: small,
            /** Distance of `expected` from the true head: mostly right. */
            off: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, small),
            count: fc.integer({ min: 1, max: 6 }),
            final: fc.oneof({ weight: 12, arbitrary: fc.constant(false) }, fc.constant(true)),
          }),
        },
        { weight: 1, arbitrary: fc.record({ op: fc.constant('fence' as const), fence: small }) },
        {
          weight: 1,
          arbitrary: fc.record({ op: fc.constant('trim' as const), upTo: fc.nat({ max: 30 }) }),
        },
        {
          weight: 3,
          arbitrary: fc.record({
            op: fc.constant('read' as const),
            after: fc.nat({ max: 30 }),
            limit: fc.integer({ min: 1, max: 8 }),
            maxBytes: fc.integer({ min: 1, max: 120 }),
          }),
        },
        { weight: 1, arbitrary: fc.record({ op: fc.constant('drop' as const) }) },
        { weight: 2, arbitrary: fc.record({ op: fc.constant('create' as const) }) },
      );
      let run = 0;

      await fc.assert(
        fc.asyncProperty(fc.array(call, { maxLength: 40 }), async (calls) => {
          run += 1;
          const id = `gen_property_${run}`;
          const model = new ModelLog();
          await log.create(id);
          for (const step of calls) {
            switch (step.op) {
              case 'append': {
                const expected = model.head + step.off;
                const request = batch(expected, step.count, { ...step, generationId: id });
                expect(await log.append(request)).toEqual(model.append(request));
                break;
              }
              case 'fence':
                expect(await log.fence(id, step.fence)).toEqual(model.fence(step.fence));
                break;
              case 'trim':
                await log.trim(id, step.upTo);
                model.trim(step.upTo);
                break;
              case 'read':
                expect(await log.read(id, step)).toEqual(model.read(step));
                break;
              case 'drop':
                await log.drop(id);
                model.drop();
                break;
              case 'create':
                await log.create(id);
                model.create();
                break;
            }
            expect(await log.info(id)).toEqual(model.info());
          }
        }),
        { numRuns: 150 },
      );
    });
  });
}
