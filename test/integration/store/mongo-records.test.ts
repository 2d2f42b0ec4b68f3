import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { mongo as driver } from 'mongoose';
import {
  APPROVAL_INDEXES,
  CONVERSATION_INDEXES,
  createMongoApprovalStore,
  createMongoConversationStore,
  createMongoOutbox,
  ensureIndexes,
  OUTBOX_INDEXES,
  type MongoConnection,
} from '../../../src/store/mongo/index.ts';
import { lineage } from '../../../src/store/mongo/conversation-store.ts';
import { ALL, anApproval, anEntry, aRule, ruleIds } from '../../contract/approval-store-kit.ts';
import { describeApprovalRaces } from '../../contract/approval-store-races.ts';
import { aConversation, aMessage, C, OWNER } from '../../contract/conversation-store-kit.ts';
import { describeConversationRaces } from '../../contract/conversation-store-races.ts';
import { describeMongo } from '../../support/mongo-service.ts';
import { steppedMongo, takingTurns } from '../../support/stepped-mongo.ts';

const MINUTE = 60_000;
const long = (megabytes: number): string => 'x'.repeat(megabytes * 1024 * 1024);
const text = (megabytes: number) =>
  aMessage('m1', { content: [{ type: 'text', text: long(megabytes) }] });
const conversationsOn = (mongo: MongoConnection) => createMongoConversationStore({ mongo });
const approvalsOn = (mongo: MongoConnection) => createMongoApprovalStore({ mongo });

class Died extends Error {
  override name = 'Died';
}

/** Somebody else does something before a command. */
const meeting = (mongo: MongoConnection, when: number, meanwhile: () => Promise<unknown>) =>
  steppedMongo(mongo, async (step) => {
    if (step === when) await meanwhile();
  });

const diesAt = (last: number) => async (step: number) => {
  if (step === last) throw new Died();
};

describe('the branch to a message', () => {
  test.each<[string, Record<string, string>, string]>([
    ['ends where there is no parent', { b: 'a', a: '' }, 'b a'],
    ['ends where the parent is missing', { b: 'x' }, 'b'],
    ['is empty where the message is missing', {}, ''],
    ['ends where it closes a circle', { b: 'a', a: 'c', c: 'b' }, 'b a c'],
    ['of a message that answers itself is that message', { b: 'b' }, 'b'],
  ])('%s', (_, links, line) => {
    const parents = new Map(Object.entries(links).map(([id, parent]) => [id, parent || undefined]));

    expect(lineage(parents, 'b').join(' ')).toBe(line);
  });
});

