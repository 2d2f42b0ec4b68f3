import { trusted, type SchemaDefinition } from 'mongoose';
import type { Owner } from '../../stream/owner.ts';
import type { ErasureStore } from '../../user-data/erasure-store.ts';
import { Collection } from './collection.ts';
import type { MongoConnection } from './connection.ts';
import type { IndexSpec } from './indexes.ts';
import { ownerText } from './job-document.ts';

interface ErasureDocument {
  /** JSON text of the owner. */
  _id: string;
  requestedAt: number;
}

const FIELDS: SchemaDefinition = { _id: String, requestedAt: Number };
const ERASURES = 'erasures';

/** To be ensured before the store is used. */
export const ERASURE_INDEXES: readonly IndexSpec[] = [
  { collection: ERASURES, name: 'pending', keys: { requestedAt: 1 } },
];

/** The id was written by this program: it is parsed, not checked again. */
function ownerIn(id: string): Owner {
  const [tenantId, userId]: [string, string] = JSON.parse(id);
  return { tenantId, userId };
}

export function createMongoErasureStore({ mongo }: { mongo: MongoConnection }): ErasureStore {
  const documents = new Collection<ErasureDocument>(mongo, ERASURES, FIELDS);
  return {
    async request({ owner, requestedAt }) {
      await documents.upsert({ _id: ownerText(owner) }, { $max: { requestedAt } });
    },

    async pending(limit) {
      const query = { where: {}, sort: { requestedAt: 1 }, limit } as const;
      const rows = await documents.find(query, ['_id', 'requestedAt']);
      return rows.map(({ _id, requestedAt }) => ({ owner: ownerIn(_id), requestedAt }));
    },

    async done({ owner, requestedAt }) {
      const where = { _id: ownerText(owner), requestedAt: trusted({ $lte: requestedAt }) };
      await documents.removeAll(where);
    },
  };
}
