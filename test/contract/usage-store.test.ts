import { beforeAll } from '@jest/globals';
import {
  createMongoUsageStore,
  ensureIndexes,
  USAGE_INDEXES,
} from '../../src/store/mongo/index.ts';
import { createSqliteUsageStore, openDatabase } from '../../src/store/sqlite/index.ts';
import { describeMongo } from '../support/mongo-service.ts';
import { tempDatabase } from '../support/stores.ts';
import { describeUsageStore } from './usage-store.ts';

describeUsageStore({
  name: 'sqlite',
  create() {
    const file = tempDatabase();
    return { usage: createSqliteUsageStore({ db: file.db }), destroy: () => file.destroy() };
  },
});

describeUsageStore({
  name: 'sqlite in memory',
  create() {
    const db = openDatabase(':memory:');
    return { usage: createSqliteUsageStore({ db }), destroy: () => void db.close() };
  },
});

describeMongo('the contract of usage', (at) => {
  beforeAll(() => ensureIndexes(at.mongo, USAGE_INDEXES));

  describeUsageStore({
    name: 'mongo',
    create: () => ({
      usage: createMongoUsageStore({ mongo: at.mongo }),
      destroy: () => at.clear(),
    }),
  });
});
