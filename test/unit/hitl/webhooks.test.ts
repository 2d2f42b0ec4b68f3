import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Outbox } from '../../../src/hitl/approval-store.ts';
import { MAX_ATTEMPTS } from '../../../src/hitl/webhook-message.ts';
import { NO_OUTBOX, WebhookDispatcher } from '../../../src/hitl/webhooks.ts';
import { createSqliteOutbox, openDatabase } from '../../../src/store/sqlite/index.ts';
import { EPOCH, FakeClock, settle } from '../../support/fake-clock.ts';
import { bodyOf, FakeReceiver, KeptLog } from '../../support/fake-receiver.ts';

const URL = 'https://hooks.example/in?token=hidden';
const SECRET = 'sixteen letters!';
const HOUR = 3_600_000;
const LATER = Number.MAX_SAFE_INTEGER;

let db: ReturnType<typeof openDatabase>;
let clock: FakeClock;
let outbox: Outbox;
let receiver: FakeReceiver;
let kept: KeptLog;
let dispatcher: WebhookDispatcher;

function dispatcherOf(over: Partial<ConstructorParameters<typeof WebhookDispatcher>[0]> = {}) {
  const now = async () => clock.now();
  const deps = { outbox, clock, ids: { random: () => 0 }, fetch: receiver.fetch, log: kept, now };
  return new WebhookDispatcher({ ...deps, url: URL, secret: SECRET, ...over });
}

const put = (id: string, createdAt = EPOCH) =>
  outbox.put({ id, event: 'approval.waiting', createdAt, payload: { actionId: id } });
const sent = () => receiver.header('holdfast-id');
const waiting = async (): Promise<string[]> => (await outbox.due(LATER, 100)).map(({ id }) => id);

beforeEach(() => {
  db = openDatabase(':memory:');
  clock = new FakeClock();
  outbox = createSqliteOutbox({ db });
  receiver = new FakeReceiver();
  kept = new KeptLog();
  dispatcher = dispatcherOf();
});

afterEach(async () => {
  await dispatcher[Symbol.asyncDispose]();
  db.close();
  if (clock.pending > 0) throw new Error('a timer is left');
});

describe('a delivery', () => {
  test('is a signed POST that follows no redirect; with a 2xx it is over', async () => {
    await put('a');
    dispatcher.start();
    await settle();

    expect(receiver.calls).toHaveLength(1);
    expect(receiver.newest.url).toBe(URL);
    expect(receiver.newest.init).toMatchObject({ method: 'POST', redirect: 'manual' });
    expect(bodyOf(receiver.newest)).toMatchObject({
      id: 'a',
      data: { actionId: 'a' },
    });
    expect(receiver.header('holdfast-signature')).toEqual([
      expect.stringMatching(/^v1=[0-9a-f]{64}$/),
    ]);

    receiver.newest.answer(204);
    await settle();

    expect(await waiting()).toEqual([]);
    await clock.advance(HOUR);
    expect(receiver.calls).toHaveLength(1);
    expect(kept.lines).toEqual([]);
  });

  test('begins with a poke, without waiting for the timer', async () => {
    dispatcher.start();
    await settle();
    await put('a');

    dispatcher.poke();
    await settle();

    expect(sent()).toEqual(['a']);
  });

  test('begins with the timer where nobody poked', async () => {
    dispatcher.start();
    await settle();
    await put('a');

    await clock.advance(5_000);

    expect(sent()).toEqual(['a']);
  });

  test('is made once, however often and whenever it is poked', async () => {
    await put('a');
    for (let n = 0; n < 50; n += 1) {
      dispatcher.poke();
      await Promise.resolve();
    }
    await settle();
    receiver.newest.answer(200);
    dispatcher.poke();
    await settle();
    dispatcher.poke();
    await settle();

    expect(sent()).toEqual(['a']);
  });

  test('no poke is lost at the end of a look', async () => {
    for (let turns = 0; turns < 30; turns += 1) {
      await put(`item${turns}`);
      dispatcher.poke();
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      await put(`late${turns}`);
      dispatcher.poke();
      await settle(2);

      expect(sent().slice(-2)).toEqual([`item${turns}`, `late${turns}`]);
      for (const call of receiver.calls) call.answer(200);
      await settle(2);
    }
  });
});

describe('many items', () => {
  test('go four at a time, oldest first; one that is over makes room for the next', async () => {
    for (let n = 9; n >= 0; n -= 1) await put(`item${n}`, EPOCH - 100 + n);
    dispatcher.poke();
    await settle();
    expect(sent()).toEqual(['item0', 'item1', 'item2', 'item3']);

    receiver.calls[2]?.answer(200);
    receiver.calls[0]?.answer(500);
    await settle();
    expect(sent().slice(4)).toEqual(['item4', 'item5']);

    for (let n = 0; n < 10; n += 1) {
      receiver.calls[n]?.answer(200);
      await settle();
    }
    expect(sent()).toHaveLength(10);
    expect(await waiting()).toEqual(['item0']);
  });

  test('one that always fails holds nobody up', async () => {
    await put('bad', EPOCH - 1);
    await put('good');
    dispatcher.start();
    await settle();
    receiver.calls[0]?.answer(500);
    receiver.calls[1]?.answer(200);
    await settle();

    expect(await waiting()).toEqual(['bad']);
  });
});

