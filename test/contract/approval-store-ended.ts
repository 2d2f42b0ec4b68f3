import { describe, expect, test } from '@jest/globals';
import type { EndedApproval, ProposedApproval } from '../../src/hitl/approval-store.ts';
import { anApproval, anEntry, aRule, type UnderTest } from './approval-store-kit.ts';
import { C, iso, OWNER } from './conversation-store-kit.ts';

/** endedBefore, proposedBefore, forget. */
export function describeEnded(at: UnderTest): void {
  const ended = async (actionId: string, ms: number): Promise<void> => {
    await at.store.open(anApproval(actionId, { ms }));
    await at.store.close(actionId, 'decided');
  };

  describe('approvals that ended', () => {
    test('are found by the time of their proposal, the oldest first, page by page', async () => {
      await ended('late', 30);
      await ended('b', 20);
      await ended('a', 20);
      await ended('first', 10);
      await at.store.open(anApproval('waits', { ms: 1 }));
      const seen: string[] = [];
      let after: EndedApproval | undefined;
      for (let page = 0; page < 4; page += 1) {
        const some = await at.store.endedBefore(iso(20), after, 2);
        seen.push(...some.map(({ actionId }) => actionId));
        after = some.at(-1) ?? after;
      }

      expect(seen).toEqual(['first', 'a', 'b']);
      expect(await at.store.endedBefore(iso(10), undefined, 10)).toEqual([
        { actionId: 'first', generationId: 'gen_1', createdAt: iso(10) },
      ]);
    });

    test('those that wait still are found too where all are asked for, deleted ones never', async () => {
      await ended('b', 20);
      await at.store.open(anApproval('waits', { ms: 20, conversationId: 'other' }));
      await ended('first', 10);
      await at.store.open(anApproval('late', { ms: 30 }));
      await ended('deleted', 5);
      await at.store.forget('deleted');
      await at.store.close('unopened', 'expired');
      const seen: ProposedApproval[] = [];
      let after: ProposedApproval | undefined;
      for (let page = 0; page < 3; page += 1) {
        const some = await at.store.proposedBefore(iso(20), after, 2);
        seen.push(...some);
        after = some.at(-1) ?? after;
      }

      const row = { generationId: 'gen_1', conversationId: C };
      expect(seen).toEqual([
        { actionId: 'first', ...row, createdAt: iso(10) },
        { actionId: 'b', ...row, createdAt: iso(20) },
        { actionId: 'waits', ...row, conversationId: 'other', createdAt: iso(20) },
      ]);
    });

    test('one that is forgotten is gone with its trail, and late writers do not bring it back', async () => {
      await ended('old', 1);
      await at.store.addAudit('old', '1', anEntry());
      await at.store.addRule(OWNER, aRule('rule', { actionId: 'old' }));
      await ended('other', 1);
      await at.store.forget('old');
      await at.store.addAudit('old', '2', anEntry());
      await at.store.open(anApproval('old', { ms: 1 }));
      await at.store.close('old', 'expired');

      expect(await at.store.get('old')).toBeUndefined();
      expect(await at.store.audit('old')).toEqual([]);
      expect(await at.store.endedBefore(iso(99), undefined, 10)).toMatchObject([
        { actionId: 'other' },
      ]);
      expect(await at.store.rulesOf(OWNER)).toHaveLength(1);

      await at.store.deleteConversation(C);

      expect(await at.store.endedBefore(iso(99), undefined, 10)).toEqual([]);
    });
  });
}
