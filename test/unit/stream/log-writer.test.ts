import { describe, expect, test } from '@jest/globals';
import { FlushTicker } from '../../../src/stream/flush-ticker.ts';
import type { EventBody } from '../../../src/stream/events.ts';
import { LogHub } from '../../../src/stream/log-hub.ts';
import { FencedError, LogWriter } from '../../../src/stream/log-writer.ts';
import { noMetrics } from '../../../src/stream/metrics.ts';
import { createMemoryEventTransport } from '../../../src/store/memory/index.ts';
import { appendAt } from '../../../src/stream/log-append.ts';
import { AT, created, GENERATION } from '../../support/events.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { severable } from '../../support/severed.ts';

const word = (text: string): EventBody => ({ type: 'text_delta', part: 0, text });

async function aWriter() {
  const clock = new FakeClock();
  const store = createMemoryEventTransport();
  await store.create(GENERATION);
  await appendAt(store, { generationId: GENERATION, fence: 0, head: 0, at: AT }, [created()]);
  await store.fence(GENERATION, 1);
  const { port: transport, cut, mend } = severable(store);
  const hub = new LogHub({ transport, clock, schedule: (task) => task(), onTailError: () => {} });
  const view = await hub.refresh(GENERATION);
  if (!view) throw new Error('no log');
  hub.drive(view);
  const ticker = new FlushTicker({ clock, schedule: (task) => task() }, 100);
  const previews = { wanted: () => false, offer() {}, withdraw() {} };
  const deps = { transport, hub, clock, ticker, previews, metrics: noMetrics };
  const head = async (): Promise<number> => (await store.info(GENERATION))?.head ?? 0;
  const failures: Error[] = [];
  const failed = (error: Error): void => void failures.push(error);
  const writer = new LogWriter({ view, fence: 1, failed }, deps);
  return { writer, view, store, clock, cut, mend, head, failures };
}

describe('the pen of a driver', () => {
  test('flush waits also for what is under way', async () => {
    const { writer, clock, cut, mend, head } = await aWriter();
    void writer.append(word('a'));
    cut();
    await clock.advance(100);
    let flushed = false;
    const flush = writer.flush().then(() => (flushed = true));
    await settle();

    expect(flushed).toBe(false);

    mend();
    await flush;

    expect(await head()).toBe(2);
  });

  test('what is appended while a flush is under way comes with the next, in order', async () => {
    const { writer, view, clock, cut, mend, head } = await aWriter();
    void writer.append(word('a'));
    cut();
    await clock.advance(100);
    const event = writer.append({ type: 'title', title: 't' });
    void writer.append(word('b'));

    expect(view.head.seq).toBe(2);

    mend();
    await event;
    await writer.flush();

    expect(view.head.seq).toBe(4);
    expect(await head()).toBe(4);
  });

  test('deltas behind an event that is not stored yet are held back', async () => {
    const { writer, view, cut, mend } = await aWriter();
    cut();
    const event = writer.append({ type: 'title', title: 't' });
    void writer.append(word('a'));
    await settle();

    expect(view.head.seq).toBe(1);

    mend();
    await event;
    await writer.flush();

    expect(view.head.seq).toBe(3);
  });

  test('that lost its fence is told at its next word, and ever after', async () => {
    const { writer, store, head } = await aWriter();
    await store.fence(GENERATION, 2);

    await expect(writer.append({ type: 'title', title: 't' })).rejects.toBeInstanceOf(FencedError);
    await expect(writer.append(word('a'))).rejects.toBeInstanceOf(FencedError);
    await expect(writer.flush()).rejects.toBeInstanceOf(FencedError);
    expect(await head()).toBe(1);
  });

  test('tells once that it failed, also where nobody waits for what it stores', async () => {
    const { writer, store, clock, failures } = await aWriter();
    await store.fence(GENERATION, 2);
    void writer.append(word('a'));
    await clock.advance(100);
    await writer.flush().catch(() => undefined);

    expect(failures).toEqual([expect.any(FencedError)]);
  });

  test('once closed it appends nothing, and what it had is still stored', async () => {
    const { writer, head } = await aWriter();
    void writer.append(word('a'));
    writer.close();
    void writer.append(word('b'));
    await writer.flush();

    expect(await head()).toBe(2);
  });

  test('stores at once what is much, without waiting for the window', async () => {
    const { writer, head } = await aWriter();
    void writer.append(word('x'.repeat(70_000)));
    await settle();

    expect(await head()).toBe(2);
  });
});

/** Each flush takes `ms` of time; `turn` lets what waits for the next turn run. */
function aTicker(ms: number) {
  let now = 0;
  const clock = new FakeClock();
  const turns: (() => void)[] = [];
  const ticker = new FlushTicker(
    {
      clock: { now: () => now, after: (wait, fn) => clock.after(wait, fn) },
      schedule: (task) => void turns.push(task),
    },
    100,
  );
  const flushed: string[] = [];
  const log = (name: string) => ({
    async flush() {
      flushed.push(name);
      now += ms;
    },
  });
  return { ticker, clock, flushed, log, turn: () => turns.shift()?.() };
}

describe('the ticker of all pens', () => {
  test('lets others have their turn between many flushes, and forgets none', async () => {
    const { ticker, clock, flushed, log, turn } = aTicker(0.5);
    for (const name of 'abcde') ticker.add(log(name));
    await clock.advance(100);
    const first = flushed.join('');
    turn();
    const second = flushed.join('');
    turn();
    turn();

    expect([first, second]).toEqual(['ab', 'abcd']);
    expect(flushed.join('')).toBe('abcde');
  });

  test('who left while it waited for its turn is not flushed, who came later is', async () => {
    const { ticker, clock, flushed, log, turn } = aTicker(1);
    const [a, b, c] = ['a', 'b', 'c'].map(log);
    if (!a || !b || !c) throw new Error('three logs');
    for (const each of [a, b]) ticker.add(each);
    await clock.advance(100);
    ticker.remove(b);
    ticker.add(c);
    turn();
    await clock.advance(100);

    expect(flushed.join('')).toBe('ac');
  });

  test('a window that ends before all had their turn comes behind them', async () => {
    const { ticker, clock, flushed, log, turn } = aTicker(1);
    for (const name of 'abc') ticker.add(log(name));
    await clock.advance(100);
    ticker.add(log('d'));
    await clock.advance(100);
    for (let turns = 0; turns < 5; turns += 1) turn();

    expect(flushed.join('')).toBe('abcd');
  });
});
