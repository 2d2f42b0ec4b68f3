import { beforeAll } from '@jest/globals';
import { createMongoOutbox, ensureIndexes, OUTBOX_INDEXES } from '../../src/store/mongo/index.ts';
import { describeMongo } from '../support/mongo-service.ts';
import { describeOutbox } from './outbox.ts';

describeMongo('the contract of outboxes', (at) => {
  beforeAll(() => ensureIndexes(at.mongo, OUTBOX_INDEXES));

  describeOutbox({
    name: 'mongo',
    create: () => ({ outbox: createMongoOutbox({ mongo: at.mongo }), destroy: () => at.clear() }),
  });
});
