import { describe, expect, test } from '@jest/globals';
import type { PageRequest } from '../../src/stream/conversation-store.ts';
import {
  ALL,
  anApproval,
  anEntry,
  aRule,
  ODD,
  ruleIds,
  type UnderTest,
} from './approval-store-kit.ts';
import { C, iso, NOT_CURSORS, ODD_JSON, OWNER, pages } from './conversation-store-kit.ts';

/** Standing rules. */
export function describeRules(at: UnderTest): void {
  const inForce = async (owner = OWNER) => ruleIds(await at.store.rulesOf(owner));
  const listed = async (owner = OWNER) => ruleIds((await at.store.rules(owner, ALL)).items);
  const list = (page: PageRequest) => at.store.rules(OWNER, page);
  const add = (ruleId: string, ms: number) =>
    at.store.addRule(OWNER, aRule(ruleId, { createdAt: iso(ms) }));

  describe('standing rules', () => {
    test('come back as they were made: in force oldest first, listed newest first', async () => {
      const [b, a, c] = [
        aRule('b', { createdAt: iso(1) }),
        aRule('a', { createdAt: iso(3), conversationId: C }),
        aRule('c', { createdAt: iso(2), conditions: ODD_JSON }),
      ];
      for (const rule of [b, a, c]) await at.store.addRule(OWNER, rule);

      expect(await at.store.rulesOf(OWNER)).toEqual([b, c, a]);
      expect(await at.store.rules(OWNER, ALL)).toEqual({ items: [a, c, b], nextCursor: null });
    });

    test('one that is there stays as it is', async () => {
      await at.store.addRule(OWNER, aRule('r', { tool: 'first' }));

      await Promise.all(
        Array.from({ length: 20 }, () => at.store.addRule(OWNER, aRule('r', { tool: 'second' }))),
      );

      expect(await at.store.rulesOf(OWNER)).toEqual([aRule('r', { tool: 'first' })]);
    });

    test('a revoked one is told, is in force no more, and stays revoked', async () => {
      await at.store.addRule(OWNER, aRule('r'));
      await at.store.addRule(OWNER, aRule('other'));

      expect(await at.store.revokeRule(OWNER, 'r')).toEqual(aRule('r'));
      expect(await at.store.revokeRule(OWNER, 'r')).toBeUndefined();
      await at.store.addRule(OWNER, aRule('r'));

      expect(await inForce()).toEqual(['other']);
      expect(await listed()).toEqual(['other']);
      expect(await at.store.revokeRule(OWNER, 'r')).toBeUndefined();
    });

    test('of many who revoke it one is told', async () => {
      await at.store.addRule(OWNER, aRule('r'));

      const told = await Promise.all(
        Array.from({ length: 20 }, () => at.store.revokeRule(OWNER, 'r')),
      );

      expect(told.filter((rule) => rule !== undefined)).toEqual([aRule('r')]);
    });

    test('are their owner’s alone, whatever their ids', async () => {
      const others = [
        { tenantId: 'other', userId: 'user' },
        { tenantId: 'tenant', userId: 'other' },
        { tenantId: 'user', userId: 'tenant' },
      ];
      await at.store.addRule(OWNER, aRule('r', { tool: 'mine' }));
      for (const [index, other] of others.entries()) {
        expect(await at.store.revokeRule(other, 'r')).toBeUndefined();
        await at.store.addRule(other, aRule('r', { tool: `theirs${index}` }));
      }

      for (const [index, other] of others.entries()) {
        expect(await at.store.rulesOf(other)).toMatchObject([{ tool: `theirs${index}` }]);
        expect((await at.store.rules(other, ALL)).items).toHaveLength(1);
        expect(await at.store.revokeRule(other, 'r')).toMatchObject({ tool: `theirs${index}` });
      }
      expect(await at.store.rulesOf(OWNER)).toMatchObject([{ tool: 'mine' }]);
    });

    test('ids and names may hold anything a string can', async () => {
      for (const odd of ODD) {
        await at.store.addRule({ tenantId: odd, userId: odd }, aRule(odd, { tool: odd }));
      }

      for (const odd of ODD) {
        const owner = { tenantId: odd, userId: odd };
        expect(await at.store.rulesOf(owner)).toEqual([aRule(odd, { tool: odd })]);
        expect(await at.store.revokeRule(owner, odd)).toBeDefined();
      }
    });

    test('those of a deleted conversation go with it, whosesoever; the others stay', async () => {
      const bob = { tenantId: 'tenant', userId: 'bob' };
      await at.store.open(anApproval('act'));
      await at.store.addAudit('act', 'rule', anEntry({ event: 'rule_created' }));
      await at.store.addRule(OWNER, aRule('here', { conversationId: C }));
      await at.store.addRule(bob, aRule('theirs', { conversationId: C }));
      await at.store.addRule(OWNER, aRule('everywhere', { actionId: 'act' }));
      await at.store.addRule(OWNER, aRule('there', { conversationId: 'other' }));

      await at.store.deleteConversation(C);

      expect((await inForce()).toSorted()).toEqual(['everywhere', 'there']);
      expect(await inForce(bob)).toEqual([]);
    });
  });

  describe('pages of standing rules', () => {
    test.each([1, 2, 3, 7, 8])('of %i, with equal times, each exactly once', async (n) => {
      for (let index = 0; index < 7; index += 1) await add(`r${index}`, index % 2);

      const got = await pages(list, n);

      expect(ruleIds(got.flat())).toEqual('r5 r3 r1 r6 r4 r2 r0'.split(' '));
      expect(got).toHaveLength(Math.ceil(7 / n));
    });

    test('a cursor survives new ones and revoked ones, also its own', async () => {
      for (let index = 0; index < 6; index += 1) await add(`r${index}`, index);
      let fresh = 100;

      const got = await pages(list, 2, async () => {
        fresh += 1;
        await add(`fresh${fresh}`, fresh);
        await at.store.revokeRule(OWNER, 'r4');
        await at.store.revokeRule(OWNER, 'r5');
      });

      expect(ruleIds(got.flat())).toEqual('r5 r4 r3 r2 r1 r0'.split(' '));
    });

    test.each(NOT_CURSORS)('refuses %j as a cursor', async (cursor) => {
      await expect(list({ limit: 10, cursor })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    });
  });
}
