import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { settle } from '../../support/fake-clock.ts';
import { closeStores, ALICE, Heart, memoryStores, type Stores } from '../../support/heart.ts';

/** Turns of one conversation that are sent by way of several replicas. */

let stores: Stores;
let one: Heart;
let other: Heart;

beforeEach(() => {
  stores = memoryStores();
  one = new Heart(stores, { driver: 'one' });
  other = new Heart(stores, { driver: 'other' });
});

afterEach(async () => {
  await one.close();
  await other.close();
  closeStores(stores);
});

const parentOf = async (generationId: string) =>
  (await stores.jobs.get(generationId))?.input.parentMessageId;

test('turns that did not see each other follow each other all the same', async () => {
  const first = await one.start();
  const { conversationId } = first;
  const more = { conversationId, onBusy: 'enqueue' } as const;
  const [a, b] = await Promise.all([
    one.start({ ...more, text: 'a', messageId: 'a' }),
    other.start({ ...more, text: 'b', messageId: 'b' }),
  ]);
  // Neither knew of the other.
  expect(await parentOf(a.generationId)).toBe(first.responseMessageId);
  expect(await parentOf(b.generationId)).toBe(first.responseMessageId);

  one.runner.last.end();
  await settle(30);
  const [next, last] =
    (await stores.jobs.get(a.generationId))?.status === 'running' ? [a, b] : [b, a];
  for (const heart of [one, other]) heart.runner.runs.at(-1)?.end();
  await settle(30);

  expect(await parentOf(last.generationId)).toBe(next.responseMessageId);
  const said = await stores.conversations.message(conversationId, last.messageId);
  expect(said?.parentMessageId).toBe(next.responseMessageId);
});

test('a parent that was asked for stays', async () => {
  const first = await one.start();
  one.runner.last.end();
  await settle();
  const { conversationId } = first;
  const running = await one.start({ conversationId, messageId: 'x' });
  const waits = await one.start({
    conversationId,
    messageId: 'y',
    onBusy: 'enqueue',
    parentMessageId: first.responseMessageId,
  });

  one.runner.last.end();
  await settle(30);

  expect(await stores.jobs.get(running.generationId)).toMatchObject({ status: 'finished' });
  expect(await parentOf(waits.generationId)).toBe(first.responseMessageId);
  expect((await other.api.status(ALICE, conversationId)).active).toBe(true);
});

test('a turn beside the first one of a conversation has no parent, and gets none while it waits', async () => {
  const first = await one.start();
  one.runner.last.end();
  await settle();
  const { conversationId } = first;
  const running = await one.start({ conversationId, messageId: 'x' });
  const beside = { conversationId, parentMessageId: null } as const;
  const waits = await one.start({ ...beside, messageId: 'y', onBusy: 'enqueue' });

  one.runner.last.end();
  await settle(30);

  expect(await stores.jobs.get(running.generationId)).toMatchObject({ status: 'finished' });
  expect(await parentOf(waits.generationId)).toBeNull();
});

test('a conversation under an id of the client is made with its first turn, and goes on with the next', async () => {
  const turn = { conversationId: 'conv_mine', createConversation: true } as const;
  const first = await one.start(turn);
  one.runner.last.end();
  await settle();
  const second = await other.start({ ...turn, text: 'again' });

  expect(first.conversationId).toBe('conv_mine');
  expect((await stores.conversations.get('conv_mine'))?.owner).toEqual(ALICE);
  expect(await parentOf(second.generationId)).toBe(first.responseMessageId);
  const others = { tenantId: ALICE.tenantId, userId: 'somebody else' };
  await expect(one.start(turn, others)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('two first turns of such a conversation at once: one begins, the other finds it busy', async () => {
  const turn = { conversationId: 'conv_mine', createConversation: true } as const;

  const both = await Promise.allSettled([
    one.start({ ...turn, messageId: 'a' }),
    other.start({ ...turn, messageId: 'b' }),
  ]);

  expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect(both.find((it) => it.status === 'rejected')).toMatchObject({
    reason: { code: 'CONVERSATION_BUSY' },
  });
});
