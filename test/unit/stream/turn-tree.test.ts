import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { notFound } from '../../../src/errors.ts';
import { branchPage } from '../../../src/stream/branch.ts';
import { settle } from '../../support/fake-clock.ts';
import { stateOf } from '../../support/frames.ts';
import { ALICE, BOB, closeStores, Heart, memoryStores, type Stores } from '../../support/heart.ts';
import { again, finish, idsOf, step, turn, World } from '../../support/turn-world.ts';

/** Turns as a tree: docs/PROTOCOL.md section 12. */

let stores: Stores;
let heart: Heart;

beforeEach(() => {
  stores = memoryStores();
  heart = new Heart(stores);
});

afterEach(async () => {
  await heart.close();
  closeStores(stores);
});

describe('an answer that is made again', () => {
  test('is a sibling of the first one, under the one message of the user', async () => {
    const first = await turn(heart);
    const { conversationId, messageId, responseMessageId } = first;

    const second = await again(heart, {
      kind: 'regenerate',
      conversationId,
      target: responseMessageId,
    });
    const reader = await heart.read(second.streamId);
    await finish(heart, 'complete', second.generationId);

    expect(second).toMatchObject({ conversationId, messageId, status: 'started' });
    expect(reader.frames[0]?.data).toMatchObject({
      userMessage: { messageId, parentMessageId: null },
    });
    expect(stateOf(reader.frames).message.parentMessageId).toBe(messageId);
    expect(idsOf(heart)).toEqual([messageId]);
    expect(await stores.conversations.links(conversationId)).toEqual([
      { messageId, parentMessageId: null },
      { messageId: responseMessageId, parentMessageId: messageId },
      { messageId: second.responseMessageId, parentMessageId: messageId },
    ]);
  });

  test('may be named by the message of the user, or by an answer that goes on with another', async () => {
    const first = await turn(heart, 'fail');
    const { conversationId, messageId, responseMessageId } = first;
    const more = await again(heart, {
      kind: 'continue',
      conversationId,
      target: responseMessageId,
    });
    await finish(heart, 'fail', more.generationId);

    for (const target of [messageId, more.responseMessageId]) {
      const next = await again(heart, { kind: 'regenerate', conversationId, target });
      expect(next.messageId).toBe(messageId);
      expect(idsOf(heart)).toEqual([messageId]);
      await finish(heart, 'complete', next.generationId);
    }
  });

  test('while it is being made: refused, or made again after it, or instead of it', async () => {
    const first = await heart.start();
    const { conversationId, messageId, responseMessageId: target } = first;
    const wanted = { kind: 'regenerate', conversationId, target } as const;

    await expect(again(heart, wanted)).rejects.toMatchObject({ code: 'CONVERSATION_BUSY' });
    const after = await again(heart, { ...wanted, onBusy: 'enqueue' });
    const instead = await again(heart, { ...wanted, onBusy: 'interrupt' });
    await settle(30);
    await finish(heart, 'complete', instead.generationId);

    expect(after.status).toBe('queued');
    expect(await stores.jobs.get(first.generationId)).toMatchObject({ outcome: 'superseded' });
    expect(await stores.jobs.get(after.generationId)).toMatchObject({ outcome: 'superseded' });
    expect(await stores.jobs.get(instead.generationId)).toMatchObject({ outcome: 'completed' });
    const { items } = await branchPage(
      stores.conversations,
      { conversationId, leaf: undefined },
      { limit: 10, cursor: undefined },
    );
    expect(items.map((item) => item.messageId)).toEqual([messageId, instead.responseMessageId]);
    expect(items[1]?.siblings).toHaveLength(3);
  });

  test('is one generation however often it is asked for with one key, by way of any replica', async () => {
    const { conversationId, responseMessageId: target } = await turn(heart);
    const other = new Heart(stores, { driver: 'other' });
    const wanted = { kind: 'regenerate', conversationId, target, idempotencyKey: 'k' } as const;
    const given = { ...wanted, onBusy: 'reject', metadata: {}, bodyHash: 'h' } as const;

    const all = await Promise.all([heart, other, heart].map(({ api }) => api.again(ALICE, given)));
    await settle();

    expect(new Set(all.map(({ generationId }) => generationId)).size).toBe(1);
    expect(all.filter(({ status }) => status === 'started')).toHaveLength(1);
    await expect(heart.api.again(ALICE, { ...given, bodyHash: 'x' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
    });
    await other.close();
  });

  test('of a record whose process died before anybody heard of it is completed from the record', async () => {
    const { conversationId, messageId, responseMessageId: target } = await turn(heart);
    const dead = new Heart(stores, { driver: 'dead' }, { transport: failing(stores.transport) });
    const given = { onBusy: 'reject', metadata: {}, bodyHash: 'h' } as const;
    const wanted = { kind: 'regenerate', conversationId, target, ...given } as const;
    await expect(dead.api.again(ALICE, wanted)).rejects.toThrow('it died');
    dead.runner.onRun = (run) => run.end();
    const [job] = await stores.jobs.liveOf(conversationId);

    await heart.start({ text: 'elsewhere' });
    await settle(30);
    const reader = await heart.read(job?.generationId ?? '');

    expect(reader.frames[0]?.data).toMatchObject({ userMessage: { messageId } });
    expect(await stores.conversations.links(conversationId)).toHaveLength(2);
    await dead.close();
  });
});

/** Logs can't be made. */
function failing(transport: Stores['transport']): Stores['transport'] {
  return new Proxy(transport, {
    get(target, name, receiver) {
      if (name === 'create') return () => Promise.reject(new Error('it died'));
      const member: unknown = Reflect.get(target, name, receiver);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

describe('an answer that is gone on with', () => {
  test.each(['abort', 'fail'] as const)(
    'after %s follows it, and the model gets it',
    async (end) => {
      const { conversationId, messageId, responseMessageId } = await turn(heart, end);

      const more = await again(heart, {
        kind: 'continue',
        conversationId,
        target: responseMessageId,
      });
      const reader = await heart.read(more.streamId);
      await finish(heart, 'complete', more.generationId);

      expect(more.messageId).toBe(messageId);
      expect(idsOf(heart)).toEqual([messageId, responseMessageId]);
      expect(reader.frames[0]?.data).toMatchObject({
        userMessage: { messageId },
        parentMessageId: responseMessageId,
      });
      expect(stateOf(reader.frames).message.parentMessageId).toBe(responseMessageId);
      const stored = await stores.conversations.message(conversationId, more.responseMessageId);
      expect(stored).toMatchObject({ parentMessageId: responseMessageId, status: 'complete' });
    },
  );

  test('must be unfinished, over, and an answer', async () => {
    const whole = await turn(heart);
    const { conversationId } = whole;
    const target = (messageId: string, onBusy: 'reject' | 'interrupt' = 'reject') =>
      again(heart, { kind: 'continue', conversationId, target: messageId, onBusy });

    await expect(target(whole.responseMessageId)).rejects.toMatchObject({
      code: 'ANSWER_COMPLETE',
    });
    await expect(target(whole.messageId)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    const live = await heart.start({ conversationId, messageId: 'live' });
    await expect(target(live.responseMessageId, 'interrupt')).rejects.toMatchObject({
      code: 'CONVERSATION_BUSY',
    });
    expect(await stores.jobs.get(live.generationId)).toMatchObject({ status: 'running' });
  });
});

test('others, unknown ids and deleted conversations are not found', async () => {
  const { conversationId, messageId, responseMessageId: target } = await turn(heart, 'abort');
  const elsewhere = await turn(heart, 'abort', { messageId: 'elsewhere' });
  const missing = { code: 'NOT_FOUND' };

  for (const kind of ['regenerate', 'continue'] as const) {
    const of = { kind, conversationId, target };
    await expect(again(heart, of, BOB)).rejects.toMatchObject(missing);
    await expect(again(heart, { ...of, target: 'nobody' })).rejects.toMatchObject(missing);
    await expect(again(heart, { ...of, conversationId: 'conv_none' })).rejects.toMatchObject(
      missing,
    );
    const foreign = { ...of, target: elsewhere.responseMessageId };
    await expect(again(heart, foreign)).rejects.toMatchObject(missing);
    await expect(again(heart, { ...of, agentId: 'nobody' })).rejects.toMatchObject(missing);
  }
  const fork = { conversationId, messageId };
  await expect(heart.api.fork(BOB, fork)).rejects.toMatchObject(missing);
  await expect(heart.api.fork(ALICE, { ...fork, messageId: 'nobody' })).rejects.toMatchObject(
    missing,
  );

  await heart.api.deleteConversation(ALICE, conversationId);
  await expect(again(heart, { kind: 'continue', conversationId, target })).rejects.toMatchObject(
    missing,
  );
  await expect(heart.api.fork(ALICE, fork)).rejects.toMatchObject(missing);
});

test('a conversation that is deleted while an answer is made again stays deleted', async () => {
  const { conversationId, responseMessageId: target } = await turn(heart);

  const [made] = await Promise.allSettled([
    again(heart, { kind: 'regenerate', conversationId, target }),
    heart.api.deleteConversation(ALICE, conversationId),
  ]);
  await settle(30);

  const refused = made.status === 'rejected' ? made.reason : notFound('conversation');
  expect(refused).toMatchObject({ code: 'NOT_FOUND' });
  expect(await stores.conversations.get(conversationId)).toBeUndefined();
  expect(await stores.conversations.links(conversationId)).toEqual([]);
  expect(await stores.jobs.allOf(conversationId)).toEqual([]);
});

test('whatever is sent, edited, made again, gone on with, stopped and forked: every branch is what the model says', async () => {
  const numRuns = Number(process.env['TURN_RUNS'] ?? 12);
  const played = await fc.check(
    fc.asyncProperty(
      fc.array(step, { minLength: 4, maxLength: 14, size: 'max' }),
      async (steps) => {
        const own = memoryStores();
        const alone = new Heart(own);
        try {
          const world = new World(alone);
          for (const now of steps) await world.play(now);
          await world.check();
        } finally {
          await alone.close();
          closeStores(own);
        }
      },
    ),
    { numRuns },
  );

  expect(await fc.asyncDefaultReportMessage(played)).toBeUndefined();
}, 600_000);

test('answers that are being made have their places in the tree', async () => {
  const { conversationId, messageId, responseMessageId } = await turn(heart);
  const made = await again(heart, { kind: 'regenerate', conversationId, target: messageId });
  const next = await heart.start({ conversationId, messageId: 'next', onBusy: 'enqueue' });

  const read = async (leaf: string | undefined) => {
    const live = await heart.api.liveAnswers(conversationId);
    const page = { limit: 10, cursor: undefined };
    return branchPage(stores.conversations, { conversationId, leaf, live }, page);
  };

  expect((await read(undefined)).items).toMatchObject([
    { messageId, siblings: [messageId] },
    { messageId: next.messageId },
  ]);
  expect((await read(made.responseMessageId)).items).toMatchObject([{ messageId }]);
  const old = await read(responseMessageId);
  expect(old.items[1]?.siblings).toEqual([responseMessageId, made.responseMessageId]);
});

test('a page of a branch refuses cursors that are not its own', async () => {
  const { conversationId, messageId, responseMessageId } = await turn(heart);
  await turn(heart, 'complete', { conversationId, text: 'b' });
  const read = (leaf: string | undefined, cursor: string | undefined) =>
    branchPage(stores.conversations, { conversationId, leaf }, { limit: 1, cursor });

  for (const cursor of ['x', '/', 'a/', '/a', 'a/b/c', `${messageId}/${responseMessageId}`]) {
    const code = cursor === 'a/b' ? 'NOT_FOUND' : 'INVALID_REQUEST';
    await expect(read(responseMessageId, cursor)).rejects.toMatchObject({ code });
  }
  await expect(read('nobody', undefined)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(read(undefined, 'a/b')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  // The newest branch may change between two pages: the cursor goes on with the one it began with.
  const first = await read(undefined, undefined);
  const more = { conversationId, target: responseMessageId } as const;
  await again(heart, { kind: 'regenerate', ...more });
  await finish(heart, 'complete', '');
  const second = await read(undefined, first.nextCursor ?? '');
  expect(second.items).toMatchObject([{ messageId: responseMessageId }]);
});
