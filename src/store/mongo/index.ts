export { APPROVAL_INDEXES, createMongoApprovalStore } from './approval-store.ts';
export { createMongoCheckpoints } from './checkpoint-generations.ts';
export { connectMongo, mongoTime, type MongoConnection } from './connection.ts';
export { CONVERSATION_INDEXES, createMongoConversationStore } from './conversation-store.ts';
export { MongoConfigError } from './errors.ts';
export { ensureIndexes, type IndexSpec } from './indexes.ts';
export { JOB_INDEXES } from './job-document.ts';
export { createMongoJobStore } from './job-store.ts';
export { createMongoOutbox, OUTBOX_INDEXES } from './outbox.ts';
