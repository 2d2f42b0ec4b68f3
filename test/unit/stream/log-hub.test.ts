import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createMemoryEventTransport } from '../../../src/store/memory/index.ts';
import type { EventBody } from '../../../src/stream/events.ts';
import type {
  EventTransport,
  LogListener,
  StoredEvent,
} from '../../../src/stream/event-transport.ts';
import { toStored } from '../../../src/stream/frame.ts';
import { LogHub } from '../../../src/stream/log-hub.ts';
import type { Follower, LogView } from '../../../src/stream/log-view.ts';
import { AT, created, GENERATION, logOf } from '../../support/events.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

/** A log that is written elsewhere; what its watch hears of it is up to the test. */

const clock = new FakeClock();
/** Calls of the store. */
let calls: string[] = [];
let tell: LogListener;
let store: EventTransport;
let read: EventTransport['read'];
let hub: LogHub;
let head = 0;

const word = (text: string): EventBody => ({ type: 'text_delta', part: 0, text });

async function write(bodies: EventBody[]): Promise<StoredEvent[]> {
  const events = bodies.map((body, index) =>
    toStored({ seq: head + index + 1, fence: 1, at: AT, body }),
  );
  const request = { generationId: GENERATION, fence: 1, expected: head, events, final: false };
  await store.append(request);
  head += events.length;
  return events;
}

/** Written, and published. */
async function say(text: string): Promise<void> {
  const after = { fence: 1, seq: head };
  tell(GENERATION, { after, events: await write([word(text)]) });
}

beforeEach(async () => {
  calls = [];
  head = 0;
  store = createMemoryEventTransport();
  read = (id, range) => store.read(id, range);
  await store.create(GENERATION);
  await write(logOf([created(), word('a')]).map(({ body }) => body));
  const transport: EventTransport = {
    ...store,
    read: (id, range) => {
      calls.push('read');
      return read(id, range);
    },
    watch: (listener) => {
      tell = listener;
      return {
        follow: () => void calls.push('follow'),
        unfollow: () => void calls.push('unfollow'),
        [Symbol.asyncDispose]: async () => undefined,
      };
    },
  };
  hub = new LogHub({
    transport,
    clock,
    schedule: (task) => void setImmediate(task),
    onTailError: (error) => {
      throw error;
    },
  });
});

afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  if (clock.pending > 0) throw new Error('a timer outlived the hub');
});

/** A reader comes; `leave` is what it does next. */
async function join(): Promise<{ view: LogView; lost: () => boolean; leave: () => void }> {
  const view = await hub.open(GENERATION);
  if (!view) throw new Error('there is no log');
  let gone = false;
  const leave = (): void => {
    view.followers.delete(follower);
    hub.tune(view);
  };
  const follower: Follower = {
    pump() {},
    lost() {
      gone = true;
      leave();
    },
  };
  view.followers.add(follower);
  hub.tune(view);
  return { view, lost: () => gone, leave };
}

function textOf(view: LogView): string {
  const [part] = view.fold.message().content;
  return part?.type === 'text' ? part.text : '';
}

describe('a log whose readers left', () => {
  test('is followed on for a while: who comes back finds it current, and subscribes to nothing', async () => {
    const first = await join();
    first.leave();
    await say('b');
    await clock.advance(4_000);
    const again = await join();

    expect(textOf(again.view)).toBe('ab');
    expect(again.view).toBe(first.view);
    expect(calls).toEqual(['read', 'follow', 'read']);

    await clock.advance(60_000);
    await say('c');

    expect(textOf(again.view)).toBe('abc');
    expect(calls).toEqual(['read', 'follow', 'read']);
    again.leave();
  });

  test('is followed no more after that, and nothing ticks', async () => {
    const { view, leave } = await join();
    leave();
    await clock.advance(10_000);

    expect(calls).toEqual(['read', 'follow', 'unfollow']);
    expect(clock.pending).toBe(0);

    await say('b');
    expect(textOf(view)).toBe('a');
    const again = await join();
    expect(textOf(again.view)).toBe('ab');
    expect(calls).toEqual(['read', 'follow', 'unfollow', 'read', 'follow']);
  });

  test('is what the store has for the next one, also where nothing was heard of it', async () => {
    const { leave } = await join();
    leave();
    await write([word('unheard')]);

    const again = await join();

    expect(textOf(again.view)).toBe('aunheard');
  });

  test('is not read for nobody where news do not fit', async () => {
    const { leave } = await join();
    leave();
    await write([word('b')]);
    tell(GENERATION, undefined);
    await settle();

    expect(calls).toEqual(['read', 'follow', 'unfollow']);
    const again = await join();
    await say('c');
    expect(textOf(again.view)).toBe('abc');
    expect(calls).toEqual(['read', 'follow', 'unfollow', 'read', 'follow']);
  });

  test('is gone at once where it is dropped', async () => {
    const { leave } = await join();
    leave();
    await store.drop(GENERATION);

    expect(await hub.open(GENERATION)).toBeUndefined();
  });

  test('is fed by its driver alone from when there is one', async () => {
    const { view, leave } = await join();
    leave();
    hub.drive(view);
    await say('b');

    expect(textOf(view)).toBe('a');
    expect(calls).toEqual(['read', 'follow', 'unfollow']);
    await hub.release(GENERATION);
    expect(textOf(view)).toBe('ab');
    expect(calls).toEqual(['read', 'follow', 'unfollow', 'read']);
  });

  test('that is forgotten is followed by nobody, and its readers are told', async () => {
    const reader = await join();
    hub.forget(GENERATION);

    expect(reader.lost()).toBe(true);
    expect(calls).toEqual(['read', 'follow', 'unfollow']);
    expect(clock.pending).toBeLessThan(2);
  });
});

