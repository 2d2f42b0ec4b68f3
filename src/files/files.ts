import { createHash } from 'node:crypto';
import type { FileRef } from '../agent/run-spec.ts';
import { AppError, notFound } from '../errors.ts';
import type { Ids } from '../lib/ids.ts';
import type { Page, PageRequest } from '../stream/conversation-store.ts';
import type { Owner } from '../stream/owner.ts';
import type { ByteRange, FileRecord, FileStore, NewFile } from './file-store.ts';
import { cleanName } from './file-name.ts';
import { MediaTypeSniffer } from './media-type.ts';

/** Bytes, counts. */
export interface FileLimits {
  fileBytes: number;
  filesPerUser: number;
  fileBytesPerUser: number;
}

export interface FileBytes {
  /** As the client or the tool says; cleaned before it is kept. */
  name: string;
  /** What the client says; it counts among texts only. */
  mediaType: string | undefined;
  bytes: AsyncIterable<Uint8Array>;
}

/** The name that makes a file the same one however often it is put. */
export interface FileKey {
  /** Unique among the owner's, e.g. of a tool call. */
  key: string;
  origin: FileRecord['origin'];
  conversationId: string | null;
}

export interface FilesDeps {
  store: FileStore;
  ids: Ids;
  /** Epoch ms, by the stores' clock. */
  now(): Promise<number>;
  limits: FileLimits;
}

/** Uploads of one user that may be under way in this process. */
const MAX_UPLOADS = 8;

/** Users' files: whose they are, how large they may be, what they are. Refusals are `AppError`s. */
export class Files {
  readonly #deps: FilesDeps;
  readonly #uploads = new Map<string, number>();

  constructor(deps: FilesDeps) {
    this.#deps = deps;
  }

  /** A new file of the user's. */
  async upload(owner: Owner, file: FileBytes): Promise<FileRecord> {
    const place = JSON.stringify([owner.tenantId, owner.userId]);
    const open = this.#uploads.get(place) ?? 0;
    if (open >= MAX_UPLOADS) {
      throw new AppError('TOO_MANY_FILES', 'Too many uploads at once.', {
        details: { limit: MAX_UPLOADS },
        headers: { 'Retry-After': '5' },
      });
    }
    this.#uploads.set(place, open + 1);
    try {
      const fileId = this.#deps.ids.sortable('file');
      const record = { fileId, owner, origin: 'upload', conversationId: null } as const;
      return await this.#put(record, file);
    } finally {
      const left = (this.#uploads.get(place) ?? 1) - 1;
      if (left === 0) this.#uploads.delete(place);
      else this.#uploads.set(place, left);
    }
  }

  /** A file that is the same one for the same key, however often it is put. */
  async putOnce(owner: Owner, { key, ...made }: FileKey, file: FileBytes): Promise<FileRecord> {
    return this.#put({ fileId: fileIdFor(owner, key), owner, ...made }, file);
  }

  async #put(
    record: Pick<NewFile, 'fileId' | 'owner' | 'origin' | 'conversationId'>,
    { name: said, mediaType, bytes }: FileBytes,
  ): Promise<FileRecord> {
    const { store, limits } = this.#deps;
    const sniffer = new MediaTypeSniffer();
    const name = cleanName(said);
    const { tenantId, userId } = record.owner;
    const put = await store.put(
      {
        ...record,
        owner: { tenantId, userId },
        name,
        mediaType: () => sniffer.type({ mediaType, name }),
        createdAt: await this.#now(),
      },
      bounded(bytes, sniffer, limits.fileBytes),
      { files: limits.filesPerUser, bytes: limits.fileBytesPerUser },
    );
    if (put.outcome !== 'full') return put.file;
    throw put.of === 'files'
      ? new AppError('TOO_MANY_FILES', 'You have as many files as you may have; delete some.', {
          details: { limit: limits.filesPerUser },
        })
      : new AppError('FILE_QUOTA_EXCEEDED', 'Your files would be too large together.', {
          details: { limit: limits.fileBytesPerUser },
        });
  }

