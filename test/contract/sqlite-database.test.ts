import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import Database from 'libsql';
import {
  createSqliteConversationStore,
  createSqliteEventTransport,
  createSqliteJobStore,
  DatabaseInUseError,
  DatabaseTooNewError,
  dropTombstones,
  endLeases,
  openDatabase,
} from '../../src/store/sqlite/index.ts';
import { LINKS } from '../../src/store/sqlite/message-table.ts';
import { EPOCH, FakeClock, settle } from '../support/fake-clock.ts';
import { aQueuedJob, finalizing, finished, paused, running } from '../support/jobs.ts';
import { tempDatabase, type TempDatabase } from '../support/stores.ts';
import { aConversation, aMessage, C } from './conversation-store-kit.ts';
import { batch, G, NO_BOUND, seqs, upTo } from './event-transport-kit.ts';
import { moved, NO_LIMIT } from './job-store-kit.ts';

/** What only the SQLite file can do: be held, be reopened, be upgraded, survive the death of its process. */

const clock = new FakeClock();
let file: TempDatabase;

beforeEach(() => {
  file = tempDatabase();
});

afterEach(() => {
  file.destroy();
});

const HOLD = `
  const Database = require(${JSON.stringify(createRequire(import.meta.url).resolve('libsql'))});
  const db = new Database(process.argv[1]);
  db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
  db.exec('CREATE TABLE held (x)');
  console.log('held');
  setInterval(() => {}, 1000);
`;

