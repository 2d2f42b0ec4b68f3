import { mongoCheckpoints, sqliteCheckpoints } from '../support/checkpoint-fixtures.ts';
import { describeMongo } from '../support/mongo-service.ts';
import { describeCheckpointGenerations } from './checkpoint-generations.ts';

describeCheckpointGenerations({ name: 'sqlite', create: sqliteCheckpoints });

describeMongo('checkpoints', (at) => {
  describeCheckpointGenerations({ name: 'mongo', create: () => mongoCheckpoints(at) });
});
