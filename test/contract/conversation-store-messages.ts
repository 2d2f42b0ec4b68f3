import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  aConversation,
  aMessage,
  C,
  messageIds,
  NOT_CURSORS,
  ODD_JSON,
  pages,
} from './conversation-store-kit.ts';
import type { UnderTest } from './conversation-store-kit.ts';

export function describeMessages(at: UnderTest): void {
  const list = (page: { limit: number; cursor: string | undefined }) => at.store.messages(C, page);

  describe('messages', () => {
    beforeEach(async () => {
      await at.store.ensure(aConversation());
    });

    test('one that was stored comes back as it was', async () => {
      const message = aMessage('m1', {
        role: 'assistant',
        status: 'unfinished',
        error: { code: 'X', message: 'x' },
        content: [
          { type: 'reasoning', text: 'hm', path: ['call'] },
          { type: 'tool_call', toolCallId: 't', name: 'add', args: { a: [1, null] }, status: 'ok' },
        ],
      });

      expect(await at.store.upsertMessage(message, 1)).toBe('stored');
      expect(await at.store.message(C, 'm1')).toEqual(message);
      expect(await at.store.message(C, 'm2')).toBeUndefined();
      expect(await at.store.message('other', 'm1')).toBeUndefined();
    });

    test('arguments may have any keys', async () => {
      const call = { type: 'tool_call', toolCallId: 't', name: 'add', status: 'ok' } as const;
      const message = aMessage('m1', { content: [{ ...call, args: ODD_JSON }] });

      await at.store.upsertMessage(message, 1);

      expect(JSON.stringify(await at.store.message(C, 'm1'))).toBe(JSON.stringify(message));
    });

    test('a conversation that is not there takes none', async () => {
      const stray = aMessage('m1', { conversationId: 'conv_none' });

      expect(await at.store.upsertMessage(stray, 0)).toBe('gone');
    });

    test('the same id in two conversations is two messages', async () => {
      await at.store.ensure(aConversation({ conversationId: 'other' }));
      await at.store.upsertMessage(aMessage('m1'), 0);
      await at.store.upsertMessage(
        aMessage('m1', { conversationId: 'other', role: 'assistant' }),
        0,
      );

      expect(await at.store.message(C, 'm1')).toMatchObject({ role: 'user' });
      expect(await at.store.message('other', 'm1')).toMatchObject({ role: 'assistant' });
    });

    test('a lower fence changes nothing; the same or a higher one replaces', async () => {
      const write = (fence: number) =>
        at.store.upsertMessage(aMessage('m1', { agentId: `by ${fence}` }), fence);
      await write(3);

      expect(await write(2)).toBe('stale_fence');
      expect(await at.store.message(C, 'm1')).toMatchObject({ agentId: 'by 3' });
      expect(await write(3)).toBe('stored');
      expect(await write(4)).toBe('stored');
      expect(await write(3)).toBe('stale_fence');
      expect(await at.store.message(C, 'm1')).toMatchObject({ agentId: 'by 4' });
    });

    test('of concurrent writers the highest fence stays', async () => {
      const fences = [3, 9, 1, 7, 5];

      await Promise.all(
        fences.map((fence) =>
          at.store.upsertMessage(aMessage('m1', { agentId: `by ${fence}` }), fence),
        ),
      );

      expect(await at.store.message(C, 'm1')).toMatchObject({ agentId: 'by 9' });
    });

    test('keep the order in which they came, also after an update', async () => {
      for (const id of ['m2', 'm1', 'm3']) await at.store.upsertMessage(aMessage(id), 0);

      await at.store.upsertMessage(aMessage('m2', { status: 'unfinished' }), 1);

      const { items } = await list({ limit: 10, cursor: undefined });
      expect(messageIds(items)).toEqual(['m2', 'm1', 'm3']);
      expect(items[0]).toMatchObject({ status: 'unfinished' });
      expect(await at.store.lastMessage(C)).toMatchObject({ messageId: 'm3' });
    });

    test('the last of none is undefined', async () => {
      expect(await at.store.lastMessage(C)).toBeUndefined();
    });

    test.each([1, 2, 5, 6])('in pages of %i each exactly once', async (n) => {
      for (let index = 0; index < 5; index += 1) {
        await at.store.upsertMessage(aMessage(`m${index}`), 0);
      }

      const got = await pages(list, n);

      expect(messageIds(got.flat())).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']);
      expect(got).toHaveLength(Math.ceil(5 / n));
    });

    test('a cursor survives updates, and what is added while paging comes last', async () => {
      for (const id of ['m0', 'm1', 'm2']) await at.store.upsertMessage(aMessage(id), 0);

      const got = await pages(list, 2, async () => {
        await at.store.upsertMessage(aMessage('m0'), 5);
        await at.store.upsertMessage(aMessage('m3'), 0);
      });

      expect(messageIds(got.flat())).toEqual(['m0', 'm1', 'm2', 'm3']);
    });

    test.each(NOT_CURSORS)('refuses %j as a cursor', async (cursor) => {
      await expect(list({ limit: 10, cursor })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    });

    test('a cursor of the list of conversations is none of messages', async () => {
      await at.store.ensure(aConversation({ conversationId: 'other' }));
      const { nextCursor } = await at.store.list(aConversation().owner, {
        limit: 1,
        cursor: undefined,
      });

      expect(nextCursor).not.toBeNull();
      await expect(list({ limit: 1, cursor: nextCursor ?? '' })).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
      });
    });
  });

  describe('some, and how they are linked', () => {
    const ODD = ['"', '"quoted"', 'a\u0000b', '\ud800', '🐙', ''];

    beforeEach(async () => {
      await at.store.ensure(aConversation());
    });

    test('come in the order asked for, without those that are not there', async () => {
      for (const id of ['m1', 'm2', 'm3']) await at.store.upsertMessage(aMessage(id), 0);

      const found = await at.store.some(C, ['m3', 'nobody', 'm1']);

      expect(messageIds(found)).toEqual(['m3', 'm1']);
      expect(await at.store.some(C, [])).toEqual([]);
      expect(await at.store.some('other', ['m1'])).toEqual([]);
    });

    test('links are in the order in which the messages came, whatever their ids are', async () => {
      const links = ODD.map((messageId, index) => {
        return { messageId, parentMessageId: ODD[index - 1] ?? null };
      });
      for (const { messageId, parentMessageId } of links) {
        await at.store.upsertMessage(aMessage(messageId, { parentMessageId }), 0);
      }
      await at.store.upsertMessage(aMessage('"'), 1);
      await at.store.upsertMessage(aMessage('last', { parentMessageId: 'nobody' }), 0);
      await at.store.upsertMessage(aMessage('last', { parentMessageId: '🐙' }), 1);
      links.push({ messageId: 'last', parentMessageId: '🐙' });

      expect(await at.store.links(C)).toEqual(links);
      expect(messageIds(await at.store.some(C, ODD))).toEqual(ODD);
      expect(await at.store.links('other')).toEqual([]);
    });
  });

  describe('branch', () => {
    beforeEach(async () => {
      await at.store.ensure(aConversation());
      const tree = { root: null, a: 'root', b: 'a', a2: 'root', b2: 'a2' };
      for (const [id, parentMessageId] of Object.entries(tree)) {
        await at.store.upsertMessage(aMessage(id, { parentMessageId }), 0);
      }
    });

    test.each([
      ['root', 'root'],
      ['b', 'root a b'],
      ['b2', 'root a2 b2'],
      ['a', 'root a'],
    ])('to %s is %s', async (leaf, branch) => {
      expect(messageIds(await at.store.branch(C, leaf)).join(' ')).toBe(branch);
    });

    test('to a message that is not there is empty', async () => {
      expect(await at.store.branch(C, 'nobody')).toEqual([]);
      expect(await at.store.branch('other', 'root')).toEqual([]);
    });

    test('begins where a parent is missing', async () => {
      await at.store.upsertMessage(aMessage('orphan', { parentMessageId: 'nobody' }), 0);

      expect(messageIds(await at.store.branch(C, 'orphan'))).toEqual(['orphan']);
    });

    test('ends where messages answer each other in a circle', async () => {
      await at.store.upsertMessage(aMessage('x', { parentMessageId: 'y' }), 0);
      await at.store.upsertMessage(aMessage('y', { parentMessageId: 'x' }), 0);

      expect(messageIds(await at.store.branch(C, 'x')).toSorted()).toEqual(['x', 'y']);
    });

    test('of 1,000 messages is whole', async () => {
      const ids = Array.from({ length: 1_000 }, (_, index) => `long${index}`);
      const write = (id: string, index: number) => {
        const parentMessageId = ids[index - 1] ?? null;
        return at.store.upsertMessage(aMessage(id, { parentMessageId }), 0);
      };
      // Many at once: a branch does not depend on the order in which its messages came.
      for (let from = 0; from < ids.length; from += 50) {
        await Promise.all(ids.slice(from, from + 50).map((id, n) => write(id, from + n)));
      }

      expect(messageIds(await at.store.branch(C, 'long999'))).toEqual(ids);
    });
  });
}
