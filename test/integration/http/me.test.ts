import { describe, expect, test, beforeEach, afterEach } from '@jest/globals';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { loadConfig } from '../../../src/config/config.ts';
import type { RawEnv } from '../../../src/config/env.ts';
import { createContext, type Context } from '../../../src/context.ts';
import { createHttpServer } from '../../../src/http/server.ts';
import { createLoggers } from '../../../src/logger.ts';
import type { MongoConnection } from '../../../src/store/mongo/index.ts';
import { createSqliteErasureStore, openDatabase } from '../../../src/store/sqlite/index.ts';
import { describeMongo } from '../../support/mongo-service.ts';
import { describeRedis, eventually, startRedis, type RedisServer } from '../../support/services.ts';
import { isShape, list, object, type Shape } from '../../support/shape.ts';

/** Section 13 of docs/PROTOCOL.md: everything that there is of a user comes out, and goes. */

const SECRET = 'a secret of thirty-two characters';
/** What is said, and what a file holds: nowhere else in the stores. */
const WORDS = { ann: 'zebrafishann', bob: 'zebrafishbob' };

interface Service {
  context: Context;
  url: string;
  close(): Promise<void>;
}

let folder: string;
let service: Service;

async function start(env: RawEnv = {}): Promise<Service> {
  const auth = { AUTH_MODE: 'jwt', JWT_SECRET: SECRET };
  const context = await createContext(
    loadConfig({ DATA_DIR: folder, ...auth, SCAN_INTERVAL: '50ms', ...env }),
    { loggers: createLoggers({ level: 'silent', replicaId: 'me' }) },
  );
  const server = createHttpServer(context.app);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo; // oxlint-disable-line typescript/no-unsafe-type-assertion -- a TCP server's address is one
  return {
    context,
    url: `http://127.0.0.1:${port}`,
    async close() {
      context.openStreams.destroyAll();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await context[Symbol.asyncDispose]();
    },
  };
}

type User = keyof typeof WORDS;

async function call(user: User, path: string, init: RequestInit = {}): Promise<Response> {
  const token = await new SignJWT({})
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
  const headers = { ...Object(init.headers), authorization: `Bearer ${token}` };
  return fetch(service.url + path, { ...init, headers });
}

const json = async (answer: Promise<Response>): Promise<Shape> => {
  const body: unknown = await (await answer).json();
  return isShape(body) ? body : {};
};

const post = (user: User, path: string, body: object, method = 'POST') =>
  call(user, path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

async function turn(user: User, text: string, over: object = {}): Promise<string> {
  const started = await json(post(user, '/api/chat', { text, ...over }));
  const conversationId = String(started['conversationId']);
  await becomes(user, conversationId, ['paused', 'completed']);
  return conversationId;
}

async function becomes(user: User, conversationId: string, wanted: string[]): Promise<void> {
  await eventually(`the answer is ${wanted.join(' or ')}`, async () => {
    const status = await json(call(user, `/api/chat/status/${conversationId}`));
    return wanted.includes(String(object(status['generation'])['status']));
  });
}

/** Something of every kind. */
async function live(user: User): Promise<void> {
  const word = WORDS[user];
  const upload = await json(
    call(user, '/api/files', {
      method: 'POST',
      headers: { 'x-file-name': `${word}.txt` },
      body: `${word} in a file`,
    }),
  );
  const files = [{ fileId: String(upload['fileId']) }];
  await turn(user, `say 3 1 ${word}`, { files, metadata: { word } });
  await turn(user, `say 2 1 ${word}`, { temporary: true });
  await turn(user, 'file', { messageId: `${word}-key` });
  const conversationId = await turn(user, 'approve', { metadata: { word } });
  const { generation } = await json(call(user, `/api/chat/status/${conversationId}`));
  const action = object(object(generation)['pendingAction']);
  const [request] = list(action['requests']);
  const decision = { toolCallId: object(request)['toolCallId'], decision: 'approve' };
  const decisions = [{ ...decision, scope: 'always', reason: `because of ${word}` }];
  await post(user, '/api/chat/resume', { conversationId, actionId: action['actionId'], decisions });
  await becomes(user, conversationId, ['completed']);
  const strict = await turn(user, 'strict', { metadata: { word } });
  await post(user, '/api/chat', { text: `no, ${word}`, conversationId: strict, onBusy: 'steer' });
}

async function exported(user: User): Promise<Shape[]> {
  const text = await (await call(user, '/api/me/export')).text();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => object(JSON.parse(line)));
}

const typesOf = (lines: Shape[]): string[] => [...new Set(lines.map(({ type }) => String(type)))];

const erase = (user: User, confirm = 'delete everything') =>
  post(user, '/api/me', { confirm }, 'DELETE');

/** How often a word is in the files of the store. Free pages of the database are no part of it. */
function found(word: string): number {
  const bytes = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
  return bytes.filter((content) => content.includes(word)).length;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-me-'));
});

