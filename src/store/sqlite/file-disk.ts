import { mkdirSync } from 'node:fs';
import { open, opendir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { unavailable } from '../../errors.ts';
import type { ByteRange } from '../../files/file-store.ts';

/** A folder of byte strings under names that we make. What is in it is durable when `write` is done. */
export interface FileDisk {
  /** Writes all of `bytes` to a new name. Rejects with UNAVAILABLE where there is no room; then nothing is left. */
  write(name: string, bytes: AsyncIterable<Uint8Array>): Promise<void>;
  /** Rejects at the first step where there is no such name. */
  read(name: string, range?: ByteRange): AsyncIterable<Uint8Array>;
  /** Idempotent. */
  remove(name: string): Promise<void>;
  names(): AsyncIterable<string>;
}

const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

async function removeAt(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** Its name is durable with the folder that it stands in. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeTo(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of bytes) await handle.writeFile(chunk);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const READ_BYTES = 64 * 1024;

async function* readFrom(path: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
  const handle = await open(path, 'r');
  try {
    const stream = handle.createReadStream({
      highWaterMark: READ_BYTES,
      autoClose: false,
      ...(range && { start: range.first, end: range.last }),
    });
    for await (const chunk of stream) if (chunk instanceof Uint8Array) yield chunk;
  } finally {
    await handle.close();
  }
}

/** A folder of the file system, made where it is missing. Readable by our user alone. */
export function openFileDisk(folder: string): FileDisk {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    async write(name, bytes) {
      const path = join(folder, name);
      try {
        await writeTo(path, bytes);
        await syncFolder(folder);
      } catch (error) {
        await removeAt(path);
        throw NO_ROOM.has(String(codeOf(error))) ? unavailable(error) : error;
      }
    },
    read: (name, range) => readFrom(join(folder, name), range),
    remove: (name) => removeAt(join(folder, name)),
    async *names() {
      for await (const { name } of await opendir(folder)) yield name;
    },
  };
}
