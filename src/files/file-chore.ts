import { sweep, type Chore } from '../stream/maintenance.ts';
import type { FileRecord, FileStore } from './file-store.ts';

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
