import { beforeEach, describe, expect, test } from '@jest/globals';
import type { EventTransport, LogNews, LogWatch } from '../../src/stream/event-transport.ts';
import { batch, G, NO_BOUND, seqs, upTo, type UnderTest } from './event-transport-kit.ts';

/** What a listener was told, and a way to wait until it was. */
class Heard {
  readonly ids: string[] = [];
  readonly news: LogNews[] = [];
  readonly watch: LogWatch;
  #wake: () => void = () => {};

  constructor(log: EventTransport) {
    this.watch = log.watch((id, news) => {
      this.ids.push(id);
      if (news) this.news.push(news);
      this.#wake();
    });
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Resolves with true once it was told of this log. */
  async of(id: string): Promise<boolean> {
    await this.until(() => this.ids.includes(id));
    return true;
  }
}

/** Sometimes at once, sometimes a turn of the loop later. */
async function writeOneByOne(at: UnderTest, count: number): Promise<void> {
  for (let head = 0; head < count; head += 1) {
    await at.log.append(batch(head, 1));
    if (head % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** watch. */
export function describeLogWatch(at: UnderTest): void {
  describe('watch', () => {
    beforeEach(async () => {
      await at.log.create(G);
      await at.log.create('gen_2');
    });

    test('tells of a log that is ahead already, and not of one that is where it should be', async () => {
      await at.log.append(batch(0, 2));
      const heard = new Heard(at.log);

      heard.watch.follow('gen_2', 0);
      heard.watch.follow(G, 1);
      await heard.of(G);

      expect(heard.ids).not.toContain('gen_2');
      await heard.watch[Symbol.asyncDispose]();
    });

    test('tells of events that arrive', async () => {
      const heard = new Heard(at.log);
      heard.watch.follow(G, 0);

      await at.log.append(batch(0, 1));

      expect(await heard.of(G)).toBe(true);
      await heard.watch[Symbol.asyncDispose]();
    });

    test('news, where there is any, is what was appended, and after what', async () => {
      const heard = new Heard(at.log);
      heard.watch.follow(G, 0);
      const first = batch(0, 3, { fence: 2 });
      const second = batch(3, 2, { fence: 4 });

      await at.log.append(first);
      await at.log.append(second);

      await heard.until(() => heard.ids.length >= 1);
      for (const { after, events } of heard.news) {
        const wanted = after.seq === 0 ? first : second;
        expect(after).toEqual(after.seq === 0 ? { fence: 0, seq: 0 } : { fence: 2, seq: 3 });
        expect(events).toEqual(wanted.events);
      }
      await heard.watch[Symbol.asyncDispose]();
    });

    test('is not woken by another log, by a fence or by a refused append', async () => {
      // Of its own: on the bus of a Redis Cluster, messages of earlier tests may still be on their way.
      const quiet = 'gen_quiet';
      await at.log.create(quiet);
      const heard = new Heard(at.log);
      heard.watch.follow(quiet, 0);
      const one = { generationId: quiet };

      await at.log.append(batch(0, 1, { generationId: 'gen_2' }));
      await at.log.fence(quiet, 2);
      await at.log.append(batch(0, 1, { ...one, fence: 1 }));
      await at.log.append(batch(3, 1, { ...one, fence: 2 }));
      // The last one is heard of: whatever those before had set off would have been, too.
      await at.log.append(batch(0, 1, { ...one, fence: 2 }));
      await heard.of(quiet);

      expect(heard.ids).not.toContain('gen_2');
      expect(heard.news.flatMap(({ events }) => events.map(({ seq }) => seq))).toEqual(
        heard.news.length === 0 ? [] : [1],
      );
      await heard.watch[Symbol.asyncDispose]();
    });

    test('hears nothing more of what it does not follow any more, or when it is disposed of', async () => {
      const one = new Heard(at.log);
      const other = new Heard(at.log);
      const witness = new Heard(at.log);
      for (const heard of [one, other, witness]) heard.watch.follow(G, 0);

      one.watch.unfollow(G);
      await other.watch[Symbol.asyncDispose]();
      await at.log.append(batch(0, 1));
      await witness.of(G);

      expect(one.ids).toEqual([]);
      expect(other.ids).toEqual([]);
      await one.watch[Symbol.asyncDispose]();
      await witness.watch[Symbol.asyncDispose]();
    });

    test('waits for a log that is not there yet', async () => {
      const heard = new Heard(at.log);
      heard.watch.follow('gen_9', 0);

      await at.log.create('gen_9');
      await at.log.append(batch(0, 1, { generationId: 'gen_9' }));

      expect(await heard.of('gen_9')).toBe(true);
      await heard.watch[Symbol.asyncDispose]();
    });

    test('reports a log that is gone', async () => {
      await at.log.append(batch(0, 2));
      const heard = new Heard(at.log);
      heard.watch.follow(G, 2);

      await at.log.drop(G);

      expect(await heard.of(G)).toBe(true);
      await heard.watch[Symbol.asyncDispose]();
    });

    test('a log that is unfollowed and followed again is told of', async () => {
      const heard = new Heard(at.log);
      heard.watch.follow(G, 0);
      heard.watch.unfollow(G);
      await at.log.append(batch(0, 2));

      heard.watch.follow(G, 1);

      expect(await heard.of(G)).toBe(true);
      await heard.watch[Symbol.asyncDispose]();
    });

    test('a reader that follows and reads misses nothing while 300 events arrive', async () => {
      const got: number[] = [];
      const heard = new Heard(at.log);
      heard.watch.follow(G, 0);
      const read = async (): Promise<void> => {
        while (got.length < 300) {
          const told = heard.ids.length;
          const page = await at.log.read(G, { after: got.length, ...NO_BOUND });
          got.push(...(seqs(page) ?? []));
          if (got.length < 300) await heard.until(() => heard.ids.length > told);
        }
      };
      await Promise.all([read(), writeOneByOne(at, 300)]);

      expect(got).toEqual(upTo(1, 300));
      await heard.watch[Symbol.asyncDispose]();
    });
  });
}