  /** What is missing and what is somebody else's is the same. */
  async get(owner: Owner, fileId: string): Promise<FileRecord> {
    const file = await this.find(owner, fileId);
    if (!file) throw notFound('file');
    return file;
  }

  async find(owner: Owner, fileId: string): Promise<FileRecord | undefined> {
    const file = await this.#deps.store.get(fileId);
    const mine = file?.owner.tenantId === owner.tenantId && file.owner.userId === owner.userId;
    return mine ? file : undefined;
  }

  /** The bytes of a file that `get` gave. Rejects with NOT_FOUND where it was deleted meanwhile. */
  async open({ fileId }: FileRecord, range?: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const bytes = await this.#deps.store.open(fileId, range);
    if (!bytes) throw notFound('file');
    return bytes;
  }

  list(owner: Owner, page: PageRequest): Promise<Page<FileRecord>> {
    return this.#deps.store.list(owner, page);
  }

  async delete(owner: Owner, fileId: string): Promise<void> {
    await this.get(owner, fileId);
    await this.#deps.store.delete(fileId);
  }

  /** The files of a turn, in the order given; each is used from now on. */
  async bind(owner: Owner, fileIds: readonly string[]): Promise<FileRef[]> {
    const files: FileRef[] = [];
    for (const id of new Set(fileIds)) {
      const { fileId, name, mediaType, size } = await this.get(owner, id);
      files.push({ fileId, name, mediaType, size });
    }
    const at = await this.#now();
    for (const { fileId } of files) await this.#deps.store.touch(fileId, at);
    return files;
  }

  async #now(): Promise<string> {
    return new Date(await this.#deps.now()).toISOString();
  }

  /** The first `maxBytes` of a file and its whole size; undefined: it is gone, or not the owner's. */
  async read(
    owner: Owner,
    fileId: string,
    maxBytes: number,
  ): Promise<{ bytes: Uint8Array; size: number } | undefined> {
    const file = await this.find(owner, fileId);
    if (!file) return undefined;
    const { size } = file;
    if (size === 0) return { bytes: new Uint8Array(), size };
    const range = { first: 0, last: Math.min(size, maxBytes) - 1 };
    const bytes = await this.#deps.store.open(fileId, range);
    if (!bytes) return undefined;
    const pieces: Uint8Array[] = [];
    for await (const piece of bytes) pieces.push(piece);
    return { bytes: Buffer.concat(pieces), size };
  }

  /** A file that a run made; the same one for the same key. */
  async save(
    owner: Owner,
    made: FileKey & { name: string; mediaType: string; data: Uint8Array | string },
  ): Promise<Pick<FileRecord, 'fileId' | 'name' | 'mediaType' | 'size'> & { url: string }> {
    const { key, origin, conversationId, data, ...said } = made;
    const bytes = once(Buffer.from(data));
    const file = await this.putOnce(owner, { key, origin, conversationId }, { ...said, bytes });
    const { fileId, name, mediaType, size } = file;
    return { fileId, name, mediaType, size, url: fileUrl(fileId) };
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** As unguessable as the key: keys hold ids of ours, or what only the owner knows. */
function fileIdFor({ tenantId, userId }: Owner, key: string): string {
  const hash = createHash('sha256').update(JSON.stringify([tenantId, userId, key]));
  return `file_k${hash.digest('hex').slice(0, 40)}`;
}

async function* bounded(
  bytes: AsyncIterable<Uint8Array>,
  sniffer: MediaTypeSniffer,
  limit: number,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > limit) throw fileTooLarge(limit);
    sniffer.add(chunk);
    yield chunk;
  }
}

export function fileTooLarge(limit: number): AppError {
  return new AppError('FILE_TOO_LARGE', `The file is larger than ${limit} bytes.`, {
    details: { limit },
  });
}

/** Where a user finds a file. */
export function fileUrl(fileId: string): string {
  return `/api/files/${encodeURIComponent(fileId)}`;
}
