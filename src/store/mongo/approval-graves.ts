import type { SchemaDefinition } from 'mongoose';
import { Collection, KNOWN_FOR_SECONDS } from './collection.ts';
import type { MongoConnection } from './connection.ts';
import type { IndexSpec } from './indexes.ts';

interface Grave {
  _id: string;
  deletedAt: Date;
}

const FIELDS: SchemaDefinition = { _id: String, deletedAt: Date };
const GRAVES = 'approval_graves';

export const GRAVE_INDEXES: readonly IndexSpec[] = [
  {
    collection: GRAVES,
    name: 'known',
    keys: { deletedAt: 1 },
    expireAfterSeconds: KNOWN_FOR_SECONDS,
  },
];

/**
 * Conversations whose approvals and rules were deleted, by the `keyText` of their ids. The grave comes first; a writer
 * looks for it before its write, so that nothing is seen of what comes late, and after it, so that nothing stays.
 */
export class Graves {
  readonly #documents: Collection<Grave>;

  constructor(mongo: MongoConnection) {
    this.#documents = new Collection(mongo, GRAVES, FIELDS);
  }

  async dig(conversation: string): Promise<void> {
    await this.#documents.upsert({ _id: conversation }, { $currentDate: { deletedAt: true } });
  }

  async has(conversation: string): Promise<boolean> {
    return (await this.#documents.get(conversation, ['_id'])) !== undefined;
  }
}
