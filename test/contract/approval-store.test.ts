import { createSqliteApprovalStore, openDatabase } from '../../src/store/sqlite/index.ts';
import { tempDatabase } from '../support/stores.ts';
import { describeApprovalStore } from './approval-store.ts';

describeApprovalStore({
  name: 'sqlite',
  create() {
    const file = tempDatabase();
    return {
      store: createSqliteApprovalStore({ db: file.db }),
      destroy: () => file.destroy(),
    };
  },
});

describeApprovalStore({
  name: 'sqlite in memory',
  create() {
    const db = openDatabase(':memory:');
    return { store: createSqliteApprovalStore({ db }), destroy: () => void db.close() };
  },
});
