import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ConversationStore } from '../../src/stream/conversation-store.ts';
import { describeConversations, describeList } from './conversation-store-list.ts';
import { describeMessages } from './conversation-store-messages.ts';
import { describeConversationRaces } from './conversation-store-races.ts';

/** What every `ConversationStore` must do (src/stream/conversation-store.ts), whatever keeps it. */

export interface ConversationStoreFixture {
  store: ConversationStore;
  destroy(): void | Promise<void>;
}

export interface ConversationStoreSuite {
  name: string;
  create: () => ConversationStoreFixture | Promise<ConversationStoreFixture>;
}

export function describeConversationStore({ name, create }: ConversationStoreSuite): void {
  describe(`ConversationStore: ${name}`, () => {
    let fixture: ConversationStoreFixture;
    const at = {
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

    describeConversations(at);
    describeList(at);
    describeMessages(at);
    describeConversationRaces(at);

    test('answers a ping', async () => {
      await expect(at.store.ping()).resolves.toBeUndefined();
    });
  });
}
