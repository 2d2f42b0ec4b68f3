import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ApprovalStore } from '../../src/hitl/approval-store.ts';
import { pendingActionSchema } from '../../src/stream/pending-action.ts';
import { ALL, anApproval, anEntry, ODD, type UnderTest } from './approval-store-kit.ts';
import { describePending } from './approval-store-pending.ts';
import { describeApprovalRaces } from './approval-store-races.ts';
import { describeEnded } from './approval-store-ended.ts';
import { describeRules } from './approval-store-rules.ts';
import { C, iso, ODD_JSON, OWNER } from './conversation-store-kit.ts';

/** What every `ApprovalStore` must do (src/hitl/approval-store.ts), whatever keeps it. */

export interface ApprovalStoreFixture {
  store: ApprovalStore;
  destroy(): void | Promise<void>;
}

export interface ApprovalStoreSuite {
  name: string;
  create: () => ApprovalStoreFixture | Promise<ApprovalStoreFixture>;
}

export function describeApprovalStore({ name, create }: ApprovalStoreSuite): void {
  describe(`ApprovalStore: ${name}`, () => {
    let fixture: ApprovalStoreFixture;
    const at: UnderTest = {
      get store() {
        return fixture.store;
      },
    };

    beforeEach(async () => {
      fixture = await create();
    });

    afterEach(async () => {
      await fixture.destroy();
    });

    describeLife(at);
    describePending(at);
    describeAudit(at);
    describeRules(at);
    describeEnded(at);
    describeDeletion(at);
    describeApprovalRaces(at);
  });
}

const pendingOf = async ({ store }: UnderTest) =>
  (await store.pending({ ...OWNER, roles: [] }, ALL)).items;

function describeLife(at: UnderTest): void {
  describe('one approval', () => {
    test('comes back as it was opened', async () => {
      const record = anApproval('act', { approverRoles: ['finance', 'ops'], fourEyes: true });

      await at.store.open(record);

      expect(await at.store.get('act')).toEqual(record);
      expect(await at.store.get('other')).toBeUndefined();
    });

    test('what a graph asks in its own form comes back as it was', async () => {
      const { action, ...rest } = anApproval('act');
      const value = { '': [null, 1.5, true, '🐙'], $set: { 'a.b': {} } };
      const responseSchema = { $schema: 'x', properties: { $ref: { type: 'string' } } };
      const { kind: _kind, ...head } = action;
      const custom = { ...head, kind: 'custom' as const, value, responseSchema, path: ['call_1'] };
      const record = { ...rest, action: pendingActionSchema.parse(custom) };

      await at.store.open(record);

      expect(await at.store.get('act')).toEqual(record);
      expect(await pendingOf(at)).toEqual([record]);
    });

    test('opened again stays as it is, pending or not', async () => {
      await at.store.open(anApproval('act', { generationId: 'first', approverRoles: ['ops'] }));
      await at.store.open(anApproval('act', { generationId: 'second', approverRoles: ['all'] }));
      expect(await at.store.get('act')).toMatchObject({ generationId: 'first' });
      expect(await pendingOf(at)).toHaveLength(1);

      await at.store.close('act', 'decided');
      await at.store.open(anApproval('act', { generationId: 'third' }));

      expect(await at.store.get('act')).toMatchObject({
        generationId: 'first',
        approverRoles: ['ops'],
        status: 'decided',
      });
      expect(await pendingOf(at)).toEqual([]);
    });

    test.each(['decided', 'expired', 'superseded', 'aborted'] as const)(
      'ends as %s, otherwise as it was',
      async (status) => {
        const record = anApproval('act', { approverRoles: ['finance'] });
        await at.store.open(record);

        await at.store.close('act', status);

        expect(await at.store.get('act')).toEqual({ ...record, status });
      },
    );

    test('a second ending changes nothing', async () => {
      await at.store.open(anApproval('act'));
      await at.store.close('act', 'aborted');

      await at.store.close('act', 'decided');

      expect(await at.store.get('act')).toMatchObject({ status: 'aborted' });
    });

    test('of 40 endings at once the first stays', async () => {
      await at.store.open(anApproval('act'));
      const seen = new Set<string | undefined>();
      const look = async () => void seen.add((await at.store.get('act'))?.status);

      const endings = (['expired', 'decided', 'superseded', 'aborted'] as const).flatMap((status) =>
        Array.from({ length: 10 }, () => at.store.close('act', status).then(look)),
      );
      await Promise.all(endings);

      expect(seen.size).toBe(1);
      expect(seen.has('pending')).toBe(false);
    });

    test('an ending that comes first holds when it is opened', async () => {
      await at.store.close('act', 'expired');
      await at.store.close('act', 'decided');
      expect(await at.store.get('act')).toBeUndefined();

      await at.store.open(anApproval('act'));

      expect(await at.store.get('act')).toEqual({ ...anApproval('act'), status: 'expired' });
      expect(await pendingOf(at)).toEqual([]);
    });

    test('racing openings and endings never leave it pending', async () => {
      await Promise.all([
        at.store.open(anApproval('act')),
        at.store.close('act', 'decided'),
        at.store.open(anApproval('act')),
      ]);

      expect(await at.store.get('act')).toMatchObject({ status: 'decided' });
      expect(await pendingOf(at)).toEqual([]);
    });

    test('ids may hold anything a string can', async () => {
      for (const actionId of ODD) await at.store.open(anApproval(actionId));

      await at.store.close('a', 'decided');

      for (const actionId of ODD) {
        const status = actionId === 'a' ? 'decided' : 'pending';
        expect(await at.store.get(actionId)).toMatchObject({ actionId, status });
      }
    });
  });
}

