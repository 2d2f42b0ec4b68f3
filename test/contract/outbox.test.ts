import { createSqliteOutbox, openDatabase } from '../../src/store/sqlite/index.ts';
import { tempDatabase } from '../support/stores.ts';
import { describeOutbox } from './outbox.ts';

describeOutbox({
  name: 'sqlite',
  create() {
    const file = tempDatabase();
    return { outbox: createSqliteOutbox({ db: file.db }), destroy: () => file.destroy() };
  },
});

describeOutbox({
  name: 'sqlite in memory',
  create() {
    const db = openDatabase(':memory:');
    return { outbox: createSqliteOutbox({ db }), destroy: () => void db.close() };
  },
});