describe('a failure', () => {
  test.each([301, 302, 307, 400, 404, 410, 429, 500, 503])(
    'is a status like %i: tried again after its wait, not before',
    async (status) => {
      await put('a');
      dispatcher.start();
      await settle();
      receiver.newest.answer(status);
      await settle();

      await clock.advance(4_499);
      expect(receiver.calls).toHaveLength(1);
      await clock.advance(10_000);

      expect(sent()).toEqual(['a', 'a']);
      expect(kept.lines).toEqual([
        {
          level: 'warn',
          fields: { webhook: 'a', attempt: 1, fault: `status ${status}` },
          message: 'a webhook was not delivered',
        },
      ]);
    },
  );

  test('is a network error, told by its code and not by its words', async () => {
    await put('a');
    dispatcher.poke();
    await settle();

    const cause = Object.assign(new Error(`connect ${URL}`), { code: 'ECONNREFUSED' });
    receiver.newest.fail(new TypeError(`fetch of ${URL} failed`, { cause }));
    await settle();

    expect(kept.lines[0]?.fields).toMatchObject({ fault: 'ECONNREFUSED' });
    expect(JSON.stringify(kept.lines)).not.toContain('hidden');
    expect(await outbox.due(LATER, 1)).toMatchObject([{ attempts: 1 }]);
  });

  test('is silence for 10 s, which is then cut off', async () => {
    await put('a');
    dispatcher.poke();
    await settle();

    await clock.advance(9_999);
    expect(receiver.newest.init.signal?.aborted).toBe(false);
    await clock.advance(1);

    expect(receiver.newest.init.signal?.aborted).toBe(true);
    expect(kept.lines[0]?.fields).toMatchObject({ fault: 'timeout' });
    expect(await outbox.due(clock.now() + 4_999, 1)).toEqual([]);
    expect(await outbox.due(clock.now() + 5_000, 1)).toHaveLength(1);
  });

  test('ends in a delivery if the receiver comes back, signed anew', async () => {
    await put('a');
    dispatcher.start();
    await settle();
    receiver.newest.answer(503);
    await clock.advance(11_000);
    receiver.newest.answer(200);
    await settle();

    const stamps = receiver.header('holdfast-timestamp').map(Number);
    expect(stamps).toHaveLength(2);
    expect((stamps[1] ?? 0) - (stamps[0] ?? 0)).toBeGreaterThanOrEqual(5);
    expect(await waiting()).toEqual([]);
  });

  test('is the last after 12 attempts: an error is logged, and nothing is sent any more', async () => {
    await put('a');
    dispatcher.start();
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      await settle();
      expect(receiver.calls).toHaveLength(attempt);
      receiver.newest.answer(500);
      await settle();
      clock.jump(HOUR);
      dispatcher.poke();
    }
    await settle();

    expect(receiver.calls).toHaveLength(MAX_ATTEMPTS);
    expect(await waiting()).toEqual([]);
    expect(kept.lines.filter(({ level }) => level === 'error')).toEqual([
      {
        level: 'error',
        fields: { webhook: 'a', attempt: MAX_ATTEMPTS, fault: 'status 500' },
        message: 'a webhook was given up',
      },
    ]);
  });
});

describe('many replicas', () => {
  test('send an item once between them, and one that stops gives it back at once', async () => {
    const other = dispatcherOf();
    for (const id of ['a', 'b', 'c']) await put(id);

    dispatcher.start();
    other.start();
    await settle();
    expect(new Set(sent())).toEqual(new Set(['a', 'b', 'c']));
    expect(sent()).toHaveLength(3);

    await dispatcher[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();

    expect((await waiting()).toSorted()).toEqual(['a', 'b', 'c']);
    expect(await outbox.due(clock.now(), 10)).toHaveLength(3);
  });
});

describe('a store that fails', () => {
  test('while reading stops nothing: the next look finds the item', async () => {
    let broken = true;
    const reading: Outbox = {
      ...outbox,
      due: (now, limit) => (broken ? Promise.reject(new Error('busy')) : outbox.due(now, limit)),
    };
    dispatcher = dispatcherOf({ outbox: reading });
    await put('a');
    dispatcher.start();
    await settle();
    expect(kept.lines).toMatchObject([{ level: 'error', message: 'webhooks could not be read' }]);

    broken = false;
    await clock.advance(5_000);

    expect(sent()).toEqual(['a']);
  });

  test('while noting a delivery has it sent again by the timer, not in a loop', async () => {
    const forgetful: Outbox = { ...outbox, delivered: () => Promise.reject(new Error('busy')) };
    dispatcher = dispatcherOf({ outbox: forgetful });
    await put('a');
    dispatcher.start();
    await settle();
    receiver.newest.answer(200);
    await settle();
    expect(receiver.calls).toHaveLength(1);
    expect(kept.lines).toMatchObject([{ level: 'error', message: 'a webhook could not be noted' }]);

    // Once its claim is over.
    await clock.advance(35_000);

    expect(sent().slice(0, 2)).toEqual(['a', 'a']);
  });
});

describe('the end', () => {
  test('cuts off what is under way, counts no attempt, and begins nothing more', async () => {
    for (const id of ['a', 'b', 'c', 'd', 'e']) await put(id);
    dispatcher.start();
    await settle();

    await dispatcher[Symbol.asyncDispose]();
    dispatcher.poke();
    await clock.advance(HOUR);

    expect(receiver.calls.map(({ init }) => init.signal?.aborted)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(await outbox.due(EPOCH, 10)).toMatchObject(
      ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, attempts: 0 })),
    );
    expect(kept.lines).toEqual([]);
  });

  test('in the middle of a look begins nothing', async () => {
    await put('a');
    dispatcher.start();

    await dispatcher[Symbol.asyncDispose]();
    await settle();

    expect(receiver.calls).toEqual([]);
  });
});

test('where no webhooks are wanted nothing is kept', async () => {
  await NO_OUTBOX.put({ id: 'a', event: 'generation.finished', createdAt: 0, payload: null });

  expect(await NO_OUTBOX.due(LATER, 10)).toEqual([]);
});
