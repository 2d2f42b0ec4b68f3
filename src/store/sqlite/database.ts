import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Database from 'libsql';
import { migrate } from './schema.ts';
import { OperatorError } from '../../lib/operator-error.ts';

/** Another process holds the file. */
export class DatabaseInUseError extends OperatorError {
  override name = 'DatabaseInUseError';
  constructor(path: string, cause: unknown) {
    super(
      `The database ${path} is in use by another process. One process at a time can hold it: ` +
        'stop the other one, or give this one another path.',
      { cause },
    );
  }
}

/** How long one try waits for the file, and how many there are: a predecessor may be on its way out. */
const LOCK_WAIT_MS = 100;
const LOCK_TRIES = 3;

/** Taken before anything is read, so that of two processes that start together one gets it and the other is told. */
const LOCK = `
  PRAGMA busy_timeout = ${LOCK_WAIT_MS};
  PRAGMA locking_mode = EXCLUSIVE;
  BEGIN EXCLUSIVE;
  COMMIT;
`;

/** NORMAL: a commit survives the death of the process (kill -9); the loss of power may take the last ones. */
const TUNE = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA temp_store = MEMORY;
`;

/**
 * libsql keeps a connection, and with it the lock on the file, until its last prepared statement is collected, and
 * lets such statements go on writing. So closing takes these powers away first.
 */
const RELEASE = `
  PRAGMA journal_mode = DELETE;
  PRAGMA query_only = ON;
  PRAGMA locking_mode = NORMAL;
  SELECT count(*) FROM sqlite_master;
`;

class ExclusiveDatabase extends Database {
  override close(): this {
    if (!this.open) return this;
    try {
      if (!this.memory) this.exec(RELEASE);
    } finally {
      super.close();
    }
    return this;
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'SQLITE_BUSY';
}

function lock(path: string): ExclusiveDatabase {
  for (let tries = 1; ; tries += 1) {
    const db = new ExclusiveDatabase(path);
    try {
      db.exec(LOCK);
      return db;
    } catch (error) {
      // Nothing was prepared yet, so the plain close lets go of the file.
      Database.prototype.close.call(db);
      if (!isBusy(error)) throw error;
      if (tries === LOCK_TRIES) throw new DatabaseInUseError(path, error);
    }
  }
}

/**
 * Opens the file for this process alone (`:memory:` for none), with the current schema. Every store shares the one
 * connection: calls are synchronous, so a transaction is never interleaved with another.
 */
export function openDatabase(path: string): Database.Database {
  const memory = path === ':memory:';
  // An absolute path: libsql takes something like `http:x` for a server.
  const file = memory ? path : resolve(path);
  if (!memory) mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const db = lock(file);
  try {
    db.exec(TUNE);
    migrate(db, file);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Rejects where the connection is closed: its statements alone would still answer. */
export function assertUsable(db: Database.Database): void {
  if (!db.open) throw new Error('the database is closed');
  db.exec('SELECT 1');
}
