import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { settle } from '../../support/fake-clock.ts';
import { closeStores, Heart, memoryStores, type Stores } from '../../support/heart.ts';
import { severable } from '../../support/severed.ts';

let stores: Stores;
let dying: Heart;
let alive: Heart;
let mend: () => void;

beforeEach(() => {
  stores = memoryStores();
  const conversations = severable(stores.conversations);
  dying = new Heart(stores, { driver: 'a' }, { conversations: conversations.port });
  alive = new Heart(stores, { driver: 'b' });
  conversations.cut();
  mend = conversations.mend;
});

afterEach(async () => {
  mend();
  await settle();
  await dying.close();
  await alive.close();
  closeStores(stores);
});

test('a turn whose replica died behind the record begins with its repeat, not with a scan', async () => {
  const lost = dying.api.start(
    { tenantId: 't', userId: 'alice' },
    {
      text: 'hi',
      messageId: 'm',
      onBusy: 'reject',
      temporary: false,
      files: [],
      metadata: {},
      bodyHash: 'h',
    },
  );
  await settle();
  expect(alive.runner.runs).toHaveLength(0);

  const again = await alive.start({ text: 'hi', messageId: 'm' });

  expect(again.status).toBe('attached');
  expect(alive.runner.runs).toHaveLength(1);
  const reader = await alive.read(again.streamId);
  expect(reader.types).toEqual(['created']);
  mend();
  expect((await lost).generationId).toBe(again.generationId);
});
