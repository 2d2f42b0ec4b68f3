import { describe, expect, test } from '@jest/globals';
import {
  aConversation,
  aMessage,
  C,
  iso,
  NOT_CURSORS,
  OWNER,
  pages,
} from './conversation-store-kit.ts';
import type { UnderTest } from './conversation-store-kit.ts';
import type { IdleConversation } from '../../src/stream/conversation-store.ts';

/** ensure, get, setTitle, touch, delete, purgeable. */
export function describeConversations(at: UnderTest): void {
  const list = async (limit = 100) =>
    (await at.store.list(OWNER, { limit, cursor: undefined })).items;

  describe('one conversation', () => {
    test('is made once, and made again changes nothing', async () => {
      expect(await at.store.ensure(aConversation({ title: 'first' }))).toBe(true);
      expect(await at.store.ensure(aConversation({ title: 'second', updatedAt: iso(9) }))).toBe(
        true,
      );

      expect(await at.store.get(C)).toEqual(aConversation({ title: 'first' }));
    });

    test('what is not there is undefined', async () => {
      expect(await at.store.get('conv_none')).toBeUndefined();
      expect(await at.store.setTitle('conv_none', 'title', 'user')).toBeUndefined();
      await at.store.touch('conv_none', iso(1), null);
      expect(await at.store.get('conv_none')).toBeUndefined();
    });

    test('a generated title fills a gap and never overwrites', async () => {
      await at.store.ensure(aConversation());

      expect(await at.store.setTitle(C, 'one', 'generated')).toEqual(
        aConversation({ title: 'one' }),
      );
      expect(await at.store.setTitle(C, 'two', 'generated')).toMatchObject({ title: 'one' });
      expect(await at.store.get(C)).toMatchObject({ title: 'one' });
    });

    test('a user’s title always stays', async () => {
      await at.store.ensure(aConversation({ title: 'generated' }));

      expect(await at.store.setTitle(C, 'mine', 'user')).toMatchObject({ title: 'mine' });
      await at.store.setTitle(C, 'late', 'generated');
      expect(await at.store.get(C)).toMatchObject({ title: 'mine' });
    });

    test('of concurrent generated titles one stays', async () => {
      await at.store.ensure(aConversation());

      const titled = await Promise.all(
        ['a', 'b', 'c'].map((title) => at.store.setTitle(C, title, 'generated')),
      );

      expect(new Set(titled.map((record) => record?.title)).size).toBe(1);
    });

    test('a touch raises the time and never lowers it', async () => {
      await at.store.ensure(aConversation({ updatedAt: iso(5) }));

      await at.store.touch(C, iso(3), null);
      expect(await at.store.get(C)).toMatchObject({ updatedAt: iso(5) });

      await at.store.touch(C, iso(8), null);
      expect(await at.store.get(C)).toMatchObject({ updatedAt: iso(8), createdAt: iso(0) });
    });

    test('a touch puts off the purge of a temporary one, and only of such', async () => {
      await at.store.ensure(aConversation({ temporary: true, purgeAt: 100 }));
      await at.store.ensure(aConversation({ conversationId: 'kept' }));

      await at.store.touch(C, iso(1), 300);
      await at.store.touch(C, iso(2), 200);
      await at.store.touch(C, iso(3), null);
      await at.store.touch('kept', iso(1), 300);

      expect(await at.store.get(C)).toMatchObject({ purgeAt: 300 });
      expect(await at.store.get('kept')).toMatchObject({ purgeAt: null });
    });

    test('a temporary one that is kept is listed, and purged no more', async () => {
      const forkedFrom = { conversationId: 'source', messageId: 'm1' };
      const record = aConversation({ temporary: true, purgeAt: 100, forkedFrom });
      await at.store.ensure(record);
      expect(await list()).toEqual([]);

      const kept = { ...record, temporary: false, purgeAt: null, updatedAt: iso(7) };
      expect(await at.store.keep(C, iso(7))).toEqual(kept);
      await at.store.touch(C, iso(7), 300);

      expect(await at.store.get(C)).toEqual(kept);
      expect(await list()).toMatchObject([{ conversationId: C }]);
      expect(await at.store.purgeable(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    });

    test('what is kept already, condemned, or not there is not kept', async () => {
      await at.store.ensure(aConversation());
      await at.store.ensure(aConversation({ conversationId: 'condemned' }));
      await at.store.condemn('condemned');

      expect(await at.store.keep(C, iso(7))).toEqual(aConversation());
      await at.store.keep('condemned', iso(7));
      expect(await at.store.keep('conv_none', iso(7))).toBeUndefined();

      expect(await at.store.purgeable(1, 10)).toEqual(['condemned']);
      await at.store.delete(C);
      expect(await at.store.keep(C, iso(9))).toBeUndefined();
    });

    test('texts may hold anything a string can', async () => {
      const odd = 'a\u0000b\ud800"\\🐙\n';
      const record = aConversation({ conversationId: odd, title: odd });
      await at.store.ensure(record);
      const message = aMessage(odd, {
        conversationId: odd,
        content: [{ type: 'text', text: odd }],
      });
      await at.store.upsertMessage(message, 0);

      expect(await at.store.get(odd)).toEqual(record);
      expect(await at.store.message(odd, odd)).toEqual(message);
      expect(await at.store.get('a')).toBeUndefined();
    });
  });

  describe('deleting', () => {
    test('takes the conversation and its messages away', async () => {
      await at.store.ensure(aConversation());
      await at.store.upsertMessage(aMessage('m1'), 0);

      await at.store.delete(C);

      expect(await at.store.get(C)).toBeUndefined();
      expect(await at.store.message(C, 'm1')).toBeUndefined();
      expect(await at.store.lastMessage(C)).toBeUndefined();
      expect(await at.store.branch(C, 'm1')).toEqual([]);
      expect((await at.store.messages(C, { limit: 9, cursor: undefined })).items).toEqual([]);
      expect(await list()).toEqual([]);
    });

    test('is for good: no late writer brings it back', async () => {
      await at.store.ensure(aConversation());
      await at.store.delete(C);
      await at.store.delete(C);

      expect(await at.store.ensure(aConversation())).toBe(false);
      expect(await at.store.upsertMessage(aMessage('m1'), 9)).toBe('gone');
      expect(await at.store.setTitle(C, 'title', 'user')).toBeUndefined();
      await at.store.touch(C, iso(9), 1);
      expect(await at.store.get(C)).toBeUndefined();
      expect(await at.store.message(C, 'm1')).toBeUndefined();
      expect(await at.store.purgeable(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    });

    test('leaves the others alone', async () => {
      await at.store.ensure(aConversation());
      await at.store.ensure(aConversation({ conversationId: 'other' }));
      await at.store.upsertMessage(aMessage('m1', { conversationId: 'other' }), 0);

      await at.store.delete(C);

      expect(await at.store.message('other', 'm1')).toBeDefined();
      expect(await list()).toMatchObject([{ conversationId: 'other' }]);
    });
  });

  describe('condemn', () => {
    test('takes it from the list and makes it purgeable, and it is not gone yet', async () => {
      await at.store.ensure(aConversation());
      await at.store.ensure(aConversation({ conversationId: 'other' }));
      await at.store.upsertMessage(aMessage('m1'), 0);

      await at.store.condemn(C);
      await at.store.condemn(C);
      await at.store.touch(C, iso(9), null);

      expect(await list()).toMatchObject([{ conversationId: 'other' }]);
      expect(await at.store.purgeable(1, 10)).toEqual([C]);
      expect(await at.store.get(C)).toMatchObject({ purgeAt: 0 });
      expect(await at.store.message(C, 'm1')).toBeDefined();
    });

    test('of what is not there, or gone already, changes nothing', async () => {
      await at.store.ensure(aConversation());
      await at.store.delete(C);

      await at.store.condemn(C);
      await at.store.condemn('other');

      expect(await at.store.purgeable(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
      expect(await at.store.get('other')).toBeUndefined();
    });
  });

  describe('purgeable', () => {
    test('temporary conversations at or past their time, soonest first, at most as many as asked for', async () => {
      const times = { late: 30, early: 10, middle: 20 };
      for (const [conversationId, purgeAt] of Object.entries(times)) {
        await at.store.ensure(aConversation({ conversationId, temporary: true, purgeAt }));
      }
      await at.store.ensure(aConversation({ conversationId: 'kept' }));
      await at.store.ensure(aConversation({ conversationId: 'unset', temporary: true }));

      expect(await at.store.purgeable(9, 10)).toEqual([]);
      expect(await at.store.purgeable(20, 10)).toEqual(['early', 'middle']);
      expect(await at.store.purgeable(Number.MAX_SAFE_INTEGER - 1, 2)).toEqual(['early', 'middle']);
    });
  });

  describe('idleSince', () => {
    test('what nobody touched since, the longest first, without temporary and deleted ones', async () => {
      for (const [conversationId, ms] of [
        ['new', 30],
        ['old', 10],
        ['b', 20],
        ['a', 20],
        ['gone', 5],
        ['touched', 1],
      ] as const) {
        await at.store.ensure(aConversation({ conversationId, updatedAt: iso(ms) }));
      }
      await at.store.ensure(aConversation({ conversationId: 'temp', temporary: true, purgeAt: 1 }));
      await at.store.delete('gone');
      await at.store.touch('touched', iso(40), null);
      const seen: string[] = [];
      let after: IdleConversation | undefined;
      for (let page = 0; page < 5; page += 1) {
        const idle = await at.store.idleSince(iso(20), after, 2);
        seen.push(...idle.map(({ conversationId }) => conversationId));
        after = idle.at(-1) ?? after;
      }

      expect(seen).toEqual(['old', 'a', 'b']);
      expect(await at.store.idleSince(iso(9), undefined, 10)).toEqual([]);
      expect(await at.store.idleSince(iso(10), undefined, 10)).toEqual([
        { conversationId: 'old', updatedAt: iso(10) },
      ]);
    });
  });
}

export function describeList(at: UnderTest): void {
  const list = (page: { limit: number; cursor: string | undefined }) => at.store.list(OWNER, page);
  const make = (conversationId: string, updatedAt: number) =>
    at.store.ensure(aConversation({ conversationId, updatedAt: iso(updatedAt) }));

  describe('list', () => {
    test('shows what a client may see of a conversation', async () => {
      await at.store.ensure(aConversation({ title: 'title' }));

      expect(await list({ limit: 1, cursor: undefined })).toEqual({
        items: [
          {
            conversationId: C,
            title: 'title',
            temporary: false,
            createdAt: iso(0),
            updatedAt: iso(0),
          },
        ],
        nextCursor: null,
      });
    });

    test('the owner’s only, none that are temporary, newest first', async () => {
      await make('old', 1);
      await make('new', 3);
      await make('middle', 2);
      const other = { tenantId: 'other', userId: 'user' };
      await at.store.ensure(aConversation({ conversationId: 'foreign', owner: other }));
      const swapped = { tenantId: 'user', userId: 'tenant' };
      await at.store.ensure(aConversation({ conversationId: 'swapped', owner: swapped }));
      const temporary = { temporary: true, purgeAt: 9 };
      await at.store.ensure(aConversation({ conversationId: 'secret', ...temporary }));
      await at.store.ensure(aConversation({ conversationId: 'secret2', temporary: true }));

      const { items } = await list({ limit: 10, cursor: undefined });

      expect(items.map(({ conversationId }) => conversationId)).toEqual(['new', 'middle', 'old']);
    });

    test('a touch brings one to the front', async () => {
      await make('a', 1);
      await make('b', 2);

      await at.store.touch('a', iso(3), null);

      const { items } = await list({ limit: 10, cursor: undefined });
      expect(items.map(({ conversationId }) => conversationId)).toEqual(['a', 'b']);
    });

    test.each([1, 2, 3, 7, 8])('in pages of %i, with equal times, each exactly once', async (n) => {
      for (let index = 0; index < 7; index += 1) await make(`c${index}`, index % 2);

      const got = await pages(list, n);

      expect(got.flat().map(({ conversationId }) => conversationId)).toEqual(
        'c5 c3 c1 c6 c4 c2 c0'.split(' '),
      );
      expect(got).toHaveLength(Math.ceil(7 / n));
    });

    test('a cursor survives new conversations and vanished ones, also its own', async () => {
      for (let index = 0; index < 6; index += 1) await make(`c${index}`, index);
      let fresh = 100;

      const got = await pages(list, 2, async () => {
        fresh += 1;
        await make(`fresh${fresh}`, fresh);
        await at.store.delete('c4');
        await at.store.delete('c5');
      });

      expect(got.flat().map(({ conversationId }) => conversationId)).toEqual(
        'c5 c4 c3 c2 c1 c0'.split(' '),
      );
    });

    test.each(NOT_CURSORS)('refuses %j as a cursor', async (cursor) => {
      await make('a', 1);

      await expect(list({ limit: 10, cursor })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    });
  });
}
