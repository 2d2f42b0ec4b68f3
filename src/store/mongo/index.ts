export { createMongoCheckpoints } from './checkpoint-generations.ts';
export { connectMongo, mongoTime, type MongoConnection } from './connection.ts';
export { MongoConfigError } from './errors.ts';
export { ensureIndexes, type IndexSpec } from './indexes.ts';
export { JOB_INDEXES } from './job-document.ts';
export { createMongoJobStore } from './job-store.ts';
