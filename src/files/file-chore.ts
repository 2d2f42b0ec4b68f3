import { sweep, type Chore } from '../stream/maintenance.ts';
import type { FileRecord, FileStore } from './file-store.ts';

const HOUR = 3_600_000;

/** Removes now and then what writers left that died; the first time soon after the start. */
export function sweepChore(store: Pick<FileStore, 'sweep'>): Chore {
  let next = 0;
  return {
    name: 'file_bytes',
    async run(now) {
      if (now < next) return { deleted: 0, more: false };
      next = now + HOUR;
      return { deleted: await store.sweep(), more: false };
    },
  };
}

/** Deletes files so long after their last use, ms; undefined: never. */
export function fileChore(
  store: Pick<FileStore, 'unusedSince' | 'delete'>,
  age: () => number | undefined,
): Chore {
  return sweep<FileRecord>({
    name: 'files',
    age,
    // What was listed is gone with the next look, so every look is at the beginning.
    list: (before, _after, limit) => store.unusedSince(before, limit),
    remove: ({ fileId }) => store.delete(fileId),
  });
}
