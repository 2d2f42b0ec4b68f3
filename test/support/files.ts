import { Files, type FileLimits } from '../../src/files/files.ts';
import type { FileStore } from '../../src/files/file-store.ts';
import { createIds } from '../../src/lib/ids.ts';
import { createSqliteFileStore, openDatabase } from '../../src/store/sqlite/index.ts';
import type { FileDisk } from '../../src/store/sqlite/file-disk.ts';
import { EPOCH } from './fake-clock.ts';

export const FILE_LIMITS: FileLimits = {
  fileBytes: 1_000_000,
  filesPerUser: 100,
  fileBytesPerUser: 10_000_000,
};

/** Where there is nothing of anybody. */
export const fakeUserData = {
  async *export(): AsyncGenerator<object> {
    yield { type: 'end', lines: 0 };
  },
  erase: async () => new Date(EPOCH).toISOString(),
};

export interface MemoryFiles {
  files: Files;
  store: FileStore;
  /** Bytes by the names of the disk. */
  blobs: Map<string, Buffer>;
  /** Set: every write fails with it, after what was written so far. */
  fault: { error: Error | undefined };
  close(): void;
}

/** Users' files in memory, on a disk that can be broken. */
export function memoryFiles(
  limits: FileLimits = FILE_LIMITS,
  now: () => number = () => EPOCH,
): MemoryFiles {
  const db = openDatabase(':memory:');
  const blobs = new Map<string, Buffer>();
  const fault: MemoryFiles['fault'] = { error: undefined };
  const disk: FileDisk = {
    async write(name, bytes) {
      const pieces: Uint8Array[] = [];
      for await (const piece of bytes) {
        if (fault.error) throw fault.error;
        pieces.push(Buffer.from(piece));
      }
      blobs.set(name, Buffer.concat(pieces));
    },
    async *read(name, range) {
      const bytes = blobs.get(name);
      if (!bytes) throw new Error(`no ${name}`);
      const part = range ? bytes.subarray(range.first, range.last + 1) : bytes;
      for (let at = 0; at < part.length; at += 65_536) yield part.subarray(at, at + 65_536);
    },
    async remove(name) {
      blobs.delete(name);
    },
    async *names() {
      yield* blobs.keys();
    },
  };
  const store = createSqliteFileStore({ db, disk });
  const ids = createIds(now);
  const files = new Files({ store, ids, now: async () => now(), limits });
  return { files, store, blobs, fault, close: () => void db.close() };
}