afterEach(async () => {
  await service.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('all of a user', () => {
  beforeEach(async () => {
    service = await start();
  });

  test('comes out as lines, with the bytes of files, and nothing of anybody else', async () => {
    await live('ann');
    await live('bob');

    const lines = await exported('ann');

    expect(typesOf(lines)).toEqual([
      'export',
      'conversation',
      'message',
      'approval',
      'unheard',
      'rule',
      'file',
      'file_data',
      'usage',
      'end',
    ]);
    expect(lines.at(-1)).toEqual({ type: 'end', lines: lines.length - 1 });
    expect(lines.filter(({ type }) => type === 'conversation')).toHaveLength(5);
    const text = JSON.stringify(lines);
    expect(text).toContain(WORDS.ann);
    expect(text).not.toContain(WORDS.bob);
    expect(lines.filter(({ type }) => type === 'unheard')).toMatchObject([
      { text: `no, ${WORDS.ann}` },
    ]);
    const data = lines.filter(({ type }) => type === 'file_data').map((line) => line['data']);
    expect(data).toContain(Buffer.from(`${WORDS.ann} in a file`).toString('base64'));
  });

  test('goes when it is confirmed, while a pause waits, and nobody else notices', async () => {
    await live('ann');
    await live('bob');
    const before = await exported('bob');

    expect((await erase('ann', 'yes')).status).toBe(400);
    expect((await exported('ann')).length).toBeGreaterThan(10);
    expect((await erase('ann')).status).toBe(202);
    expect((await erase('ann')).status).toBe(202);

    await eventually('it is gone', async () => (await exported('ann')).length === 2);
    const after = await exported('bob');
    expect(after.slice(1)).toEqual(before.slice(1));
    expect(await (await call('ann', '/api/files')).json()).toEqual({ items: [], nextCursor: null });
    // What was a repeat of a turn is a new one now.
    const again = await json(
      post('ann', '/api/chat', { text: 'say 1', messageId: `${WORDS.ann}-key` }),
    );
    expect(again['status']).toBe('started');
  });

  test('a deletion that a crash cut short is completed by the next process', async () => {
    await live('ann');
    await live('bob');
    await service.close();
    // As a process leaves it that dies right after its answer.
    const db = openDatabase(join(folder, 'holdfast.db'));
    const owner = { tenantId: 'default', userId: 'ann' };
    await createSqliteErasureStore({ db }).request({ owner, requestedAt: Date.now() });
    db.close();
    service = await start();
    expect((await exported('ann')).length).toBeGreaterThan(10);
    service.context.start();

    await eventually('it is gone', async () => (await exported('ann')).length === 2);
    expect((await exported('bob')).length).toBeGreaterThan(10);
  });

  test('not a word of it is left in the store', async () => {
    await live('ann');
    await live('bob');
    await erase('ann');
    await eventually('it is gone', async () => (await exported('ann')).length === 2);
    await service.close();
    const db = openDatabase(join(folder, 'holdfast.db'));
    db.exec('VACUUM');
    db.close();

    expect(found(WORDS.ann)).toBe(0);
    expect(found(WORDS.bob)).toBeGreaterThan(1);
    service = await start();
  });
});

/** Both: `ME_JOB_STORES=mongo,redis`. */
const JOB_STORES = (process.env['ME_JOB_STORES'] ?? 'mongo').split(',');

/** In how many keys of Redis a word is. */
async function foundInRedis({ admin }: RedisServer, word: string): Promise<number> {
  const read: Record<string, (key: string) => Promise<unknown>> = {
    string: (key) => admin.get(key),
    stream: (key) => admin.xrange(key, '-', '+'),
    hash: (key) => admin.hgetall(key),
    set: (key) => admin.smembers(key),
    zset: (key) => admin.zrange(key, '0', '-1'),
  };
  const all = await Promise.all(
    (await admin.keys('*')).map(async (key) => [key, await read[await admin.type(key)]?.(key)]),
  );
  return all.filter((entry) => JSON.stringify(entry).includes(word)).length;
}

/** In how many documents of a database it is. */
async function foundInMongo({ db }: MongoConnection, word: string): Promise<number> {
  const collections = await db.collections();
  const all = await Promise.all(collections.map((at) => at.find({}, { raw: true }).toArray()));
  return all.flat().filter((document) => Buffer.isBuffer(document) && document.includes(word))
    .length;
}

describeRedis('all of a user, in a cluster', () => {
  describeMongo('all of a user, in a cluster', (at) => {
    test.each(JOB_STORES)(
      'goes from both stores, records of generations in %s: not a word of it is left',
      async (jobStore) => {
        await using redis = await startRedis();
        const uri = at.another();
        const mongo = await at.connect(uri);
        const stores = { REDIS_URL: redis.url, MONGODB_URI: uri };
        service = await start({ PROFILE: 'cluster', JOB_STORE: jobStore, ...stores });
        await live('ann');
        await live('bob');
        const found = (word: string): Promise<number[]> =>
          Promise.all([foundInRedis(redis, word), foundInMongo(mongo, word)]);
        const before = await exported('bob');
        const ofBob = await found(WORDS.bob);
        expect(Math.min(...(await found(WORDS.ann)), ...ofBob)).toBeGreaterThan(1);

        expect((await erase('ann')).status).toBe(202);
        await eventually('it is gone', async () => (await exported('ann')).length === 2);

        expect(await found(WORDS.ann)).toEqual([0, 0]);
        expect(await found(WORDS.bob)).toEqual(ofBob);
        expect((await exported('bob')).slice(1)).toEqual(before.slice(1));
        await service.close();
      },
    );
  });
});
