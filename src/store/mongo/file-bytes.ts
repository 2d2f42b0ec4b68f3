import { trusted, type SchemaDefinition } from 'mongoose';
import type { ByteRange } from '../../files/file-store.ts';
import { Collection } from './collection.ts';
import type { MongoConnection } from './connection.ts';
import type { IndexSpec } from './indexes.ts';

/**
 * Byte strings, laid out as GridFS lays out files, so that MongoDB's own tools can read them. Not through the driver's
 * bucket: each command here has the deadline and the errors of every other one.
 */

/** As GridFS has it unless told otherwise. */
export const CHUNK_BYTES = 255 * 1024;

interface BlobDocument {
  _id: string;
  /** Id of the file that it is for. */
  filename: string;
  length: number;
  chunkSize: number;
  uploadDate: Date;
  /** Since when it is being written or deleted; not there: it is whole and somebody's. */
  pendingSince?: Date;
}

interface ChunkDocument {
  _id: string;
  files_id: string;
  n: number;
  data: unknown;
}

const BLOB_FIELDS: SchemaDefinition = {
  _id: String,
  filename: String,
  length: Number,
  chunkSize: Number,
  uploadDate: Date,
  pendingSince: Date,
};
const CHUNK_FIELDS: SchemaDefinition = { _id: String, files_id: String, n: Number, data: Buffer };

const BLOBS = 'file_bytes.files';
const CHUNKS = 'file_bytes.chunks';

export const FILE_BYTE_INDEXES: readonly IndexSpec[] = [
  {
    collection: BLOBS,
    name: 'pending',
    keys: { pendingSince: 1 },
    partial: { pendingSince: { $exists: true } },
  },
  { collection: CHUNKS, name: 'files_id_1_n_1', keys: { files_id: 1, n: 1 }, unique: true },
];

const chunkId = (blob: string, n: number): string => `${blob}:${n}`;

/** Pieces of `CHUNK_BYTES`, the last one shorter. */
export async function* chunksOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let kept: Uint8Array[] = [];
  let size = 0;
  for await (const piece of bytes) {
    let rest = piece;
    while (size + rest.length >= CHUNK_BYTES) {
      const room = CHUNK_BYTES - size;
      yield Buffer.concat([...kept, rest.subarray(0, room)]);
      rest = rest.subarray(room);
      kept = [];
      size = 0;
    }
    if (rest.length > 0) kept.push(Buffer.from(rest));
    size += rest.length;
  }
  if (size > 0) yield Buffer.concat(kept);
}

/** The driver gives its own `Binary`, or a Buffer. */
function bytesIn(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (typeof data === 'object' && data !== null && 'buffer' in data) {
    const { buffer } = data;
    if (buffer instanceof Uint8Array) return buffer;
  }
  throw new Error('a chunk holds no bytes');
}

export class FileBytes {
  readonly #blobs: Collection<BlobDocument>;
  readonly #chunks: Collection<ChunkDocument>;

  constructor(mongo: MongoConnection) {
    this.#blobs = new Collection(mongo, BLOBS, BLOB_FIELDS);
    this.#chunks = new Collection(mongo, CHUNKS, CHUNK_FIELDS);
  }

  /** Pending until `settle`. */
  async write(blob: string, filename: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const fields = { filename, length: 0, chunkSize: CHUNK_BYTES };
    const now = { uploadDate: true, pendingSince: true };
    await this.#blobs.upsert({ _id: blob }, { $setOnInsert: fields, $currentDate: now });
    let n = 0;
    let length = 0;
    for await (const data of chunksOf(bytes)) {
      const chunk = { files_id: blob, n, data };
      await this.#chunks.upsert({ _id: chunkId(blob, n) }, { $setOnInsert: chunk });
      n += 1;
      length += data.length;
    }
    await this.#blobs.update({ _id: blob }, { $set: { length } });
  }

  /** It is somebody's. */
  async settle(blob: string): Promise<void> {
    await this.#blobs.update({ _id: blob }, { $unset: { pendingSince: '' } });
  }

  /** It is going to be nobody's: `pending` finds it if we do not come to `remove`. */
  async condemn(blob: string): Promise<void> {
    await this.#blobs.update({ _id: blob }, { $currentDate: { pendingSince: true } });
  }

  async remove(blob: string): Promise<void> {
    await this.#chunks.removeAll({ files_id: blob });
    await this.#blobs.removeAll({ _id: blob });
  }

  async pending(before: Date, limit: number): Promise<{ blob: string; filename: string }[]> {
    const where = { pendingSince: trusted({ $lte: before }) };
    const query = { where, sort: { pendingSince: 1 }, limit } as const;
    const rows = await this.#blobs.find(query, ['_id', 'filename']);
    return rows.map(({ _id, filename }) => ({ blob: _id, filename }));
  }

  async *read(blob: string, { first, last }: ByteRange): AsyncGenerator<Uint8Array> {
    for (let n = Math.floor(first / CHUNK_BYTES); n * CHUNK_BYTES <= last; n += 1) {
      const chunk = await this.#chunks.get(chunkId(blob, n), ['data']);
      if (!chunk) throw new Error('the file was deleted while it was read');
      const start = n * CHUNK_BYTES;
      yield bytesIn(chunk.data).subarray(Math.max(first - start, 0), last - start + 1);
    }
  }
}
