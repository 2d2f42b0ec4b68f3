import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  aConversation,
  aMessage,
  C,
  iso,
  messageIds,
  OWNER,
  pages,
  type UnderTest,
} from './conversation-store-kit.ts';

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

const numbered = (index: number) => aConversation({ conversationId: 'new', title: `${index}` });

/** What only a store with several writers at once can break. */
export function describeConversationRaces(at: UnderTest): void {
  const everything = () => pages((page) => at.store.messages(C, page), 20);

  describe('races', () => {
    beforeEach(async () => {
      await at.store.ensure(aConversation());
    });

    test('of 50 writers of one message the highest fence stays, and nobody below is told otherwise later', async () => {
      const fences = times(50, (index) => (index * 17) % 50);

      const told = await Promise.all(
        fences.map((fence) =>
          at.store.upsertMessage(aMessage('m1', { agentId: `by ${fence}` }), fence),
        ),
      );

      expect(told[fences.indexOf(49)]).toBe('stored');
      expect((await everything()).flat()).toEqual([aMessage('m1', { agentId: 'by 49' })]);
      const late = fences.map((fence) => at.store.upsertMessage(aMessage('m1'), fence - 1));
      expect(new Set(await Promise.all(late))).toEqual(new Set(['stale_fence']));
    });

    test('messages of 50 writers are all there, each once, and keep their order', async () => {
      await Promise.all(times(50, (index) => at.store.upsertMessage(aMessage(`m${index}`), 0)));
      const before = messageIds((await everything()).flat());

      await Promise.all(times(50, (index) => at.store.upsertMessage(aMessage(`m${index}`), 1)));

      expect(before.toSorted()).toEqual(times(50, (index) => `m${index}`).toSorted());
      expect(messageIds((await everything()).flat())).toEqual(before);
      expect((await at.store.lastMessage(C))?.messageId).toBe(before.at(-1));
    });

    test('a deletion among 50 writers leaves nothing, and nothing comes back', async () => {
      const write = (index: number) => at.store.upsertMessage(aMessage(`m${index}`), 0);
      const first = times(25, write);
      const deleted = at.store.delete(C);
      const told = await Promise.all([...first, ...times(25, (index) => write(25 + index))]);
      await deleted;

      expect(told.every((how) => how === 'stored' || how === 'gone')).toBe(true);
      expect((await everything()).flat()).toEqual([]);
      expect(await at.store.lastMessage(C)).toBeUndefined();
      expect(await write(0)).toBe('gone');
      expect(await at.store.get(C)).toBeUndefined();
    });

    test('a deletion among all kinds of writers is for good', async () => {
      const writers = () => [
        at.store.ensure(aConversation()),
        at.store.touch(C, iso(9), null),
        at.store.setTitle(C, 'title', 'user'),
        at.store.setTitle(C, 'title', 'generated'),
      ];

      await Promise.all([...times(5, writers).flat(), at.store.delete(C), ...writers()]);

      expect(await at.store.get(C)).toBeUndefined();
      expect(await at.store.ensure(aConversation())).toBe(false);
      expect((await at.store.list(OWNER, { limit: 9, cursor: undefined })).items).toEqual([]);
    });

    test('a user’s title stays, however many generated ones come with it', async () => {
      const generated = (index: number) => at.store.setTitle(C, `generated ${index}`, 'generated');

      const mine = at.store.setTitle(C, 'mine', 'user');
      await Promise.all([...times(10, generated), mine, ...times(10, generated)]);

      expect(await mine).toMatchObject({ title: 'mine' });
      expect(await at.store.get(C)).toMatchObject({ title: 'mine' });
    });

    test('of many touches the latest times stay, and the title that came meanwhile', async () => {
      const temporary = { conversationId: 'short', temporary: true, purgeAt: 1 };
      await at.store.ensure(aConversation(temporary));
      const touch = (index: number) => {
        const n = (index * 7) % 20;
        return at.store.touch('short', iso(n), 100 + n);
      };

      await Promise.all([...times(20, touch), at.store.setTitle('short', 'mine', 'user')]);

      expect(await at.store.get('short')).toEqual(
        aConversation({ ...temporary, title: 'mine', updatedAt: iso(19), purgeAt: 119 }),
      );
    });

    test('of many who make it one does', async () => {
      const made = await Promise.all(times(20, (index) => at.store.ensure(numbered(index))));

      expect(new Set(made)).toEqual(new Set([true]));
      const kept = await at.store.get('new');
      expect(kept).toEqual(numbered(Number(kept?.title)));
    });
  });
}
