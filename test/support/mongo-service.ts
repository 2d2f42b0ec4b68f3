import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Log } from '../../src/lib/log.ts';
import { connectMongo, type MongoConnection } from '../../src/store/mongo/index.ts';

/**
 * The MongoDB of the tests: `MONGODB_URI`, which `npm test` sets to a throw-away server where it is not given and one
 * can be had (scripts/test.mjs). Where there is none the suite is skipped, loudly; REQUIRE_SERVICES=1 makes it fail.
 */
const SERVER = process.env['MONGODB_URI'] ?? '';

/** Hundreds of calls at once on a busy machine are slow, and that is not what their tests are about; ms. */
const PATIENT = 30_000;

export interface MongoUnderTest {
  /** The server, with a database that only this suite uses and that is dropped at its end. */
  readonly uri: string;
  /** Connected to it. */
  readonly mongo: MongoConnection;
  /** One more connection, closed at the end; with a URI one that gives up as soon as the product's does. */
  connect(uri?: string): Promise<MongoConnection>;
  /** One more database, dropped at the end, too; its URI. */
  another(): string;
  /** Empties every collection of the database; indexes stay. */
  clear(): Promise<void>;
}

export const silent: Log = { info() {}, warn() {}, error() {} };

/** A suite that needs a MongoDB. */
export function describeMongo(name: string, fn: (at: MongoUnderTest) => void): void {
  if (SERVER !== '') describeThere(name, fn);
  else if (process.env['REQUIRE_SERVICES'] === '1') {
    describe(`MongoDB: ${name}`, () => {
      test('has a MongoDB (MONGODB_URI): REQUIRE_SERVICES=1 wants one', () => {
        expect(SERVER).not.toBe('');
      });
    });
  } else {
    process.stderr.write(`!!! no MongoDB (set MONGODB_URI): skipping ${name}\n`);
    // oxlint-disable-next-line jest/no-disabled-tests -- counted and named as skipped by the reporter
    describe.skip(`MongoDB: ${name}`, () => {
      fn(absent);
    });
  }
}

const missing = (): never => {
  throw new Error('there is no MongoDB');
};

/** Nothing of a skipped suite runs but its declarations. */
const absent: MongoUnderTest = {
  uri: '',
  get mongo() {
    return missing();
  },
  connect: missing,
  another: missing,
  clear: missing,
};

function describeThere(name: string, fn: (at: MongoUnderTest) => void): void {
  jest.setTimeout(2 * PATIENT);
  describe(`MongoDB: ${name}`, () => {
    const uri = withDatabase(SERVER, newDatabase());
    const others: string[] = [];
    const open: MongoConnection[] = [];
    let mongo: MongoConnection | undefined;

    const connect = async (to?: string): Promise<MongoConnection> => {
      const connection = await connectMongo(
        to === undefined ? { uri, log: silent, deadline: PATIENT } : { uri: to, log: silent },
      );
      open.push(connection);
      return connection;
    };

    beforeAll(async () => {
      mongo = await connect();
    });

    afterAll(async () => {
      await mongo?.db.dropDatabase();
      for (const name of others) await mongo?.client.db(name).dropDatabase();
      await Promise.all(open.map((connection) => connection[Symbol.asyncDispose]()));
    });

    fn({
      uri,
      connect,
      get mongo() {
        return mongo ?? missing();
      },
      another() {
        const name = newDatabase();
        others.push(name);
        return withDatabase(SERVER, name);
      },
      async clear() {
        const { db } = mongo ?? missing();
        const names = await db.listCollections({}, { nameOnly: true }).toArray();
        await Promise.all(names.map((at) => db.collection(at.name).deleteMany({})));
      },
    });
  });
}

function newDatabase(): string {
  return `holdfast_${randomUUID().replaceAll('-', '').slice(0, 20)}`;
}

/** The URI with another database. */
export function withDatabase(uri: string, database: string): string {
  const parts = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?(\?.*)?$/.exec(uri);
  if (!parts) throw new Error('MONGODB_URI is no MongoDB URI');
  return `${parts[1]}/${database}${parts[2] ?? ''}`;
}

/** Host and port of the first server in the URI. */
export function addressOf(uri: string): { host: string; port: number } {
  const first = /^mongodb:\/\/(?:[^@/]*@)?([^:,/?]+)(?::(\d+))?/.exec(uri);
  if (!first) throw new Error('MONGODB_URI names no host');
  return { host: first[1] ?? '', port: Number(first[2] ?? 27_017) };
}

/** The URI with the one server at a local port in its place. */
export function atPort(uri: string, port: number): string {
  const parts = /^(mongodb:\/\/(?:[^@/]*@)?)[^/?]+(\/[^?]*)?(?:\?(.*))?$/.exec(uri);
  if (!parts) throw new Error('MONGODB_URI is no MongoDB URI');
  const options = new URLSearchParams(parts[3]);
  options.set('directConnection', 'true');
  return `${parts[1]}127.0.0.1:${port}${parts[2] ?? '/'}?${options.toString()}`;
}