function describeAudit(at: UnderTest): void {
  describe('the audit trail', () => {
    test('has its lines as they were given, oldest first, those of one moment as they came', async () => {
      const client = { address: '::1', userAgent: 'x\u0000\ud800' };
      const decided = anEntry({ at: iso(5), event: 'decided', by: 'ann', client });
      const ruled = anEntry({ at: iso(5), event: 'rule_created', by: 'ann', details: { n: [1] } });
      const proposed = anEntry({ at: iso(1) });
      await at.store.addAudit('act', 'z', decided);
      await at.store.addAudit('act', 'a', ruled);
      await at.store.addAudit('act', 'm', proposed);

      expect(await at.store.audit('act')).toEqual([proposed, decided, ruled]);
      expect(await at.store.audit('other')).toEqual([]);
    });

    test('its details may have any keys', async () => {
      await at.store.addAudit('act', '1', anEntry({ details: ODD_JSON }));

      expect(await at.store.audit('act')).toEqual([anEntry({ details: ODD_JSON })]);
    });

    test('takes each entry id once; the line that is there never changes', async () => {
      await at.store.addAudit('act', 'one', anEntry({ by: 'ann' }));

      await Promise.all(
        Array.from({ length: 20 }, () => at.store.addAudit('act', 'one', anEntry({ by: 'bob' }))),
      );

      expect(await at.store.audit('act')).toEqual([anEntry({ by: 'ann' })]);
    });

    test('the same entry id in another trail is another line', async () => {
      await at.store.addAudit('one', 'decided', anEntry({ by: 'ann' }));
      await at.store.addAudit('two', 'decided', anEntry({ by: 'bob' }));

      expect(await at.store.audit('one')).toEqual([anEntry({ by: 'ann' })]);
      expect(await at.store.audit('two')).toEqual([anEntry({ by: 'bob' })]);
    });

    test('goes on after the end', async () => {
      await at.store.open(anApproval('act'));
      await at.store.addAudit('act', '1', anEntry());
      await at.store.close('act', 'decided');

      await at.store.addAudit('act', '2', anEntry({ event: 'executed' }));

      expect(await at.store.audit('act')).toHaveLength(2);
    });
  });
}

function describeDeletion(at: UnderTest): void {
  describe('deleting a conversation', () => {
    test('takes its approvals and their trails, pending or ended, and no others', async () => {
      const kept = anApproval('kept', { conversationId: 'other' });
      for (const record of [anApproval('open'), anApproval('over'), kept]) {
        await at.store.open(record);
        await at.store.addAudit(record.actionId, '1', anEntry());
      }
      await at.store.close('over', 'decided');

      await at.store.deleteConversation(C);

      for (const actionId of ['open', 'over']) {
        expect(await at.store.get(actionId)).toBeUndefined();
        expect(await at.store.audit(actionId)).toEqual([]);
      }
      expect(await pendingOf(at)).toEqual([kept]);
      expect(await at.store.audit('kept')).toHaveLength(1);
    });

    test('is for good: no late writer brings one back', async () => {
      await at.store.open(anApproval('act'));
      await at.store.deleteConversation(C);
      await at.store.deleteConversation(C);

      await at.store.close('act', 'decided');
      await at.store.addAudit('act', '1', anEntry());
      await at.store.open(anApproval('act'));

      expect(await at.store.get('act')).toBeUndefined();
      expect(await at.store.audit('act')).toEqual([]);
      expect(await pendingOf(at)).toEqual([]);
    });
  });
}
