import { beforeAll } from '@jest/globals';
import {
  APPROVAL_INDEXES,
  createMongoApprovalStore,
  ensureIndexes,
} from '../../src/store/mongo/index.ts';
import { describeMongo } from '../support/mongo-service.ts';
import { describeApprovalStore } from './approval-store.ts';

describeMongo('the contract of approval stores', (at) => {
  beforeAll(() => ensureIndexes(at.mongo, APPROVAL_INDEXES));

  describeApprovalStore({
    name: 'mongo',
    create: () => ({
      store: createMongoApprovalStore({ mongo: at.mongo }),
      destroy: () => at.clear(),
    }),
  });
});
