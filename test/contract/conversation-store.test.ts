import { createSqliteConversationStore, openDatabase } from '../../src/store/sqlite/index.ts';
import { tempDatabase } from '../support/stores.ts';
import { describeConversationStore } from './conversation-store.ts';

describeConversationStore({
  name: 'sqlite',
  create() {
    const file = tempDatabase();
    return {
      store: createSqliteConversationStore({ db: file.db }),
      destroy: () => file.destroy(),
    };
  },
});

describeConversationStore({
  name: 'sqlite in memory',
  create() {
    const db = openDatabase(':memory:');
    return { store: createSqliteConversationStore({ db }), destroy: () => void db.close() };
  },
});
