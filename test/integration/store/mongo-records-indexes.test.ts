import { beforeAll, expect, test } from '@jest/globals';
import {
  APPROVAL_INDEXES,
  CONVERSATION_INDEXES,
  createMongoApprovalStore,
  createMongoConversationStore,
  createMongoOutbox,
  ensureIndexes,
  OUTBOX_INDEXES,
} from '../../../src/store/mongo/index.ts';
import { aRule } from '../../contract/approval-store-kit.ts';
import {
  aConversation,
  aMessage,
  C,
  iso,
  OWNER,
  pages,
} from '../../contract/conversation-store-kit.ts';
import { queriesOf, servedBy } from '../../support/index-use.ts';
import { describeMongo } from '../../support/mongo-service.ts';

const MONTH = 30 * 24 * 60 * 60;
const ALL = [...CONVERSATION_INDEXES, ...APPROVAL_INDEXES, ...OUTBOX_INDEXES];
const VIEWER = { ...OWNER, roles: ['ops'] };

describeMongo('indexes of records', (at) => {
  const conversations = () => createMongoConversationStore({ mongo: at.mongo });
  const approvals = () => createMongoApprovalStore({ mongo: at.mongo });
  const outbox = () => createMongoOutbox({ mongo: at.mongo });

  beforeAll(async () => {
    await ensureIndexes(at.mongo, ALL);
    await outbox().delivered('none');
    for (const conversationId of [C, 'second']) {
      await conversations().ensure(aConversation({ conversationId }));
      await approvals().addRule(OWNER, aRule(conversationId, { createdAt: iso(1) }));
    }
    await conversations().upsertMessage(aMessage('m1'), 0);
    await conversations().upsertMessage(aMessage('m2', { parentMessageId: 'm1' }), 0);
  });

  test('are there as asked for; only ids of what is over are forgotten, after 30 days', async () => {
    const ttl: string[] = [];
    for (const collection of new Set(ALL.map((spec) => spec.collection))) {
      for (const index of await at.mongo.db.collection(collection).listIndexes().toArray()) {
        if (index['expireAfterSeconds'] === undefined) continue;
        expect(index['expireAfterSeconds']).toBe(MONTH);
        ttl.push(`${collection}: ${Object.keys(index['key'] ?? {}).join()}`);
      }
    }

    await ensureIndexes(at.mongo, ALL);

    expect(ttl.toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      'approval_graves: deletedAt',
      'approvals: deletedAt',
      'conversations: deletedAt',
      'outbox: overAt',
    ]);
  });

  test.each<[string, string, () => Promise<unknown>, string[]]>([
    [
      'conversations',
      'list',
      () => pages((page) => conversations().list(OWNER, page), 1),
      ['listed', 'listed'],
    ],
    ['conversations', 'purgeable', () => conversations().purgeable(5, 10), ['unswept', 'purge']],
    [
      'messages',
      'messages',
      () => pages((page) => conversations().messages(C, page), 1),
      ['place', 'place'],
    ],
    ['messages', 'lastMessage', () => conversations().lastMessage(C), ['place']],
    ['messages', 'delete', () => conversations().delete('third'), ['place']],
    [
      'approval_rules',
      'rules',
      () => pages((page) => approvals().rules(OWNER, page), 1),
      ['listed', 'listed'],
    ],
    ['approval_rules', 'rulesOf', () => approvals().rulesOf(OWNER), ['listed']],
    [
      'approval_rules',
      'deleteConversation',
      () => approvals().deleteConversation('x'),
      ['conversation'],
    ],
  ])('of %s serve %s with its order', async (collection, _, call, wanted) => {
    const indexes = ALL.filter((spec) => spec.collection === collection);

    const queries = await queriesOf(at.mongo.model(collection, {}), call);

    expect(queries.map((query) => servedBy(indexes, query)[0])).toEqual(wanted);
  });

  test('of what is pending and due narrow it down to that', async () => {
    const asked = {
      approvals: () => approvals().pending(VIEWER, { limit: 1, cursor: undefined }),
      outbox: () => outbox().due(5, 10),
    };

    const used = [];
    for (const [collection, call] of Object.entries(asked)) {
      const queries = await queriesOf(at.mongo.model(collection, {}), call);
      // Their order is merged or sorted: the viewer has several names, and due is whatever is late.
      const unsorted = queries.map(({ where }) => ({ where, sort: {} }));
      const indexes = ALL.filter((spec) => spec.collection === collection);
      used.push(unsorted.map((query) => servedBy(indexes, query)));
    }

    expect(used).toEqual([[['pending']], [['due']]]);
  });

  test('branch reads the links of a conversation once, and its messages by id', async () => {
    const queries = await queriesOf(at.mongo.model('messages', {}), () =>
      conversations().branch(C, 'm2'),
    );

    const indexes = CONVERSATION_INDEXES.filter((spec) => spec.collection === 'messages');
    expect(queries.map((query) => servedBy(indexes, query)[0])).toEqual(['place', '_id_']);
  });
});
