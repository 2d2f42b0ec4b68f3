import { expect, test } from '@jest/globals';
import Database from 'libsql';
import { createSqliteCheckpoints } from '../../src/store/sqlite/index.ts';
import { mongoCheckpoints, sqliteCheckpoints } from '../support/checkpoint-fixtures.ts';
import { describeMongo } from '../support/mongo-service.ts';
import { describeCheckpointWrites } from './checkpoint-writes.ts';

describeCheckpointWrites({ name: 'sqlite', create: sqliteCheckpoints });

describeMongo('what a saver keeps', (at) => {
  describeCheckpointWrites({ name: 'mongo', create: () => mongoCheckpoints(at) });
});

test('sqlite, which stores values by version: those of two branches of a thread differ and keep their order', () => {
  const db = new Database(':memory:');
  const { saver } = createSqliteCheckpoints({ db });
  const [one, two] = [saver.getNextVersion(1), saver.getNextVersion(1)];

  expect(one).not.toBe(two);
  expect(saver.getNextVersion(one)).toBeGreaterThan(Math.max(one, two));
  db.close();
});
