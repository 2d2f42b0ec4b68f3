import { expect } from '@jest/globals';
import { deltaChannelHistoryTests, validate } from '@langchain/langgraph-checkpoint-validation';
import Database from 'libsql';
import { SqliteCheckpointSaver } from '../../src/store/sqlite/checkpoint-saver.ts';
import { ensureCheckpointTables } from '../../src/store/sqlite/checkpoint-schema.ts';

// The suite is written for vitest, whose soft expectations collect failures; failing at the first is as good here.
Object.assign(expect, { soft: expect });

const open = new Map<SqliteCheckpointSaver, Database.Database>();

const initializer = {
  checkpointerName: 'SqliteCheckpointSaver',
  createCheckpointer(): SqliteCheckpointSaver {
    const db = new Database(':memory:');
    ensureCheckpointTables(db);
    const saver = new SqliteCheckpointSaver({ db, keepHistory: true });
    open.set(saver, db);
    return saver;
  },
  destroyCheckpointer(saver: SqliteCheckpointSaver): void {
    open.get(saver)?.close();
    open.delete(saver);
  },
};

validate(initializer);
deltaChannelHistoryTests(initializer);
