import { beforeAll } from '@jest/globals';
import {
  CONVERSATION_INDEXES,
  createMongoConversationStore,
  ensureIndexes,
} from '../../src/store/mongo/index.ts';
import { describeMongo } from '../support/mongo-service.ts';
import { describeConversationStore } from './conversation-store.ts';

describeMongo('the contract of conversation stores', (at) => {
  beforeAll(() => ensureIndexes(at.mongo, CONVERSATION_INDEXES));

  describeConversationStore({
    name: 'mongo',
    create: () => ({
      store: createMongoConversationStore({ mongo: at.mongo }),
      destroy: () => at.clear(),
    }),
  });
});
