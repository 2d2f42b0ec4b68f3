import { describe, expect, test } from '@jest/globals';
import {
  connectMongo,
  ensureIndexes,
  JOB_INDEXES,
  MongoConfigError,
  mongoTime,
  type IndexSpec,
} from '../../../src/store/mongo/index.ts';
import { FairWatch } from '../../support/fair-watch.ts';
import { atPort, describeMongo, silent } from '../../support/mongo-service.ts';

/** What a start says when it fails. */
async function refusal(uri: string): Promise<Error> {
  const error: unknown = await connectMongo({ uri, log: silent }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof MongoConfigError)) throw new Error(`refused otherwise: ${String(error)}`);
  return error;
}

describe('starting without a MongoDB', () => {
  test.each(['localhost:27017', 'http://localhost', 'mongodb://', 'mongodb://a/?noSuchOption=1'])(
    '%s is no URI for it',
    async (uri) => {
      expect((await refusal(uri)).message).toMatch(/^MONGODB_URI can't be used: /);
    },
  );

  test('nobody answers: told in time, and without the password', async () => {
    const watch = new FairWatch();

    const { message } = await refusal('mongodb://ann:secret@127.0.0.1:9/db?directConnection=true');

    expect(message).toMatch(/^MongoDB can't be used: .*127\.0\.0\.1:9/);
    expect(message).not.toContain('secret');
    expect(watch.stop()).toBeLessThan(4_000);
  });
});

const spec = (over: Partial<IndexSpec> = {}): IndexSpec => ({
  collection: 'checked',
  name: 'place',
  keys: { a: 1, b: -1 },
  unique: true,
  partial: { a: { $exists: true } },
  ...over,
});

describeMongo('connection and indexes', (at) => {
  test('the time is the server’s', async () => {
    const now = mongoTime(at.mongo);

    const first = await now();
    const second = await now();

    expect(Number.isInteger(first)).toBe(true);
    expect(second).toBeGreaterThanOrEqual(first);
    // Both run on one machine, or on machines with the right time.
    expect(Math.abs(first - Date.now())).toBeLessThan(60_000);
  });

  test('a URI without a database gets holdfast, and a closed connection is out of reach', async () => {
    const mongo = await connectMongo({ uri: at.uri.replace(/\/[^/?]*(\?|$)/, '/$1'), log: silent });
    expect(mongo.database).toBe('holdfast');

    await mongo[Symbol.asyncDispose]();

    await expect(mongo.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE', status: 503 });
  });

  test('what the caller did wrong stays what it is', async () => {
    const call = at.mongo.run(() => at.mongo.db.command({ noSuchCommand: 1 }));

    await expect(call).rejects.toMatchObject({ code: 59 });
    await expect(at.mongo.run(() => Promise.reject(new TypeError('bug')))).rejects.toThrow('bug');
  });

  test('a call that takes too long is given up', async () => {
    const never = new Promise<void>(() => {});

    await expect(at.mongo.run(() => never, 20)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('fields and operators that nobody declared are refused, or taken as values', async () => {
    const model = at.mongo.model<{ _id: string; n: number }>('strict', { _id: String, n: Number });
    await model.create({ _id: 'a', n: 1 });
    const undeclared: object = { _id: 'b', n: 1, other: 1 };

    await expect(model.create(undeclared)).rejects.toThrow('other');
    await expect(model.find({ other: 1 }).exec()).rejects.toThrow('other');
    await expect(model.updateOne({ _id: 'a' }, { $set: { other: 1 } }).exec()).rejects.toThrow(
      'other',
    );
    // An operator in a value is compared with, not carried out.
    await expect(model.find({ n: { $gt: 0 } }).exec()).rejects.toThrow('Cast');
  });

  describe('indexes', () => {
    test('replicas that start together make them once, and a later start finds them', async () => {
      const others = await Promise.all([at.connect(), at.connect(), at.connect()]);

      await Promise.all(others.map((mongo) => ensureIndexes(mongo, JOB_INDEXES)));
      await ensureIndexes(at.mongo, JOB_INDEXES);

      const made = await at.mongo.db.collection('jobs').listIndexes().toArray();
      expect(made.map(({ name }) => String(name)).toSorted()).toEqual(
        ['_id_', ...JOB_INDEXES.map(({ name }) => name)].toSorted(),
      );
    });

    test.each<[string, Partial<IndexSpec>]>([
      ['unique or not', { unique: false }],
      ['keys', { keys: { a: 1 } }],
      ['order of keys', { keys: { b: -1, a: 1 } }],
      ['documents', { partial: { a: { $gt: 4 } } }],
    ])('one that exists with other %s is a start error', async (_, over) => {
      await ensureIndexes(at.mongo, [spec()]);

      const start = ensureIndexes(at.mongo, [spec(over)]);

      await expect(start).rejects.toThrow(MongoConfigError);
      await expect(start).rejects.toThrow(/collection checked: .*index/);
    });

    test('one that documents contradict is a start error', async () => {
      await at.mongo.db.collection<{ a: number }>('twice').insertMany([{ a: 1 }, { a: 1 }]);

      const start = ensureIndexes(at.mongo, [
        { collection: 'twice', name: 'a', keys: { a: 1 }, unique: true },
      ]);

      await expect(start).rejects.toThrow(MongoConfigError);
      await expect(start).rejects.toThrow('the same key');
    });

    test('a server that goes away meanwhile is out of reach', async () => {
      const mongo = await at.connect(atPort(at.uri, Number(new URL(at.uri).port)));
      await mongo[Symbol.asyncDispose]();

      const start = ensureIndexes(mongo, [spec()]);

      await expect(start).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    });
  });
});