describeMongo('records of many replicas', (at) => {
  let other: MongoConnection;

  beforeAll(async () => {
    await ensureIndexes(at.mongo, [...CONVERSATION_INDEXES, ...APPROVAL_INDEXES]);
    await ensureIndexes(at.mongo, OUTBOX_INDEXES);
    other = await at.connect();
  });

  beforeEach(async () => {
    await at.clear();
  });

  /** A replica that another one's deletion comes to meet, before its command `step`. */
  const conversationsMeet = (step: number) =>
    conversationsOn(meeting(at.mongo, step, () => conversationsOn(other).delete(C)));
  const approvalsMeet = (step: number) =>
    approvalsOn(meeting(at.mongo, step, () => approvalsOn(other).deleteConversation(C)));

  /** A replica whose command `when` another one's insert was faster than. */
  const refused = (when: number) =>
    steppedMongo(at.mongo, async (step) => {
      const why = { message: 'E11000', code: 11_000, keyPattern: { _id: 1 } };
      if (step === when) throw new driver.MongoServerError(why);
    });

  const documents = (collection: string) => at.mongo.db.collection(collection).find().toArray();

  describe('conversations of two replicas', () => {
    describeConversationRaces({
      get store() {
        return takingTurns([conversationsOn(at.mongo), conversationsOn(other)]);
      },
    });
  });

  describe('approvals of two replicas', () => {
    describeApprovalRaces({
      get store() {
        return takingTurns([approvalsOn(at.mongo), approvalsOn(other)]);
      },
    });
  });

  describe('a message and a deletion', () => {
    beforeEach(async () => {
      await conversationsOn(other).ensure(aConversation());
    });

    test.each([1, 2, 3])('that comes before its command %i: it is gone', async (step) => {
      expect(await conversationsMeet(step).upsertMessage(aMessage('m1'), 0)).toBe('gone');

      expect(await documents('messages')).toEqual([]);
    });

    test.each([1, 2, 3])(
      'that comes before command %i of an update: it is gone as well',
      async (step) => {
        await conversationsOn(other).upsertMessage(aMessage('m1'), 5);

        expect(await conversationsMeet(step).upsertMessage(aMessage('m1'), 6)).toBe('gone');

        expect(await documents('messages')).toEqual([]);
      },
    );

    test('whose writer dies before it can take it back: it is swept', async () => {
      const dying = steppedMongo(at.mongo, async (step) => {
        if (step === 2) await conversationsOn(other).delete(C);
        if (step === 3) throw new Died();
      });
      await expect(conversationsOn(dying).upsertMessage(aMessage('m1'), 0)).rejects.toThrow(Died);

      await conversationsOn(other).purgeable(Date.now(), 10);
      expect(await documents('messages')).toHaveLength(1);
      await conversationsOn(other).purgeable(Date.now() + 5 * MINUTE, 10);

      expect(await documents('messages')).toEqual([]);
      expect(await documents('conversations')).toEqual([
        { _id: C, deletedAt: expect.any(Date) as unknown },
      ]);
    });

    test('whose deleter dies after its first command: it is deleted, and swept', async () => {
      await conversationsOn(other).upsertMessage(aMessage('m1'), 0);
      const dying = conversationsOn(steppedMongo(at.mongo, diesAt(2)));
      await expect(dying.delete(C)).rejects.toThrow(Died);

      expect(await conversationsOn(other).get(C)).toBeUndefined();
      expect(await conversationsOn(other).upsertMessage(aMessage('m2'), 0)).toBe('gone');
      await conversationsOn(other).purgeable(Date.now() + 5 * MINUTE, 10);

      expect(await documents('messages')).toEqual([]);
    });
  });

  describe('an approval and a deletion', () => {
    test.each([1, 2, 3])(
      'that comes before its command %i, though nobody knew of it: nothing stays but its id',
      async (step) => {
        // A trail may be there before its approval is.
        await approvalsOn(other).addAudit('act', '1', anEntry());

        await approvalsMeet(step).open(anApproval('act'));
        await approvalsOn(other).addAudit('act', '2', anEntry());
        await approvalsOn(other).close('act', 'decided');

        expect(await approvalsOn(other).get('act')).toBeUndefined();
        expect(await approvalsOn(other).audit('act')).toEqual([]);
        expect(await documents('approvals')).toEqual([
          { _id: 'act', status: 'deleted', deletedAt: expect.any(Date) as unknown },
        ]);
        const viewer = { ...OWNER, roles: [] };
        expect((await approvalsOn(other).pending(viewer, ALL)).items).toEqual([]);
      },
    );

    test.each([1, 2, 3])('a rule before whose command %i it comes is gone', async (step) => {
      await approvalsMeet(step).addRule(OWNER, aRule('here', { conversationId: C }));
      await approvalsOn(other).addRule(OWNER, aRule('late', { conversationId: C }));
      await approvalsOn(other).addRule(OWNER, aRule('everywhere'));

      expect(ruleIds(await approvalsOn(other).rulesOf(OWNER))).toEqual(['everywhere']);
    });

    test.each([2, 3])('that dies before its command %i is finished by the next', async (step) => {
      await approvalsOn(other).open(anApproval('act'));
      await approvalsOn(other).addRule(OWNER, aRule('here', { conversationId: C }));
      const dying = approvalsOn(steppedMongo(at.mongo, diesAt(step)));
      await expect(dying.deleteConversation(C)).rejects.toThrow(Died);

      await approvalsOn(other).deleteConversation(C);

      expect(await approvalsOn(other).get('act')).toBeUndefined();
      expect(await approvalsOn(other).rulesOf(OWNER)).toEqual([]);
    });
  });

  describe('an upsert that is refused because another one inserted a moment ago', () => {
    test('is an update where it matches', async () => {
      await conversationsOn(other).ensure(aConversation());
      await conversationsOn(other).upsertMessage(aMessage('m1'), 1);
      await approvalsOn(other).open(anApproval('act'));
      const newer = aMessage('m1', { agentId: 'newer' });

      expect(await conversationsOn(refused(2)).upsertMessage(newer, 2)).toBe('stored');
      await approvalsOn(refused(1)).close('act', 'expired');
      await approvalsOn(refused(1)).addAudit('act', '1', anEntry());

      expect(await conversationsOn(other).message(C, 'm1')).toEqual(newer);
      expect(await approvalsOn(other).get('act')).toMatchObject({ status: 'expired' });
      expect(await approvalsOn(other).audit('act')).toEqual([anEntry()]);
    });

    test('changes nothing where it does not', async () => {
      await conversationsOn(other).ensure(aConversation());
      await conversationsOn(other).upsertMessage(aMessage('m1'), 3);

      const stale = conversationsOn(refused(2)).upsertMessage(aMessage('m1', { model: 'x' }), 2);

      expect(await stale).toBe('stale_fence');
      expect(await conversationsOn(other).message(C, 'm1')).toEqual(aMessage('m1'));
    });
  });

  describe('what is too large for a document', () => {
    const TOO_LARGE = { code: 'PAYLOAD_TOO_LARGE', message: /more than 12582912/ };
    test('a message: refused in words, and what was there stays', async () => {
      const store = conversationsOn(at.mongo);
      await store.ensure(aConversation());
      await store.upsertMessage(text(8), 0);

      await expect(store.upsertMessage(text(12), 1)).rejects.toMatchObject({
        code: TOO_LARGE.code,
        message: expect.stringMatching(TOO_LARGE.message) as unknown,
      });

      expect(await store.message(C, 'm1')).toEqual(text(8));
    });

    test('a trail that grows beyond it: refused in words, the same line again is not', async () => {
      const store = approvalsOn(at.mongo);
      const line = (by: string, megabytes: number) =>
        store.addAudit('act', by, anEntry({ by, details: { text: long(megabytes) } }));
      await line('first', 8);

      await expect(line('second', 5)).rejects.toMatchObject({
        code: TOO_LARGE.code,
        message: expect.stringMatching(TOO_LARGE.message) as unknown,
      });

      await line('first', 8);
      await store.open(anApproval('act'));
      await store.close('act', 'decided');
      expect((await store.audit('act')).map(({ by }) => by)).toEqual(['first']);
      expect(await store.get('act')).toMatchObject({ status: 'decided' });
    });

    test('a webhook', async () => {
      const item = { id: 'a', event: 'approval.waiting', createdAt: 1, payload: long(12) } as const;

      await expect(createMongoOutbox({ mongo: at.mongo }).put(item)).rejects.toMatchObject({
        code: TOO_LARGE.code,
      });
    });
  });
});
