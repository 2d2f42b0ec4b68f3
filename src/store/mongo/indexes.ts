import { isDeepStrictEqual } from 'node:util';
import { mongo } from 'mongoose';
import { isUnavailable } from '../../errors.ts';
import type { MongoConnection } from './connection.ts';
import { DUPLICATE_KEY, MongoConfigError } from './errors.ts';

export interface IndexSpec {
  collection: string;
  name: string;
  keys: Readonly<Record<string, 1 | -1>>;
  unique?: boolean;
  /** Filter of a partial index: equality, `$exists: true`, `$gt`, `$gte`, `$lt`, `$lte`, `$type` only. */
  partial?: Readonly<Record<string, unknown>>;
  /** The documents are deleted so long after the date in the one key, seconds. */
  expireAfterSeconds?: number;
}

/** How long all indexes together may take to build at the start, ms. */
const PATIENCE = 60_000;
const ATTEMPTS = 20;
const PAUSE = 100;

/** The command's own words for "there is already another one". */
const CONFLICTS = new Set([85, 86]);
/** A collection or an index that somebody else is making at this moment, in the words of several servers. */
const RACES = new Set([48, 68, 112, 117, 276, 12_587]);

/**
 * Makes the indexes that are missing and checks that all of them are as asked for: stores rely on the unique ones.
 * Replicas may start together. Throws MongoConfigError where an index exists with other keys or options, or can't be
 * built; UNAVAILABLE where the server stays out of reach.
 */
export async function ensureIndexes(
  mongo: MongoConnection,
  specs: readonly IndexSpec[],
): Promise<void> {
  const until = performance.now() + PATIENCE;
  for (const collection of new Set(specs.map((spec) => spec.collection))) {
    const wanted = specs.filter((spec) => spec.collection === collection);
    await create(mongo, wanted, until);
    await check(mongo, collection, wanted);
  }
}

/** Asks again where a build takes longer than an answer may, or another replica does the same. */
async function create(mongo: MongoConnection, wanted: IndexSpec[], until: number): Promise<void> {
  const [first] = wanted;
  if (!first) return;
  const descriptions = wanted.map(describe);
  for (let attempt = 1; ; attempt += 1) {
    try {
      await mongo.run(() => mongo.db.collection(first.collection).createIndexes(descriptions));
      return;
    } catch (error) {
      if (attempt >= ATTEMPTS || performance.now() > until || !mayPass(error)) {
        throw asStartError(error, first.collection);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

function mayPass(error: unknown): boolean {
  return (
    isUnavailable(error) || (error instanceof mongo.MongoError && RACES.has(Number(error.code)))
  );
}

function asStartError(error: unknown, collection: string): unknown {
  if (!(error instanceof mongo.MongoServerError)) return error;
  const reason = reasonOf(error);
  return new MongoConfigError(`MongoDB, collection ${collection}: ${reason}`, { cause: error });
}

function reasonOf(error: mongo.MongoServerError): string {
  if (error.code === DUPLICATE_KEY) {
    return 'a unique index can not be built, documents have the same key.';
  }
  if (CONFLICTS.has(Number(error.code))) {
    return `an index exists with other keys or options: ${error.message}.`;
  }
  return `an index can not be built: ${error.message}.`;
}

/** The server answers an index that exists with fewer options (say, not unique) in one of several ways: look. */
async function check(mongo: MongoConnection, name: string, wanted: IndexSpec[]): Promise<void> {
  const existing = await mongo.run(() => mongo.db.collection(name).listIndexes().toArray());
  for (const spec of wanted) {
    const found = existing.find((index) => index['name'] === spec.name);
    if (!found) {
      throw new MongoConfigError(`MongoDB, collection ${name}: index ${spec.name} is missing.`);
    }
    const is = shapeOf(found);
    const asked = shapeOf(describe(spec));
    if (!isDeepStrictEqual(is, asked)) {
      throw new MongoConfigError(
        `MongoDB, collection ${name}: index ${spec.name} is ${JSON.stringify(is)} and must be ${JSON.stringify(asked)}.`,
      );
    }
  }
}

function describe(spec: IndexSpec): mongo.IndexDescription {
  const { name, keys, unique, partial, expireAfterSeconds } = spec;
  return {
    name,
    key: { ...keys },
    ...(unique === true ? { unique } : {}),
    ...(partial ? { partialFilterExpression: { ...partial } } : {}),
    ...(expireAfterSeconds === undefined ? {} : { expireAfterSeconds }),
  };
}

/** What makes an index what it is. The order of the keys counts. */
function shapeOf(index: Readonly<Record<string, unknown>> | mongo.IndexDescription): object {
  const at: Readonly<Record<string, unknown>> = { ...index };
  const seconds = at['expireAfterSeconds'];
  return {
    keys: entriesOf(at['key']),
    unique: at['unique'] === true,
    partial: at['partialFilterExpression'] ?? null,
    expireAfterSeconds: seconds === undefined ? null : Number(seconds),
  };
}

function entriesOf(key: unknown): [string, number][] {
  if (typeof key !== 'object' || key === null) return [];
  return Object.entries(key).map(([field, order]) => [field, Number(order)]);
}
