import { describe, expect, test } from '@jest/globals';
import type { ApprovalRecord } from '../../src/hitl/approval-store.ts';
import type { PageRequest } from '../../src/stream/conversation-store.ts';
import {
  actionIds,
  ALL,
  anApproval,
  NOBODY,
  ODD,
  viewer,
  type UnderTest,
} from './approval-store-kit.ts';
import { NOT_CURSORS, pages } from './conversation-store-kit.ts';

/** Who sees which pending approvals. */
export function describePending(at: UnderTest): void {
  const seenBy = async (who: Parameters<typeof at.store.pending>[0]) =>
    actionIds((await at.store.pending(who, ALL)).items);
  const open = async (...records: ApprovalRecord[]) => {
    for (const record of records) await at.store.open(record);
  };
  const owner = viewer('user');
  const list = (page: PageRequest) => at.store.pending(viewer('user', 'ops'), page);

  /** Seven that are the viewer's in one way or another; equal times in between. */
  async function openSeven(): Promise<void> {
    for (let index = 0; index < 7; index += 1) {
      const foreign = { owner: { tenantId: 'tenant', userId: 'bob' }, approverRoles: ['ops'] };
      const whose = index % 3 === 0 ? { approverRoles: ['ops'] } : foreign;
      await open(anApproval(`act${index}`, { ms: index % 2, ...whose }));
    }
  }

  describe('pending', () => {
    test('whole records, newest first, none that has ended', async () => {
      const [old, over, fresh, middle] = [
        anApproval('old', { ms: 1 }),
        anApproval('over', { ms: 2 }),
        anApproval('fresh', { ms: 4 }),
        anApproval('middle', { ms: 3 }),
      ];
      await open(old, over, fresh, middle);

      await at.store.close('over', 'expired');

      expect(await at.store.pending(owner, ALL)).toEqual({
        items: [fresh, middle, old],
        nextCursor: null,
      });
    });

    test('by role: one of those who may decide, and nobody else', async () => {
      await open(anApproval('act', { approverRoles: ['finance', 'ops'] }), anApproval('mine'));

      expect(await seenBy(viewer('ann', 'ops'))).toEqual(['act']);
      expect(await seenBy(viewer('ann', 'sales', 'finance'))).toEqual(['act']);
      expect(await seenBy(viewer('ann', 'sales'))).toEqual([]);
      expect(await seenBy(NOBODY)).toEqual([]);
    });

    test('once, however many of the viewer’s roles may decide, also the owner’s', async () => {
      await open(anApproval('act', { approverRoles: ['finance', 'ops', 'ops'] }));

      expect(await seenBy(viewer('ann', 'ops', 'finance', 'ops'))).toEqual(['act']);
      expect(await seenBy(viewer('user', 'ops', 'finance'))).toEqual(['act']);
    });

    test('the owner sees it also where four eyes are wanted', async () => {
      await open(anApproval('act', { fourEyes: true, approverRoles: ['ops'] }));

      expect(await seenBy(owner)).toEqual(['act']);
    });

    test('tenants, users and roles are never taken for each other', async () => {
      await open(anApproval('act', { approverRoles: ['ops', 'user:eve', 'role:x'] }));

      const strangers = [
        { tenantId: 'other', userId: 'user', roles: ['ops'] },
        { tenantId: 'user', userId: 'tenant', roles: [] },
        viewer('ops'),
        viewer('role:ops'),
        viewer('eve'),
        viewer('x', 'user', 'user:user', 'x', 'OPS', 'op%', 'op'),
      ];
      for (const stranger of strangers) expect(await seenBy(stranger)).toEqual([]);
    });

    test('names may hold anything a string can', async () => {
      for (const [index, odd] of ODD.entries()) {
        const roles = { owner: { tenantId: odd, userId: odd }, approverRoles: [odd] };
        await open(anApproval(`act${index}`, roles));
      }

      for (const [index, odd] of ODD.entries()) {
        const tenantId = odd;
        expect(await seenBy({ tenantId, userId: odd, roles: [] })).toEqual([`act${index}`]);
        expect(await seenBy({ tenantId, userId: 'x', roles: [odd] })).toEqual([`act${index}`]);
      }
    });

    test('whoever is shown one is shown no more when it has ended', async () => {
      await open(anApproval('act', { approverRoles: ['ops'] }));

      await at.store.close('act', 'decided');

      expect(await seenBy(owner)).toEqual([]);
      expect(await seenBy(viewer('ann', 'ops'))).toEqual([]);
    });
  });

  describe('pages of pending approvals', () => {
    test.each([1, 2, 3, 7, 8])('of %i, with equal times, each exactly once', async (n) => {
      await openSeven();

      const got = await pages(list, n);

      expect(actionIds(got.flat())).toEqual('act5 act3 act1 act6 act4 act2 act0'.split(' '));
      expect(got).toHaveLength(Math.ceil(7 / n));
    });

    test('a cursor survives new ones and endings, also of its own', async () => {
      await openSeven();
      let fresh = 100;

      const got = await pages(list, 2, async () => {
        fresh += 1;
        await open(anApproval(`fresh${fresh}`, { ms: fresh }));
        await at.store.close('act5', 'decided');
        await at.store.close('act3', 'decided');
        await at.store.close('act6', 'decided');
      });

      expect(actionIds(got.flat())).toEqual('act5 act3 act1 act4 act2 act0'.split(' '));
    });

    test.each(NOT_CURSORS)('refuses %j as a cursor', async (cursor) => {
      await expect(list({ limit: 10, cursor })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    });
  });
}
