export { createSqliteApprovalStore } from './approval-store.ts';
export { createSqliteCheckpoints } from './checkpoint-generations.ts';
export { createSqliteConversationStore, dropTombstones } from './conversation-store.ts';
export { DatabaseInUseError, openDatabase } from './database.ts';
export { createSqliteEventTransport } from './event-transport.ts';
export { createSqliteJobStore, endLeases } from './job-store.ts';
export { createSqliteOutbox } from './outbox.ts';
export { DatabaseTooNewError } from './schema.ts';
