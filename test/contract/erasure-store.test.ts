import {
  createSqliteApprovalStore,
  createSqliteConversationStore,
  createSqliteErasureStore,
  openDatabase,
} from '../../src/store/sqlite/index.ts';
import {
  APPROVAL_INDEXES,
  CONVERSATION_INDEXES,
  createMongoApprovalStore,
  createMongoConversationStore,
  createMongoErasureStore,
  ensureIndexes,
  ERASURE_INDEXES,
} from '../../src/store/mongo/index.ts';
import { describeMongo } from '../support/mongo-service.ts';
import { describeErasureStore } from './erasure-store.ts';

describeErasureStore('sqlite', () => {
  const db = openDatabase(':memory:');
  return {
    erasures: createSqliteErasureStore({ db }),
    conversations: createSqliteConversationStore({ db }),
    approvals: createSqliteApprovalStore({ db }),
    destroy: () => void db.close(),
  };
});

describeMongo('what deletions need', (at) => {
  describeErasureStore('mongo', async () => {
    const { mongo } = at;
    await ensureIndexes(mongo, [...ERASURE_INDEXES, ...CONVERSATION_INDEXES, ...APPROVAL_INDEXES]);
    return {
      erasures: createMongoErasureStore({ mongo }),
      conversations: createMongoConversationStore({ mongo }),
      approvals: createMongoApprovalStore({ mongo }),
      destroy: () => at.clear(),
    };
  });
});
