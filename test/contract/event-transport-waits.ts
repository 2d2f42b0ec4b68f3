import { beforeEach, describe, expect, test } from '@jest/globals';
import { settle } from '../support/fake-clock.ts';
import { batch, G, NO_BOUND, seqs, upTo, type UnderTest } from './event-transport-kit.ts';

/** Sometimes at once, sometimes a turn of the loop later. */
async function writeOneByOne(at: UnderTest, count: number): Promise<void> {
  for (let head = 0; head < count; head += 1) {
    await at.log.append(batch(head, 1));
    if (head % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** wait. */
export function describeLogWaits(at: UnderTest): void {
  describe('wait', () => {
    const never = new AbortController().signal;

    beforeEach(async () => {
      await at.log.create(G);
      await at.log.create('gen_2');
    });

    test('resolves at once with the logs that are ahead, and only those', async () => {
      await at.log.append(batch(0, 2));

      const have = new Map([
        [G, 1],
        ['gen_2', 0],
      ]);

      expect(await at.log.wait(have, never)).toEqual([G]);
    });

    test('resolves when an event arrives', async () => {
      const waiting = at.log.wait(new Map([[G, 0]]), never);

      await at.log.append(batch(0, 1));

      expect(await waiting).toEqual([G]);
    });

    test('is not woken by another log, by a fence or by a refused append', async () => {
      let woken = false;
      const stop = new AbortController();
      const waiting = at.log.wait(new Map([[G, 0]]), stop.signal).then((ids) => {
        woken = true;
        return ids;
      });

      await at.log.append(batch(0, 1, { generationId: 'gen_2' }));
      await at.log.fence(G, 2);
      await at.log.append(batch(0, 1, { fence: 1 }));
      await new Promise((resolve) => setImmediate(resolve));

      expect(woken).toBe(false);
      stop.abort();
      expect(await waiting).toEqual([]);
    });

    test('resolves with [] when the signal aborts, also before the call', async () => {
      const stop = new AbortController();
      const waiting = at.log.wait(new Map([[G, 0]]), stop.signal);

      stop.abort();

      expect(await waiting).toEqual([]);
      expect(await at.log.wait(new Map([[G, 0]]), stop.signal)).toEqual([]);
    });

    test('waits for a log that is not there yet', async () => {
      const waiting = at.log.wait(new Map([['gen_9', 0]]), never);

      await at.log.create('gen_9');
      await at.log.append(batch(0, 1, { generationId: 'gen_9' }));

      expect(await waiting).toEqual(['gen_9']);
    });

    test('all who wait are woken, each for what it lacks', async () => {
      const behind = at.log.wait(new Map([[G, 0]]), never);
      let woken = false;
      const ahead = at.log.wait(new Map([[G, 2]]), never).then((ids) => {
        woken = true;
        return ids;
      });
      await at.log.append(batch(0, 2));
      expect(await behind).toEqual([G]);
      await settle();
      expect(woken).toBe(false);

      await at.log.append(batch(2, 1));

      expect(await ahead).toEqual([G]);
    });

    test('a reader that reads, then waits, misses nothing while 300 events arrive', async () => {
      const got: number[] = [];
      const read = async (): Promise<void> => {
        while (got.length < 300) {
          await at.log.wait(new Map([[G, got.length]]), never);
          got.push(...(seqs(await at.log.read(G, { after: got.length, ...NO_BOUND })) ?? []));
        }
      };
      await Promise.all([read(), writeOneByOne(at, 300)]);

      expect(got).toEqual(upTo(1, 300));
    });
  });
}
