export { connectMongo, mongoTime, type MongoConnection } from './connection.ts';
export { MongoConfigError } from './errors.ts';
export { ensureIndexes, type IndexSpec } from './indexes.ts';
