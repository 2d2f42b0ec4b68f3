import { beforeAll } from '@jest/globals';
import { unavailable } from '../../src/errors.ts';
import { createMongoFileStore, ensureIndexes, FILE_INDEXES } from '../../src/store/mongo/index.ts';
import { describeMongo } from '../support/mongo-service.ts';
import { steppedMongo } from '../support/stepped-mongo.ts';
import { describeFileStore } from './file-store.ts';

/** As long as a command of a put, and those of a look before it. */
const STEPS = 9;
const TWO_HOURS = 2 * 3_600_000;

describeMongo('the contract of file stores', (at) => {
  beforeAll(() => ensureIndexes(at.mongo, FILE_INDEXES));

  describeFileStore({
    name: 'mongo',
    steps: STEPS,
    create() {
      let ahead = 0;
      const now = async (): Promise<number> => Date.now() + ahead;
      const { mongo } = at;
      return {
        files: createMongoFileStore({ mongo, now }),
        breaking: (step) =>
          createMongoFileStore({
            mongo: steppedMongo(mongo, async (n) => {
              if (n >= step) throw unavailable(new Error('it died'));
            }),
            now,
          }),
        async later() {
          ahead += TWO_HOURS;
        },
        async blobs() {
          const chunks = await mongo.db.collection('file_bytes.chunks').distinct('files_id');
          const blobs = await mongo.db.collection('file_bytes.files').distinct('_id');
          return new Set([...chunks, ...blobs].map(String)).size;
        },
        destroy: () => at.clear(),
      };
    },
  });
});
