import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ApprovalStore } from '../../src/hitl/approval-store.ts';
import type { ConversationStore } from '../../src/stream/conversation-store.ts';
import type { ErasureStore } from '../../src/user-data/erasure-store.ts';
import { aRule, ODD } from './approval-store-kit.ts';

/** What the deletion of a user's data needs of its stores, whatever keeps them. */

export interface ErasureFixture {
  erasures: ErasureStore;
  conversations: ConversationStore;
  approvals: ApprovalStore;
  destroy(): void | Promise<void>;
}

const ANN = { tenantId: 't', userId: ODD.join(' ') };
const BOB = { tenantId: 't', userId: 'bob' };
const AT = new Date(0).toISOString();
const ALL = { limit: 10, cursor: undefined };

export function describeErasureStore(
  name: string,
  create: () => ErasureFixture | Promise<ErasureFixture>,
): void {
  describe(`ErasureStore: ${name}`, () => {
    let it: ErasureFixture;

    beforeEach(async () => {
      it = await create();
    });

    afterEach(async () => {
      await it.destroy();
    });

    test('a request is pending until it is done; the later one of two holds', async () => {
      await it.erasures.request({ owner: ANN, requestedAt: 5 });
      await it.erasures.request({ owner: ANN, requestedAt: 9 });
      await it.erasures.request({ owner: ANN, requestedAt: 7 });
      await it.erasures.request({ owner: BOB, requestedAt: 6 });

      expect(await it.erasures.pending(10)).toEqual([
        { owner: BOB, requestedAt: 6 },
        { owner: ANN, requestedAt: 9 },
      ]);
      expect(await it.erasures.pending(1)).toEqual([{ owner: BOB, requestedAt: 6 }]);
      await it.erasures.done({ owner: ANN, requestedAt: 8 });
      await it.erasures.done({ owner: BOB, requestedAt: 6 });
      expect(await it.erasures.pending(10)).toEqual([{ owner: ANN, requestedAt: 9 }]);
    });

    test('every conversation of an owner is found, temporary and condemned ones too', async () => {
      const add = (conversationId: string, owner: typeof ANN, temporary: boolean) =>
        it.conversations.ensure({
          conversationId,
          owner,
          title: null,
          temporary,
          createdAt: AT,
          updatedAt: AT,
          purgeAt: temporary ? 99 : null,
        });
      for (const id of ['c3', 'c1', 'c4', 'c2']) await add(id, ANN, id === 'c2');
      await add('other', BOB, false);
      await it.conversations.condemn('c3');
      await it.conversations.delete('c4');

      const first = await it.conversations.allOf(ANN, { limit: 2, cursor: undefined });
      const second = await it.conversations.allOf(ANN, {
        limit: 2,
        cursor: first.nextCursor ?? '',
      });

      const ids = [...first.items, ...second.items].map(({ conversationId }) => conversationId);
      expect(ids).toEqual(['c1', 'c2', 'c3']);
      expect(second.nextCursor).toBeNull();
    });

    test('the rules of an owner go, revoked ones too, and nobody else’s', async () => {
      await it.approvals.addRule(ANN, aRule('r1'));
      await it.approvals.addRule(ANN, aRule('r2'));
      await it.approvals.revokeRule(ANN, 'r2');
      await it.approvals.addRule(BOB, aRule('r1'));

      await it.approvals.deleteRules(ANN);
      // An id that is known would not be taken again.
      await it.approvals.addRule(ANN, aRule('r2'));

      const left = await it.approvals.rules(ANN, ALL);
      expect(left.items.map(({ ruleId }) => ruleId)).toEqual(['r2']);
      expect((await it.approvals.rules(BOB, ALL)).items).toHaveLength(1);
    });
  });
}
