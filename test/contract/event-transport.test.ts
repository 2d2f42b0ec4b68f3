import { createMemoryEventTransport } from '../../src/store/memory/index.ts';
import { createSqliteEventTransport } from '../../src/store/sqlite/index.ts';
import { tempDatabase } from '../support/stores.ts';
import { describeEventTransport } from './event-transport.ts';

describeEventTransport({
  name: 'memory',
  create: () => ({ transport: createMemoryEventTransport(), destroy() {} }),
});

describeEventTransport({
  name: 'sqlite',
  create() {
    const file = tempDatabase();
    return {
      transport: createSqliteEventTransport({ db: file.db }),
      destroy: () => file.destroy(),
    };
  },
});
