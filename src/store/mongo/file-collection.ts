import { trusted, type SchemaDefinition } from 'mongoose';
import type { FileQuota, FileRecord } from '../../files/file-store.ts';
import type { Owner } from '../../stream/owner.ts';
import { keyText } from '../key-text.ts';
import type { TimeKey } from '../page-cursor.ts';
import { Collection, olderThan, type Condition } from './collection.ts';
import type { MongoConnection } from './connection.ts';
import type { IndexSpec } from './indexes.ts';
import { ownerText } from './job-document.ts';
import { jsonText } from './json-text.ts';

interface FileDocument {
  _id: string;
  owner: string;
  conversation?: string;
  /** ISO time. */
  createdAt: string;
  /** ISO time. */
  lastUsedAt: string;
  size: number;
  blob: string;
  /** It counts from the beginning; it is seen once it is known that the quota has room for it. */
  kept: boolean;
  /** JSON text. */
  record: string;
}

const FIELDS: SchemaDefinition = {
  _id: String,
  owner: String,
  conversation: String,
  createdAt: String,
  lastUsedAt: String,
  size: Number,
  blob: String,
  kept: Boolean,
  record: String,
};

const FILES = 'files';

export const FILE_COLLECTION_INDEXES: readonly IndexSpec[] = [
  { collection: FILES, name: 'listed', keys: { owner: 1, createdAt: -1, _id: -1 } },
  {
    collection: FILES,
    name: 'conversation',
    keys: { conversation: 1 },
    partial: { conversation: { $exists: true } },
  },
  { collection: FILES, name: 'unused', keys: { lastUsedAt: 1, _id: 1 } },
];

const READ = ['_id', 'lastUsedAt', 'blob', 'kept', 'record'] as const;
type Row = Pick<FileDocument, (typeof READ)[number]>;

export interface FileRow {
  id: string;
  file: FileRecord;
  blob: string;
}

/** The record was written by this program: it is parsed, not checked again. */
function rowOf({ _id, record, lastUsedAt, blob }: Row): FileRow {
  const file: FileRecord = JSON.parse(record);
  // The one thing of it that changes.
  return { id: _id, file: { ...file, lastUsedAt }, blob };
}

/** The commands on files. Ids are `keyText`. */
export class FileCollection {
  readonly #documents: Collection<FileDocument>;

  constructor(mongo: MongoConnection) {
    this.#documents = new Collection(mongo, FILES, FIELDS);
  }

  async kept(id: string): Promise<FileRow | undefined> {
    const row = await this.#documents.get(id, READ);
    return row?.kept ? rowOf(row) : undefined;
  }

  /** False: another one of this id is kept. One that never came so far loses its place. */
  async stage(file: FileRecord, blob: string): Promise<boolean> {
    const { conversationId, createdAt, lastUsedAt, size } = file;
    const fields = {
      owner: ownerText(file.owner),
      ...(conversationId === null ? {} : { conversation: keyText(conversationId) }),
      createdAt,
      lastUsedAt,
      size,
      blob,
      record: jsonText(file, 'The file'),
    };
    return this.#documents.upsert({ _id: keyText(file.fileId), kept: false }, { $set: fields });
  }

  /** What an owner has, staged files included. */
  async used(owner: Owner): Promise<FileQuota> {
    const { count, sum } = await this.#documents.total({ owner: ownerText(owner) }, 'size');
    return { files: count, bytes: sum };
  }

  /** False: it lost its place, to another writer or to a sweep. */
  async keep(id: string, blob: string): Promise<boolean> {
    return this.#documents.update({ _id: id, blob, kept: false }, { $set: { kept: true } });
  }

  async unstage(id: string, blob: string): Promise<void> {
    await this.#documents.removeAll({ _id: id, blob, kept: false });
  }

  async remove({ id, blob }: Pick<FileRow, 'id' | 'blob'>): Promise<void> {
    await this.#documents.removeAll({ _id: id, blob });
  }

  async list(owner: Owner, after: TimeKey | undefined, limit: number): Promise<FileRecord[]> {
    const where = {
      owner: ownerText(owner),
      kept: true,
      ...olderThan('createdAt', after && [after[0], keyText(after[1])]),
    };
    return (await this.#find(where, { createdAt: -1, _id: -1 }, limit)).map(({ file }) => file);
  }

  async touch(id: string, at: string): Promise<void> {
    await this.#documents.update({ _id: id, kept: true }, { $max: { lastUsedAt: at } });
  }

  async ofConversation(conversation: string, limit: number): Promise<FileRow[]> {
    return this.#find({ conversation, kept: true }, { _id: 1 }, limit);
  }

  async unused(before: string, limit: number): Promise<FileRecord[]> {
    const where = { lastUsedAt: trusted({ $lte: before }), kept: true };
    return (await this.#find(where, { lastUsedAt: 1, _id: 1 }, limit)).map(({ file }) => file);
  }

  async #find(where: Condition, sort: Record<string, 1 | -1>, limit: number): Promise<FileRow[]> {
    return (await this.#documents.find({ where, sort, limit }, READ)).map(rowOf);
  }
}
