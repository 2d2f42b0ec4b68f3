import { trusted, type SchemaDefinition } from 'mongoose';
import { z } from 'zod';
import type { Owner } from '../../stream/owner.ts';
import type { UsageStore } from '../../usage/usage-store.ts';
import { Collection } from './collection.ts';
import type { MongoConnection } from './connection.ts';
import type { IndexSpec } from './indexes.ts';
import { ownerText } from './job-document.ts';

interface UsageDocument {
  /** JSON text of owner and key. */
  _id: string;
  owner: string;
  day: string;
  model: string;
  inputTokens: number;
  outputTokens: number;
  cacheRead: number;
  reasoning: number;
  cost: number;
}

const FIELDS: SchemaDefinition = {
  _id: String,
  owner: String,
  day: String,
  model: String,
  inputTokens: Number,
  outputTokens: Number,
  cacheRead: Number,
  reasoning: Number,
  cost: Number,
};

const USAGE = 'usage_calls';

/** To be ensured before the store is used. */
export const USAGE_INDEXES: readonly IndexSpec[] = [
  { collection: USAGE, name: 'by_day', keys: { owner: 1, day: 1, model: 1 } },
  { collection: USAGE, name: 'old', keys: { day: 1 } },
];

const sum = z.number();
const usedSchema = z.object({ tokens: sum, cost: sum });
const daySchema = z.object({
  _id: z.object({ day: z.string(), model: z.string() }),
  calls: sum,
  inputTokens: sum,
  outputTokens: sum,
  cacheRead: sum,
  reasoning: sum,
  cost: sum,
});

const total = (name: string) => ({ $sum: `$${name}` });

const idOf = ({ tenantId, userId }: Owner, key: string): string =>
  JSON.stringify([tenantId, userId, key]);

/** A document for each call; sums are made of an index when they are asked for. */
export function createMongoUsageStore({ mongo }: { mongo: MongoConnection }): UsageStore {
  const documents = new Collection<UsageDocument>(mongo, USAGE, FIELDS);

  const aggregate = (pipeline: Record<string, unknown>[]): Promise<unknown[]> =>
    mongo.run(() => mongo.db.collection(USAGE).aggregate(pipeline).toArray());

  return {
    async add({ owner, key, day, model, tokens, cost }) {
      const { inputTokens, outputTokens, cacheRead, reasoning } = tokens;
      const counts = { inputTokens, outputTokens, cacheRead, reasoning, cost };
      const fields = { owner: ownerText(owner), day, model, ...counts };
      await documents.upsert({ _id: idOf(owner, key) }, { $setOnInsert: fields });
    },

    async of(owner, day) {
      const [found] = await aggregate([
        { $match: { owner: ownerText(owner), day } },
        {
          $group: {
            _id: null,
            tokens: { $sum: { $add: ['$inputTokens', '$outputTokens'] } },
            cost: { $sum: '$cost' },
          },
        },
      ]);
      return found === undefined ? { tokens: 0, cost: 0 } : usedSchema.parse(found);
    },

    async list(owner, from, to) {
      const rows = await aggregate([
        { $match: { owner: ownerText(owner), day: { $gte: from, $lte: to } } },
        {
          $group: {
            _id: { day: '$day', model: '$model' },
            calls: { $sum: 1 },
            inputTokens: total('inputTokens'),
            outputTokens: total('outputTokens'),
            cacheRead: total('cacheRead'),
            reasoning: total('reasoning'),
            cost: total('cost'),
          },
        },
        { $sort: { '_id.day': 1, '_id.model': 1 } },
      ]);
      return rows.map((row) => {
        const { _id: at, calls, cost, ...tokens } = daySchema.parse(row);
        return { ...at, calls, tokens, cost };
      });
    },

    async deleteOwner(owner) {
      await documents.removeAll({ owner: ownerText(owner) });
    },

    async prune(day, limit) {
      const query = { where: { day: trusted({ $lt: day }) }, sort: { day: 1 }, limit } as const;
      const old = (await documents.find(query, ['_id'])).map(({ _id }) => _id);
      if (old.length > 0) await documents.removeAll({ _id: trusted({ $in: old }) });
      return old.length;
    },
  };
}
