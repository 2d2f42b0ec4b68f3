import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { isUnavailable } from '../../../src/errors.ts';
import type { ApprovalStore, Outbox } from '../../../src/hitl/approval-store.ts';
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
import type { ConversationStore } from '../../../src/stream/conversation-store.ts';
import { ALL, anApproval, anEntry, aRule } from '../../contract/approval-store-kit.ts';
import { aConversation, aMessage, C, iso, OWNER } from '../../contract/conversation-store-kit.ts';
import { FairWatch } from '../../support/fair-watch.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { addressOf, atPort, describeMongo } from '../../support/mongo-service.ts';

const MAX_WAIT = 4_000;

interface Stores {
  conversations: ConversationStore;
  approvals: ApprovalStore;
  outbox: Outbox;
}

type CallsOf<T> = Record<keyof T, () => Promise<unknown>>;

function storesOn(mongo: MongoConnection): Stores {
  return {
    conversations: createMongoConversationStore({ mongo }),
    approvals: createMongoApprovalStore({ mongo }),
    outbox: createMongoOutbox({ mongo }),
  };
}

function conversationCalls(store: ConversationStore): CallsOf<ConversationStore> {
  return {
    ensure: () => store.ensure(aConversation()),
    get: () => store.get(C),
    list: () => store.list(OWNER, ALL),
    allOf: () => store.allOf(OWNER, ALL),
    setTitle: () => store.setTitle(C, 'title', 'user'),
    touch: () => store.touch(C, iso(1), null),
    keep: () => store.keep(C, iso(2)),
    some: () => store.some(C, ['m1']),
    links: () => store.links(C),
    condemn: () => store.condemn('another'),
    delete: () => store.delete('other'),
    purgeable: () => store.purgeable(Date.now(), 10),
    idleSince: () => store.idleSince(iso(0), undefined, 10),
    upsertMessage: () => store.upsertMessage(aMessage('m2'), 1),
    message: () => store.message(C, 'm1'),
    messages: () => store.messages(C, ALL),
    lastMessage: () => store.lastMessage(C),
    branch: () => store.branch(C, 'm1'),
    ping: () => store.ping(),
  };
}

function approvalCalls(store: ApprovalStore): CallsOf<ApprovalStore> {
  return {
    open: () => store.open(anApproval('act')),
    close: () => store.close('act', 'decided'),
    get: () => store.get('act'),
    pending: () => store.pending({ ...OWNER, roles: ['ops'] }, ALL),
    addAudit: () => store.addAudit('act', '1', anEntry()),
    audit: () => store.audit('act'),
    addRule: () => store.addRule(OWNER, aRule('r', { conversationId: C })),
    rulesOf: () => store.rulesOf(OWNER),
    rules: () => store.rules(OWNER, ALL),
    deleteRules: () => store.deleteRules({ tenantId: 'none', userId: 'none' }),
    revokeRule: () => store.revokeRule(OWNER, 'r'),
    endedBefore: () => store.endedBefore(iso(0), undefined, 10),
    proposedBefore: () => store.proposedBefore(iso(0), undefined, 10),
    forget: () => store.forget('another'),
    deleteConversation: () => store.deleteConversation('other'),
  };
}

function outboxCalls(outbox: Outbox): CallsOf<Outbox> {
  const item = { id: 'a', event: 'approval.waiting', createdAt: 1, payload: null } as const;
  return {
    put: () => outbox.put(item),
    due: () => outbox.due(Date.now(), 10),
    claim: () => outbox.claim({ id: 'a', nextAt: 1 }, 5),
    delivered: () => outbox.delivered('b'),
    failed: () => outbox.failed('a', 5),
    givenUp: () => outbox.givenUp('c'),
  };
}

const everyCall = ({ conversations, approvals, outbox }: Stores) =>
  [conversationCalls(conversations), approvalCalls(approvals), outboxCalls(outbox)].flatMap(
    (calls) => Object.entries<() => Promise<unknown>>(calls),
  );

async function outcomeOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
    return 'done';
  } catch (error) {
    return isUnavailable(error) ? 'unavailable' : error;
  }
}

