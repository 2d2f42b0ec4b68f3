import { z } from 'zod';
import type { Page, PageRequest } from '../stream/conversation-store.ts';
import type { Owner } from '../stream/owner.ts';

/** Port: the bytes of users' files and what is known of them. Bytes never change under an id, and no id is used again. */

export const FILE_ORIGINS = ['upload', 'artifact', 'output'] as const;

export interface FileRecord {
  /** Sortable by time of making, unguessable. */
  fileId: string;
  owner: Owner;
  /** As users see it; never a path of ours. */
  name: string;
  /** As its bytes say, e.g. `image/png`. */
  mediaType: string;
  /** Bytes. */
  size: number;
  /** Of the bytes, lower-case hex. */
  sha256: string;
  /** ISO time. */
  createdAt: string;
  /** ISO time of the last turn that it came with; of its making where there was none. */
  lastUsedAt: string;
  /** A user's own; made by a tool for the user; the whole of a tool's output that was too large for the log. */
  origin: (typeof FILE_ORIGINS)[number];
  /** What a run makes goes with its conversation; null: it stays until it is deleted by itself. */
  conversationId: string | null;
}

export const fileRecordSchema: z.ZodType<FileRecord> = z.object({
  fileId: z.string(),
  owner: z.object({ tenantId: z.string(), userId: z.string() }),
  name: z.string(),
  mediaType: z.string(),
  size: z.number(),
  sha256: z.string(),
  createdAt: z.string(),
  lastUsedAt: z.string(),
  origin: z.enum(FILE_ORIGINS),
  conversationId: z.string().nullable(),
});

/** What is known of a file before its bytes are. */
export type NewFile = Omit<FileRecord, 'size' | 'sha256' | 'mediaType' | 'lastUsedAt'> & {
  /** Asked once, when all bytes were read. */
  mediaType: () => string;
};

/** What an owner may have, files that are just being finished included. */
export interface FileQuota {
  files: number;
  bytes: number;
}

export type PutResult =
  | { outcome: 'stored'; file: FileRecord }
  /** There is one of this id: it, unchanged. */
  | { outcome: 'known'; file: FileRecord }
  /** With this one the owner would have more than the quota. */
  | { outcome: 'full'; of: 'files' | 'bytes' };

/** Offsets of the first and the last byte, both in the file. */
export interface ByteRange {
  first: number;
  last: number;
}

export interface FileStore {
  /**
   * Reads `bytes` to its end; nobody sees the file before it is whole and durable. Rejects with what `bytes` rejects
   * with, and then nothing is left of it; of a process that dies in the middle `sweep` removes the rest.
   */
  put(file: NewFile, bytes: AsyncIterable<Uint8Array>, quota: FileQuota): Promise<PutResult>;
  get(fileId: string): Promise<FileRecord | undefined>;
  /** The bytes, or a range of them; undefined: there is no such file. Rejects in the middle where it is deleted meanwhile. */
  open(fileId: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Newest first. */
  list(owner: Owner, page: PageRequest): Promise<Page<FileRecord>>;
  /** Raises `lastUsedAt`, never lowers it. */
  touch(fileId: string, at: string): Promise<void>;
  /** False: there was none. */
  delete(fileId: string): Promise<boolean>;
  /** Those made in a conversation. */
  deleteOfConversation(conversationId: string): Promise<void>;
  /** Those last used at or before `before` (ISO time), the longest unused first. */
  unusedSince(before: string, limit: number): Promise<FileRecord[]>;
  /** Removes what writers left that died; how many there were. Those of the last hour may still be at work. */
  sweep(): Promise<number>;
}
