import { randomUUID } from 'node:crypto';
import type Database from 'libsql';
import type { FileQuota, FileRecord, FileStore, PutResult } from '../../files/file-store.ts';
import { ByteCount } from '../byte-count.ts';
import { timePage } from '../page-cursor.ts';
import type { FileDisk } from './file-disk.ts';
import { FileTable } from './file-table.ts';

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
 * Files whose rows are in SQLite and whose bytes are in a folder. The row comes after the bytes and goes before them, so
 * what is seen is whole; bytes without a row are nobody's, and `sweep` removes them. One process has both.
 */
export function createSqliteFileStore(deps: { db: Database.Database; disk: FileDisk }): FileStore {
  const { disk } = deps;
  const table = new FileTable(deps.db);
  /** Bytes that have no row yet. */
  const writing = new Set<string>();

  function keep(file: FileRecord, blob: string, quota: FileQuota): PutResult {
    // No await in between: the connection is ours alone, so this is one step.
    const known = table.find(file.fileId);
    if (known) return { outcome: 'known', file: known.file };
    const used = table.used(file.owner);
    if (used.files + 1 > quota.files) return { outcome: 'full', of: 'files' };
    if (used.bytes + file.size > quota.bytes) return { outcome: 'full', of: 'bytes' };
    table.insert({ file, blob });
    return { outcome: 'stored', file };
  }

  return {
    async put({ mediaType, ...file }, bytes, quota) {
      const known = table.find(file.fileId);
      if (known) return { outcome: 'known', file: known.file };
      const blob = randomUUID();
      const count = new ByteCount();
      writing.add(blob);
      try {
        await disk.write(blob, counted(bytes, count));
        const whole = { ...file, mediaType: mediaType(), ...count.total() };
        const kept = keep({ ...whole, lastUsedAt: file.createdAt }, blob, quota);
        if (kept.outcome !== 'stored') await disk.remove(blob);
        return kept;
      } catch (error) {
        await disk.remove(blob);
        throw error;
      } finally {
        writing.delete(blob);
      }
    },

    async get(fileId) {
      return table.find(fileId)?.file;
    },

    async open(fileId, range) {
      const row = table.find(fileId);
      return row && disk.read(row.blob, range);
    },

    async list(owner, page) {
      return timePage(page, (after, limit) => table.list(owner, after, limit), {
        item: (file) => file,
        key: ({ createdAt, fileId }) => [createdAt, fileId],
      });
    },

    async touch(fileId, at) {
      table.touch(fileId, at);
    },

    async delete(fileId) {
      const blobs = table.remove(fileId);
      for (const blob of blobs) await disk.remove(blob);
      return blobs.length > 0;
    },

    async deleteOfConversation(conversationId) {
      for (const blob of table.removeOf(conversationId)) await disk.remove(blob);
    },

    async unusedSince(before, limit) {
      return table.unused(before, limit);
    },

    async sweep() {
      let swept = 0;
      for await (const name of disk.names()) {
        if (writing.has(name) || table.hasBlob(name)) continue;
        await disk.remove(name);
        swept += 1;
      }
      return swept;
    },
  };
}
