import { createMongoJobStore, ensureIndexes, JOB_INDEXES } from '../../src/store/mongo/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { describeMongo } from '../support/mongo-service.ts';
import { describeJobStore } from './job-store.ts';

describeMongo('the contract of job stores', (at) => {
  describeJobStore({
    name: 'mongo',
    async create() {
      const clock = new FakeClock();
      await ensureIndexes(at.mongo, JOB_INDEXES);
      const store = createMongoJobStore({ mongo: at.mongo, now: async () => clock.now() });
      return { store, clock, destroy: () => at.clear() };
    },
  });
});
