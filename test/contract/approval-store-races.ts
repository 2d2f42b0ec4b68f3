import { describe, expect, test } from '@jest/globals';
import { ALL, anApproval, anEntry, aRule, ruleIds, type UnderTest } from './approval-store-kit.ts';
import { C, iso, OWNER } from './conversation-store-kit.ts';

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

const numbered = (index: number) =>
  anApproval('act', { generationId: `gen${index}`, approverRoles: [`role${index}`] });

/** What only a store with several writers at once can break. */
export function describeApprovalRaces(at: UnderTest): void {
  const pending = async () => (await at.store.pending({ ...OWNER, roles: [] }, ALL)).items;
  const line = (index: number) =>
    at.store.addAudit('act', `entry${index}`, anEntry({ at: iso(index % 5), by: `${index}` }));

  describe('races', () => {
    test('an opening, an ending and 50 lines at once are all there afterwards', async () => {
      await Promise.all([
        ...times(25, line),
        at.store.open(anApproval('act')),
        at.store.close('act', 'decided'),
        ...times(25, (index) => line(25 + index)),
      ]);

      expect(await at.store.get('act')).toEqual({ ...anApproval('act'), status: 'decided' });
      expect(await pending()).toEqual([]);
      const trail = await at.store.audit('act');
      expect(trail.map(({ at }) => at)).toEqual(trail.map(({ at }) => at).toSorted());
      expect(new Set(trail.map(({ by }) => by)).size).toBe(50);
      expect(trail).toHaveLength(50);
    });

    test('of 20 openings at once one stays, whole', async () => {
      await Promise.all(times(20, (index) => at.store.open(numbered(index))));

      const kept = await at.store.get('act');
      expect(kept).toEqual(numbered(Number(kept?.generationId.slice('gen'.length))));
      expect(await pending()).toEqual([kept]);
    });

    test('a deletion among writers leaves nothing of what was there, and nothing comes back', async () => {
      await at.store.open(anApproval('act'));
      await at.store.addRule(OWNER, aRule('here', { conversationId: C }));
      const writers = (index: number) => [
        line(index),
        at.store.open(anApproval('act')),
        at.store.close('act', 'decided'),
        at.store.revokeRule(OWNER, 'here'),
      ];

      await Promise.all([
        ...times(10, writers).flat(),
        at.store.deleteConversation(C),
        ...times(10, (index) => writers(10 + index)).flat(),
      ]);

      expect(await at.store.get('act')).toBeUndefined();
      expect(await at.store.audit('act')).toEqual([]);
      expect(await pending()).toEqual([]);
      expect(ruleIds(await at.store.rulesOf(OWNER))).toEqual([]);
    });
  });
}