/** Asks again until it works. */
async function insist(call: () => Promise<unknown>): Promise<void> {
  for (;;) {
    const outcome = await outcomeOf(call);
    if (outcome === 'done') return;
    if (outcome !== 'unavailable') throw outcome;
  }
}

describeMongo('records when the network fails', (at) => {
  let proxy: FaultProxy;
  let stores: Stores;
  /** Past the proxy. */
  let direct: Stores;

  beforeAll(async () => {
    proxy = await FaultProxy.start(addressOf(at.uri));
    const mongo = await at.connect(atPort(at.uri, proxy.port));
    await ensureIndexes(mongo, [...CONVERSATION_INDEXES, ...APPROVAL_INDEXES, ...OUTBOX_INDEXES]);
    stores = storesOn(mongo);
    direct = storesOn(at.mongo);
  });

  beforeEach(async () => {
    await at.clear();
    await direct.conversations.ensure(aConversation());
    await direct.conversations.upsertMessage(aMessage('m1'), 1);
  });

  afterAll(async () => {
    await proxy.down();
  });

  async function outcomes(): Promise<Map<string, unknown>> {
    const ended = everyCall(stores).map(
      async ([name, call]) => [name, await outcomeOf(call)] as const,
    );
    return new Map(await Promise.all(ended));
  }

  test.each(['down', 'hang'] as const)(
    'a server that is %s makes every call fail in time, and works again by itself',
    async (fault) => {
      const watch = new FairWatch();
      await proxy[fault]();
      const failed = await outcomes();
      const took = watch.stop();
      await proxy.up();

      expect(failed.size).toBeGreaterThan(20);
      expect(new Set(failed.values())).toEqual(new Set(['unavailable']));
      expect(took).toBeLessThan(MAX_WAIT);

      const { conversations } = stores;
      const until = performance.now() + 10_000;
      while ((await outcomeOf(() => conversations.ping())) !== 'done') {
        expect(performance.now()).toBeLessThan(until);
      }
      expect(new Set((await outcomes()).values())).toEqual(new Set(['done']));
      expect(await conversations.message(C, 'm1')).toEqual(aMessage('m1'));
    },
    60_000,
  );

  test('cut again and again, what is asked again until it works is done once', async () => {
    const { conversations, approvals, outbox } = stores;
    const writer = async (n: number): Promise<void> => {
      await insist(() => conversations.upsertMessage(aMessage(`w${n}`), 1));
      await insist(() => approvals.addAudit('act', `${n}`, anEntry({ by: `${n}` })));
      await insist(() =>
        outbox.put({ id: `${n}`, event: 'approval.waiting', createdAt: n, payload: n }),
      );
      proxy.cut();
    };

    await Promise.all(
      [0, 1, 2, 3].map(async (lane) => {
        for (let n = 0; n < 10; n += 1) await writer(lane * 10 + n);
      }),
    );

    const numbers = Array.from({ length: 40 }, (_, n) => `${n}`);
    const { items } = await direct.conversations.messages(C, ALL);
    expect(items.map(({ messageId }) => messageId).toSorted()).toEqual(
      ['m1', ...numbers.map((n) => `w${n}`)].toSorted(),
    );
    const trail = await direct.approvals.audit('act');
    expect(trail).toHaveLength(40);
    expect(new Set(trail.map(({ by }) => by))).toEqual(new Set(numbers));
    const due = await direct.outbox.due(100, 100);
    expect(due.map(({ id }) => id)).toEqual(numbers);
  }, 60_000);

  test('the answer to a message is lost for good: unavailable; written again it is one, where it was', async () => {
    const { conversations } = stores;
    // The message is the first update of the call, the driver's second try the other one.
    proxy.loseReplies('\u0002update\u0000', 2);

    const lost = conversations.upsertMessage(aMessage('m2'), 1);
    await expect(lost).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await direct.conversations.upsertMessage(aMessage('m3'), 1);

    expect(proxy.unlost).toBe(0);
    expect(await conversations.upsertMessage(aMessage('m2'), 1)).toBe('stored');
    const { items } = await direct.conversations.messages(C, ALL);
    expect(items.map(({ messageId }) => messageId)).toEqual(['m1', 'm2', 'm3']);
  });
});
