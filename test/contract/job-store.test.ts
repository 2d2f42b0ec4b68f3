import { createMemoryJobStore } from '../../src/store/memory/index.ts';
import { createSqliteJobStore } from '../../src/store/sqlite/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { tempDatabase } from '../support/stores.ts';
import { describeJobStore } from './job-store.ts';

describeJobStore({
  name: 'memory',
  create() {
    const clock = new FakeClock();
    return { store: createMemoryJobStore({ clock }), clock, destroy() {} };
  },
});

describeJobStore({
  name: 'sqlite',
  create() {
    const clock = new FakeClock();
    const file = tempDatabase();
    const store = createSqliteJobStore({ db: file.db, clock });
    return { store, clock, destroy: () => file.destroy() };
  },
});
