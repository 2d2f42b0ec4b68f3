import { trusted, type Model, type SchemaDefinition } from 'mongoose';
import { keyText } from '../key-text.ts';
import type { TimeKey } from '../page-cursor.ts';
import type { MongoConnection } from './connection.ts';
import { duplicateFields } from './errors.ts';

/** Values, and operators that are `trusted()`: a bare one is taken for a value (`sanitizeFilter`). */
export type Condition = Record<string, string | number | boolean | object | null>;
export type Update = Partial<
  Record<
    '$set' | '$setOnInsert' | '$unset' | '$inc' | '$max' | '$push' | '$currentDate',
    Record<string, unknown>
  >
>;

export interface Query {
  where: Condition;
  sort: Record<string, 1 | -1>;
  limit: number;
}

/** How many documents an answer may hold: what is asked for comes in one where it is not huge. */
const BATCH = 5_000;

/** The commands on one collection; each is one round trip, and atomic for one document. */
export class Collection<T extends { _id: string }> {
  readonly #mongo: MongoConnection;
  readonly #model: Model<Record<string, unknown>>;

  constructor(mongo: MongoConnection, name: string, fields: SchemaDefinition) {
    this.#mongo = mongo;
    this.#model = mongo.model(name, fields);
  }

  /** These fields of a document. */
  async get<K extends keyof T & string>(
    id: string,
    names: readonly K[],
  ): Promise<Pick<T, K> | undefined> {
    const [found] = await this.find({ where: { _id: id }, sort: {}, limit: 1 }, names);
    return found;
  }

  async find<K extends keyof T & string>(
    { where, sort, limit }: Query,
    names: readonly K[],
  ): Promise<Pick<T, K>[]> {
    if (limit <= 0) return [];
    const projection = { _id: 0, ...Object.fromEntries(names.map((name) => [name, 1])) };
    const options = { sort, limit, batchSize: Math.min(limit, BATCH) };
    return this.#mongo.run(() =>
      this.#model.find(where, projection, options).lean<Pick<T, K>[]>().exec(),
    );
  }

  /** Updates the one that matches. False: there is none. */
  async update(where: Condition, update: Update): Promise<boolean> {
    const done = await this.#mongo.run(() => this.#model.updateOne(where, update).exec());
    return done.matchedCount > 0;
  }

  /** As `update`; returns fields of the document as it is then. */
  async modify<K extends keyof T & string>(
    where: Condition,
    update: Update,
    names: readonly K[],
  ): Promise<Pick<T, K> | undefined> {
    const projection = { _id: 0, ...Object.fromEntries(names.map((name) => [name, 1])) };
    const found = await this.#mongo.run(() =>
      this.#model
        .findOneAndUpdate(where, update, { projection, returnDocument: 'after' })
        .lean<Pick<T, K>>()
        .exec(),
    );
    return found ?? undefined;
  }

  /**
   * Updates the one that matches, or inserts it where there is none of its `_id`. False: there is one, and it does not
   * match.
   */
  async upsert(where: Condition & { _id: string }, update: Update): Promise<boolean> {
    try {
      await this.#mongo.run(() => this.#model.updateOne(where, update, { upsert: true }).exec());
      return true;
    } catch (error) {
      if (!duplicateFields(error)) throw error;
    }
    // It may have been inserted only a moment ago, and match.
    return this.update(where, update);
  }

  /** How many match, and the sum of one of their numbers. */
  async total(where: Condition, field: keyof T & string): Promise<{ count: number; sum: number }> {
    const group = { _id: null, count: { $sum: 1 }, sum: { $sum: `$${field}` } };
    const [found] = await this.#mongo.run(() =>
      this.#model
        .aggregate<{ count: number; sum: number }>([{ $match: where }, { $group: group }])
        .exec(),
    );
    return { count: found?.count ?? 0, sum: found?.sum ?? 0 };
  }

  async updateAll(where: Condition, update: Update): Promise<void> {
    await this.#mongo.run(() => this.#model.updateMany(where, update).exec());
  }

  async removeAll(where: Condition): Promise<void> {
    await this.#mongo.run(() => this.#model.deleteMany(where).exec());
  }
}

/** What comes after a place, which is named by an `_id`, in a list that is sorted by `field` and `_id`, both falling. */
export function olderThan(field: string, after: TimeKey | undefined): Condition {
  if (!after) return {};
  // A cursor is a client's text: it is sent in a form that every database takes.
  const at = keyText(after[0]);
  return {
    // The range is what the index is entered by; the rest leaves out those of the same moment that were seen.
    [field]: trusted({ $lte: at }),
    $or: [{ [field]: trusted({ $lt: at }) }, { [field]: at, _id: trusted({ $lt: after[1] }) }],
  };
}

/** How long the ids of what was deleted, delivered or given up stay known to late writers, seconds. */
export const KNOWN_FOR_SECONDS = 30 * 24 * 60 * 60;
