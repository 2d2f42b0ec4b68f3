import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ALICE, closeStores, Heart, memoryStores, type Stores } from '../../support/heart.ts';
import { again, finish, idsOf, turn } from '../../support/turn-world.ts';

/** Forks of conversations: docs/PROTOCOL.md section 12. */

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

const listed = async (): Promise<string[]> => {
  const { items } = await stores.conversations.list(ALICE, { limit: 10, cursor: undefined });
  return items.map(({ conversationId }) => conversationId);
};

test('has copies of the branch, and a life of its own', async () => {
  const first = await turn(heart);
  const { conversationId } = first;
  const second = await turn(heart, 'complete', { conversationId, text: 'second' });
  await again(heart, { kind: 'regenerate', conversationId, target: second.responseMessageId });
  await finish(heart, 'complete', second.generationId);

  const fork = await heart.api.fork(ALICE, { conversationId, messageId: second.messageId });
  const copies = await stores.conversations.links(fork.conversationId);
  const answer = await heart.start({ conversationId: fork.conversationId, text: 'third' });

  expect(copies).toHaveLength(3);
  expect(idsOf(heart)).toEqual([...copies.map((link) => link.messageId), answer.messageId]);
  const texts = heart.runner.last.request.history.map(({ content: [part] }) => part);
  expect(texts).toMatchObject([
    { text: 'hello' },
    { text: 'partial' },
    { text: 'second' },
    { text: 'third' },
  ]);
  expect(await stores.conversations.links(conversationId)).toHaveLength(5);
  expect(await listed()).toContain(fork.conversationId);
  expect(fork).toMatchObject({ title: 'About hello', temporary: false });
});

test('is the same one for one key, and a conflict for another branch', async () => {
  const { conversationId, messageId, responseMessageId } = await turn(heart);
  const wanted = { conversationId, messageId: responseMessageId, idempotencyKey: 'k' };

  const all = await Promise.all([1, 2, 3].map(() => heart.api.fork(ALICE, wanted)));
  const without = await heart.api.fork(ALICE, { conversationId, messageId });

  const [{ conversationId: id } = without] = all;
  expect(new Set([...all.map((fork) => fork.conversationId), id]).size).toBe(1);
  expect(without.conversationId).not.toBe(id);
  expect(await stores.conversations.links(id)).toHaveLength(2);
  await expect(heart.api.fork(ALICE, { ...wanted, messageId })).rejects.toMatchObject({
    code: 'IDEMPOTENCY_CONFLICT',
  });
  await heart.api.deleteConversation(ALICE, id);
  await expect(heart.api.fork(ALICE, wanted)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test.each([1, 2, 3, 4])(
  'that died at write %i is not seen, and completed by a repeat',
  async (writes) => {
    const first = await turn(heart);
    const { conversationId } = first;
    const { responseMessageId: messageId } = await turn(heart, 'complete', {
      conversationId,
      text: 'b',
    });
    const before = await listed();
    const dying = new Heart(
      stores,
      { driver: 'dying' },
      {
        conversations: dyingAfter(stores.conversations, writes),
      },
    );
    const wanted = { conversationId, messageId, idempotencyKey: 'k' };

    await expect(dying.api.fork(ALICE, wanted)).rejects.toThrow('it died');
    expect(await listed()).toEqual(before);
    const fork = await heart.api.fork(ALICE, wanted);

    expect(await listed()).toEqual([fork.conversationId, ...before]);
    expect(await stores.conversations.links(fork.conversationId)).toHaveLength(4);
    await dying.close();
  },
);

test('that nobody completes is purged', async () => {
  const { conversationId, messageId } = await turn(heart);
  const conversations = dyingAfter(stores.conversations, 2);
  const dying = new Heart(stores, { driver: 'dying' }, { conversations });
  await expect(
    dying.api.fork(ALICE, { conversationId, messageId, idempotencyKey: 'k' }),
  ).rejects.toThrow('it died');

  const later = stores.clock.now() + 86_400_000;
  expect(await stores.conversations.purgeable(later, 10)).toHaveLength(1);
  expect(await stores.conversations.purgeable(later - 1, 10)).toHaveLength(0);
  await dying.close();
});

test('of a temporary conversation is temporary', async () => {
  const { conversationId, messageId } = await turn(heart, 'complete', { temporary: true });

  const fork = await heart.api.fork(ALICE, { conversationId, messageId });

  expect(fork.temporary).toBe(true);
  expect(await stores.conversations.get(fork.conversationId)).toMatchObject({
    purgeAt: stores.clock.now() + 86_400_000,
  });
});

/** Its writes fail from this one on. */
function dyingAfter(
  conversations: Stores['conversations'],
  writes: number,
): Stores['conversations'] {
  let left = writes;
  const write = <A extends unknown[], R>(task: (...args: A) => Promise<R>) => {
    return (...args: A): Promise<R> => {
      left -= 1;
      return left < 0 ? Promise.reject(new Error('it died')) : task(...args);
    };
  };
  return {
    ...conversations,
    ensure: write((record) => conversations.ensure(record)),
    upsertMessage: write((message, fence) => conversations.upsertMessage(message, fence)),
    keep: write((id, at) => conversations.keep(id, at)),
  };
}
