import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Database from 'libsql';
import { openDatabase } from '../../src/store/sqlite/index.ts';

export interface TempDatabase {
  readonly db: Database.Database;
  readonly path: string;
  /** Closes the file and opens it again, as a restart does. */
  reopen(): Database.Database;
  destroy(): void;
}

/** A database file of its own, in a directory that `destroy` removes. */
export function tempDatabase(): TempDatabase {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  const path = join(directory, 'data', 'holdfast.db');
  let db = openDatabase(path);
  return {
    get db() {
      return db;
    },
    path,
    reopen() {
      db.close();
      db = openDatabase(path);
      return db;
    },
    destroy() {
      db.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
