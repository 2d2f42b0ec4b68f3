import { randomUUID } from 'node:crypto';
import { isUnavailable, unavailable } from '../../errors.ts';
import type {
  FileQuota,
  FileRecord,
  FileStore,
  NewFile,
  PutResult,
} from '../../files/file-store.ts';
import { ByteCount } from '../byte-count.ts';
import { keyText } from '../key-text.ts';
import { pageOf, placeOf } from '../page-cursor.ts';
import type { MongoConnection } from './connection.ts';
import { FILE_BYTE_INDEXES, FileBytes } from './file-bytes.ts';
import { FILE_COLLECTION_INDEXES, FileCollection, type FileRow } from './file-collection.ts';
import type { IndexSpec } from './indexes.ts';

/** To be ensured before the store is used. */
export const FILE_INDEXES: readonly IndexSpec[] = [
  ...FILE_COLLECTION_INDEXES,
  ...FILE_BYTE_INDEXES,
];

/** A writer that has not finished after so long is taken for dead, ms. */
const DEAD_AFTER = 3_600_000;
const BATCH = 100;

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  count: ByteCount,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    count.add(chunk);
    yield chunk;
  }
}

/**
 * Files whose records are documents and whose bytes are in GridFS's form. A blob is marked as pending before its first
 * byte and until its record is kept, and again before its record goes: whatever dies in between, the mark says where to
 * look, and the record says whether the blob is somebody's. `now` is the server's clock, as are the marks.
 */
export function createMongoFileStore(deps: {
  mongo: MongoConnection;
  now: () => Promise<number>;
}): FileStore {
  const files = new FileCollection(deps.mongo);
  const store = new FileBytes(deps.mongo);

  async function keep(file: FileRecord, blob: string, quota: FileQuota): Promise<PutResult> {
    const id = keyText(file.fileId);
    if (await files.stage(file, blob)) {
      // Counted with its own place taken: of two that meet at the limit both may be refused, but never both kept.
      const used = await files.used(file.owner);
      if (used.files > quota.files) return { outcome: 'full', of: 'files' };
      if (used.bytes > quota.bytes) return { outcome: 'full', of: 'bytes' };
      if (await files.keep(id, blob)) return { outcome: 'stored', file };
    }
    const known = await files.kept(id);
    if (known) return { outcome: 'known', file: known.file };
    throw unavailable(new Error('the same file is being written at this moment'));
  }

  async function discard(id: string, blob: string): Promise<void> {
    await files.unstage(id, blob);
    await store.remove(blob);
  }

  async function written(file: NewFile, blob: string, bytes: AsyncIterable<Uint8Array>) {
    const { mediaType, ...rest } = file;
    const count = new ByteCount();
    try {
      await store.write(blob, keyText(file.fileId), counted(bytes, count));
      const whole = { ...rest, mediaType: mediaType(), ...count.total() };
      return { ...whole, lastUsedAt: file.createdAt };
    } catch (error) {
      // What was sent to a store that does not answer may take effect later: that is for the sweep.
      if (!isUnavailable(error)) await store.remove(blob);
      throw error;
    }
  }

  async function remove({ id, blob }: FileRow): Promise<void> {
    await store.condemn(blob);
    await files.remove({ id, blob });
    await store.remove(blob);
  }

  /** A blob that was left pending: is it somebody's? */
  async function settle(blob: string, id: string): Promise<boolean> {
    await files.unstage(id, blob);
    if ((await files.kept(id))?.blob === blob) {
      await store.settle(blob);
      return false;
    }
    await store.remove(blob);
    return true;
  }

  return {
    async put(file, bytes, quota) {
      const id = keyText(file.fileId);
      const known = await files.kept(id);
      if (known) return { outcome: 'known', file: known.file };
      const blob = randomUUID();
      // Where this fails nobody knows whether it is kept: the record does, and the sweep asks it.
      const kept = await keep(await written(file, blob, bytes), blob, quota);
      const rest = kept.outcome === 'stored' ? store.settle(blob) : discard(id, blob);
      // The outcome stands; a mark that could not be taken away is the sweep's.
      await rest.catch(() => undefined);
      return kept;
    },

    async get(fileId) {
      return (await files.kept(keyText(fileId)))?.file;
    },

    async open(fileId, range) {
      const row = await files.kept(keyText(fileId));
      return row && store.read(row.blob, range ?? { first: 0, last: row.file.size - 1 });
    },

    async list(owner, page) {
      return pageOf(await files.list(owner, placeOf(page), page.limit + 1), page.limit, {
        item: (file) => file,
        key: ({ createdAt, fileId }) => [createdAt, fileId],
      });
    },

    async touch(fileId, at) {
      await files.touch(keyText(fileId), at);
    },

    async delete(fileId) {
      const row = await files.kept(keyText(fileId));
      if (row) await remove(row);
      return row !== undefined;
    },

    async deleteOfConversation(conversationId) {
      for (;;) {
        const rows = await files.ofConversation(keyText(conversationId), BATCH);
        for (const row of rows) await remove(row);
        if (rows.length < BATCH) return;
      }
    },

    async unusedSince(before, limit) {
      return files.unused(before, limit);
    },

    async sweep() {
      const before = new Date((await deps.now()) - DEAD_AFTER);
      let swept = 0;
      for (;;) {
        const found = await store.pending(before, BATCH);
        for (const { blob, filename } of found) if (await settle(blob, filename)) swept += 1;
        if (found.length < BATCH) return swept;
      }
    },
  };
}