describe('a log of many pages', () => {
  const MANY = 9_000;

  beforeEach(async () => {
    await write(Array.from({ length: MANY }, (_, index) => word(`${index} `)));
  });

  const whole = (): string =>
    `a${Array.from({ length: MANY }, (_, index) => `${index} `).join('')}`;

  test('is read one page ahead, and no page twice', async () => {
    const first = await join();
    first.leave();
    await write(Array.from({ length: MANY }, () => word('x')));
    const from = first.view.head.seq;
    const asked: { after: number; has: number }[] = [];
    read = (id, range) => {
      asked.push({ after: range.after - from, has: first.view.head.seq - from });
      return store.read(id, range);
    };

    const { view, leave } = await join();

    expect(textOf(view)).toBe(`${whole()}${'x'.repeat(MANY)}`);
    // What is behind 1,998 is asked for while nothing of what is before it is taken up.
    expect(asked).toEqual([
      { after: -1, has: 0 },
      { after: 1_998, has: 0 },
      { after: 3_997, has: 1_999 },
      { after: 5_996, has: 3_998 },
      { after: 7_995, has: 5_997 },
    ]);
    leave();
  });

  test('gives others their turn between pages', async () => {
    let turns = 0;
    let over = false;
    const count = (): void => {
      turns += 1;
      if (!over) setImmediate(count);
    };
    setImmediate(count);
    const { leave } = await join();
    over = true;

    expect(turns).toBeGreaterThan(3);
    leave();
    await settle(2);
  });

  test('whose page is void is read anew, whatever becomes of the page ahead', async () => {
    const first = await join();
    const before = first.view.incarnation;
    first.leave();
    await store.drop(GENERATION);
    await store.create(GENERATION);
    head = 0;
    await write(logOf([created(), word('b')]).map(({ body }) => body));
    await write(Array.from({ length: MANY + 10 }, () => word('x')));
    let reads = 0;
    read = async (id, range) => {
      reads += 1;
      if (reads === 2) throw new Error('the page ahead fails');
      const page = await store.read(id, range);
      // As another fence wrote it: what was known has no place in it.
      return page && { ...page, events: page.events.map((event) => ({ ...event, fence: 2 })) };
    };
    // One page ends before the head, so that there is one ahead.
    await write(Array.from({ length: 3_000 }, () => word('x')));

    const again = await join();

    expect(again.view.incarnation).toBe(before + 1);
    expect(again.view.head).toEqual({ fence: 2, seq: head });
    again.leave();
  });

  test('that fails on the way is a failure, and is whole for the next one', async () => {
    let reads = 0;
    read = async (id, range) => {
      reads += 1;
      if (reads === 3) throw new Error('out of reach');
      return store.read(id, range);
    };
    await expect(join()).rejects.toThrow('out of reach');

    const { view, leave } = await join();

    expect(textOf(view)).toBe(whole());
    leave();
  });

  test('of which the store has a head and no entries is none', async () => {
    read = async (id, range) => {
      const page = await store.read(id, range);
      return page && { ...page, events: [] };
    };

    expect(await hub.open(GENERATION)).toBeUndefined();
  });
});