describe('the file', () => {
  test('is made with its directories', () => {
    expect(existsSync(file.path)).toBe(true);
  });

  test('is in WAL mode, and a commit does not wait for the disk', () => {
    const journal = file.db.prepare('SELECT journal_mode FROM pragma_journal_mode').get([]);
    const sync = file.db.prepare('SELECT synchronous FROM pragma_synchronous').get([]);

    expect(journal).toMatchObject({ journal_mode: 'wal' });
    expect(sync).toMatchObject({ synchronous: 1 });
  });

  test('is refused to a second opener, quickly, and is unharmed', () => {
    const began = performance.now();

    expect(() => openDatabase(file.path)).toThrow(DatabaseInUseError);

    expect(performance.now() - began).toBeLessThan(2_000);
    expect(file.db.prepare('SELECT count(*) AS n FROM jobs').get([])).toMatchObject({ n: 0 });
  });

  test('that another process holds is refused; it is free as soon as that is killed', async () => {
    const path = `${file.path}.other`;
    const child = spawn(process.execPath, ['-e', HOLD, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    expect(() => openDatabase(path)).toThrow(DatabaseInUseError);

    child.kill('SIGKILL');
    await exited;

    const db = openDatabase(path);
    expect(db.prepare('SELECT count(*) AS n FROM held').get([])).toMatchObject({ n: 0 });
    db.close();
  });

  test('is free after close even while prepared statements are alive, and they write no more', () => {
    const insert = file.db.prepare("INSERT INTO logs VALUES (NULL, 'x', 0, 0, 0)");
    insert.run([]);

    const db = file.reopen();

    expect(() => insert.run([])).toThrow('readonly');
    expect(db.prepare('SELECT count(*) AS n FROM logs').get([])).toMatchObject({ n: 1 });
  });

  test('may be closed twice', () => {
    file.db.close();

    expect(() => file.db.close()).not.toThrow();
  });

  test('of a newer version is refused by name, and let go', () => {
    file.db.exec('PRAGMA user_version = 99');
    file.db.close();

    expect(() => openDatabase(file.path)).toThrow(DatabaseTooNewError);
    expect(() => openDatabase(file.path)).toThrow('schema version 99');
  });

  test('that is no database is refused as such, and let go', () => {
    const path = join(dirname(file.path), 'notes.txt');
    writeFileSync(path, 'these are notes, not a database. '.repeat(100));

    expect(() => openDatabase(path)).toThrow('not a database');
    expect(() => openDatabase(path)).toThrow('not a database');
  });

  test('whose migration fails is left as it was', () => {
    const path = join(dirname(file.path), 'foreign.db');
    const foreign = new Database(path);
    foreign.exec('CREATE TABLE messages (theirs TEXT)');
    foreign.close();

    expect(() => openDatabase(path)).toThrow('already exists');

    const again = new Database(path);
    const tables = again.prepare('SELECT name FROM sqlite_master').raw().all([]);
    expect(tables).toEqual([['messages']]);
    again.close();
  });
});

describe('a restart', () => {
  test('finds jobs, logs and conversations as they were', async () => {
    const jobs = createSqliteJobStore({ db: file.db, clock });
    const job = aQueuedJob();
    await jobs.insert(job, NO_LIMIT);
    const log = createSqliteEventTransport({ db: file.db });
    await log.create(G);
    await log.append(batch(0, 5));
    await log.fence(G, 7);
    const conversations = createSqliteConversationStore({ db: file.db });
    await conversations.ensure(aConversation({ title: 'kept' }));
    await conversations.upsertMessage(aMessage('m1'), 3);

    const db = file.reopen();

    expect(await createSqliteJobStore({ db, clock }).get(job.generationId)).toEqual(job);
    const reopened = createSqliteEventTransport({ db });
    const page = await reopened.read(G, { after: 0, ...NO_BOUND });
    expect(seqs(page)).toEqual([1, 2, 3, 4, 5]);
    expect(page?.info).toEqual({ head: 5, fence: 7, closed: false });
    expect(await reopened.append(batch(5, 1, { fence: 6 }))).toMatchObject({
      outcome: 'stale_fence',
    });
    expect(await reopened.append(batch(5, 1, { fence: 7 }))).toMatchObject({ head: 6 });
    const again = createSqliteConversationStore({ db });
    expect(await again.get(C)).toMatchObject({ title: 'kept' });
    expect(await again.upsertMessage(aMessage('m1'), 2)).toBe('stale_fence');
  });

  test('an append that resolved is in the files: a copy of them at that moment has it', async () => {
    const log = createSqliteEventTransport({ db: file.db });
    await log.create(G);
    const copies = join(dirname(file.path), 'copies');
    mkdirSync(copies);
    const heads: (number | undefined)[] = [];

    for (let head = 0; head < 20; head += 4) {
      await log.append(batch(head, 4));
      const path = join(copies, `${head}.db`);
      // What kill -9 leaves: the files as they are, no close.
      copyFileSync(file.path, path);
      copyFileSync(`${file.path}-wal`, `${path}-wal`);
      const db = openDatabase(path);
      heads.push((await createSqliteEventTransport({ db }).info(G))?.head);
      db.close();
    }

    expect(heads).toEqual([4, 8, 12, 16, 20]);
  });

  test('ends every lease, so that what was driven is due at once, and its old driver loses', async () => {
    const jobs = createSqliteJobStore({ db: file.db, clock });
    const at = { jobs, clock };
    const [a, b, c, d, e, queued] = [1, 2, 3, 4, 5, 6].map(() => aQueuedJob());
    if (!a || !b || !c || !d || !e || !queued) throw new Error('six jobs');
    for (const job of [a, b, c, d, e, queued]) await jobs.insert(job, NO_LIMIT);
    const driven = await moved(at, running(a));
    const ending = await moved(at, finalizing(b));
    const lease = { driver: 'driver', leaseUntil: EPOCH + 20_000 };
    const unannounced = await moved(at, { ...paused(e, EPOCH + 30_000), lease });
    const others = [await moved(at, paused(c)), await moved(at, finished(d)), queued];
    expect(await jobs.due(EPOCH, 10)).toEqual([]);

    expect(endLeases(file.db)).toBe(3);

    const over = { version: 3, lease: { driver: 'driver', leaseUntil: 0 } };
    expect(await jobs.due(EPOCH, 10)).toEqual([
      { ...driven, ...over },
      { ...ending, ...over },
      { ...unannounced, ...over },
    ]);
    for (const job of others) expect(await jobs.get(job.generationId)).toEqual(job);
    expect(await jobs.compareAndSet(running(driven), 2)).toMatchObject({ outcome: 'stale' });
    expect(endLeases(file.db)).toBe(3);
  });

  test('forgets tombstones, but not those of conversations that still have records', async () => {
    const store = createSqliteConversationStore({ db: file.db });
    const jobs = createSqliteJobStore({ db: file.db, clock });
    await jobs.insert(aQueuedJob({ conversationId: 'recorded' }), NO_LIMIT);
    for (const conversationId of ['recorded', 'bare']) {
      await store.ensure(aConversation({ conversationId }));
      await store.delete(conversationId);
    }
    await store.ensure(aConversation());

    expect(dropTombstones(file.db)).toBe(1);

    expect(await store.ensure(aConversation({ conversationId: 'recorded' }))).toBe(false);
    expect(await store.get(C)).toBeDefined();
  });
});

describe('the log', () => {
  test('commits the appends of one turn together', async () => {
    const log = createSqliteEventTransport({ db: file.db });
    const ids = upTo(1, 100).map((n) => `gen_${n}`);
    for (const id of ids) await log.create(id);
    const exec = jest.spyOn(file.db, 'exec');

    await Promise.all(ids.map((id) => log.append(batch(0, 5, { generationId: id }))));
    await settle();

    expect(exec.mock.calls.filter(([sql]) => sql.startsWith('BEGIN'))).toHaveLength(1);
    expect(exec.mock.calls.filter(([sql]) => sql === 'COMMIT')).toHaveLength(1);
  });

  test('a commit that fails fails every append in it and leaves no trace', async () => {
    const log = createSqliteEventTransport({ db: file.db });
    await log.create(G);
    await log.append(batch(0, 2));
    file.db.exec('PRAGMA query_only = ON');

    const failed = await Promise.allSettled([log.append(batch(2, 1)), log.append(batch(3, 1))]);
    file.db.exec('PRAGMA query_only = OFF');

    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await log.info(G)).toMatchObject({ head: 2 });
    expect(await log.append(batch(2, 1))).toEqual({ outcome: 'appended', head: 3 });
  });

  test('a commit that fails at its end is forgotten too', async () => {
    const log = createSqliteEventTransport({ db: file.db });
    await log.create(G);
    await log.append(batch(0, 2));
    const exec = file.db.exec.bind(file.db);
    const spy = jest.spyOn(file.db, 'exec').mockImplementation((sql) => {
      if (sql === 'COMMIT') throw new Error('disk full');
      return exec(sql);
    });

    await expect(log.append(batch(2, 3))).rejects.toThrow('disk full');
    spy.mockRestore();

    expect(await log.info(G)).toMatchObject({ head: 2 });
    expect(seqs(await log.read(G, { after: 0, ...NO_BOUND }))).toEqual([1, 2]);
  });

  test('one append is one row, and a dropped log leaves none behind', async () => {
    const log = createSqliteEventTransport({ db: file.db });
    const rows = () => file.db.prepare('SELECT count(*) AS n FROM log_batches').get([]);
    await log.create(G);
    await log.append(batch(0, 50));
    await log.append(batch(50, 50));
    expect(rows()).toMatchObject({ n: 2 });

    await log.drop(G);
    expect(rows()).toMatchObject({ n: 0 });
  });

  test('data that is not JSON text on one line is refused, as its bytes would not come back', async () => {
    const log = createSqliteEventTransport({ db: file.db });
    await log.create(G);

    for (const data of ['a\u001eb', 'a\u0000', 'a\nb', '\ud800']) {
      const events = [{ seq: 1, fence: 1, type: 'custom', data }];
      await expect(log.append(batch(0, 0, { events }))).rejects.toThrow('one line');
    }

    expect(await log.info(G)).toMatchObject({ head: 0 });
  });

  test('more logs than are remembered are still right', async () => {
    const log = createSqliteEventTransport({ db: file.db });
    await log.create(G);
    await log.append(batch(0, 3));
    file.db.exec(`INSERT INTO logs (generation_id, head, fence, closed)
      SELECT 'many_' || value, value, 0, 0 FROM generate_series(1, 10050)`);
    for (let n = 1; n <= 10_050; n += 1) await log.info(`many_${n}`);

    expect(await log.info(G)).toMatchObject({ head: 3, fence: 1 });
    expect(await log.append(batch(3, 1))).toMatchObject({ head: 4 });
    expect(await log.info('many_10050')).toMatchObject({ head: 10_050 });
  });
});

test('the tree of a conversation is read from an index alone, however long its messages are', async () => {
  const conversations = createSqliteConversationStore({ db: file.db });
  await conversations.ensure(aConversation());
  await conversations.upsertMessage(aMessage('m1'), 0);
  await conversations.upsertMessage(aMessage('m2', { parentMessageId: 'm1' }), 0);

  // A plan that was read keeps the file from being closed.
  const db = openDatabase(':memory:');
  const plan = db.prepare(`EXPLAIN QUERY PLAN ${LINKS}`).all([C]);
  db.close();
  file.db.exec(`UPDATE messages SET record = 'no message'`);

  expect(plan).toEqual([
    expect.objectContaining({
      detail: 'SEARCH messages USING COVERING INDEX messages_place (conversation_id=?)',
    }),
  ]);
  expect(await conversations.links(C)).toEqual([
    { messageId: 'm1', parentMessageId: null },
    { messageId: 'm2', parentMessageId: 'm1' },
  ]);
});

test('stores of a closed database write no more, and say so when asked', async () => {
  const jobs = createSqliteJobStore({ db: file.db, clock });
  const log = createSqliteEventTransport({ db: file.db });
  const conversations = createSqliteConversationStore({ db: file.db });
  await log.create(G);
  file.db.close();

  for (const store of [jobs, log, conversations]) {
    await expect(store.ping()).rejects.toThrow('closed');
  }
  await expect(log.append(batch(0, 1))).rejects.toThrow(/not open|readonly/);
  await expect(jobs.insert(aQueuedJob(), NO_LIMIT)).rejects.toThrow(/not open|readonly/);
});
