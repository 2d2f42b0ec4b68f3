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
