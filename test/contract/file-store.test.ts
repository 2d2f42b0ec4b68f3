import { expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSqliteFileStore, openDatabase, openFileDisk } from '../../src/store/sqlite/index.ts';
import type { FileDisk } from '../../src/store/sqlite/file-disk.ts';
import { describeFileStore } from './file-store.ts';

/** A process that dies at a step: what it did until then stays, and it does nothing more. */
function dying(disk: FileDisk, at: number): FileDisk {
  let step = 0;
  const next = (): void => {
    step += 1;
    if (step >= at) throw new Error('it died');
  };
  return {
    async write(name, bytes) {
      next();
      // A disk that fills or a process that dies in the middle: some of it is there.
      await disk.write(name, bytes);
      next();
    },
    read: (name, range) => disk.read(name, range),
    async remove(name) {
      next();
      await disk.remove(name);
    },
    names: () => disk.names(),
  };
}

async function* full(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('some of it');
  throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
}

test('a disk that is full is a store that can not be used, and keeps nothing of the file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-files-'));

  const write = openFileDisk(folder).write('name', full());

  await expect(write).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

describeFileStore({
  name: 'sqlite and a folder',
  steps: 3,
  create() {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-files-'));
    const db = openDatabase(':memory:');
    const disk = openFileDisk(folder);
    return {
      files: createSqliteFileStore({ db, disk }),
      breaking: (step) => createSqliteFileStore({ db, disk: dying(disk, step) }),
      later: async () => undefined,
      blobs: async () => readdirSync(folder).length,
      destroy() {
        db.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
});
