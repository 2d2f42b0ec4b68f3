import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Database from 'libsql';
import { OPEN_POLICY } from '../../src/hitl/tool-policy.ts';
import {
  createSqliteApprovalStore,
  createSqliteConversationStore,
  createSqliteEventTransport,
  createSqliteJobStore,
  createSqliteOutbox,
  openDatabase,
} from '../../src/store/sqlite/index.ts';
import { encodeBatch } from '../../src/store/log-batch.ts';
import { MIGRATIONS } from '../../src/store/sqlite/schema.ts';
import type { Job } from '../../src/stream/job.ts';
import { EPOCH, FakeClock } from '../support/fake-clock.ts';
import { aQueuedJob, finished, paused, requeued, running } from '../support/jobs.ts';
import { tempDatabase, type TempDatabase } from '../support/stores.ts';
import { ALL, NOBODY, ODD } from './approval-store-kit.ts';
import { aConversation, aMessage, C } from './conversation-store-kit.ts';
import { batch, G, NO_BOUND, seqs } from './event-transport-kit.ts';
import { inserted, moved } from './job-store-kit.ts';

/** A file of an earlier version (1: before people were in the loop) is brought up to date with what is in it. */

const clock = new FakeClock();
let file: TempDatabase;

beforeEach(() => {
  file = tempDatabase();
});

afterEach(() => {
  file.destroy();
});

const NEW_TABLES = [
  'approvals',
  'approval_audience',
  'approval_audit',
  'approval_rules',
  'outbox',
  'files',
  'erasures',
  'job_steers',
];
const NEW_INDEXES = ['conversations_owner', 'conversations_idle'];

/** Takes away what came after version 1. */
function goBack(): void {
  for (const table of NEW_TABLES) file.db.exec(`DROP TABLE ${table}`);
  for (const index of NEW_INDEXES) file.db.exec(`DROP INDEX ${index}`);
  file.db.exec('DROP INDEX messages_place; ALTER TABLE messages DROP COLUMN parent');
  file.db.exec('CREATE INDEX messages_place ON messages (conversation_id, ord)');
  file.db.exec('ALTER TABLE logs ADD COLUMN first INTEGER NOT NULL DEFAULT 1');
  file.db.exec('PRAGMA user_version = 1');
}

/** Writes the record as version 1 did. */
function asBefore(job: Job, answered?: object): void {
  const { policy: _policy, anchor: _anchor, route: _route, ...spec } = job.spec;
  const record: Record<string, unknown> = { ...job, spec };
  if (job.status === 'paused')
    for (const key of ['interruptId', 'lease', 'warnAt']) delete record[key];
  if (answered) record['answered'] = answered;
  file.db
    .prepare('UPDATE jobs SET record = ? WHERE generation_id = ?')
    .run([JSON.stringify(record), job.generationId]);
}

test('jobs of version 1 are whole after it, and pauses are announced at once', async () => {
  const at = { jobs: createSqliteJobStore({ db: file.db, clock }), clock };
  const input = { ...aQueuedJob().input, text: ODD.join('\n') };
  const waits = await moved(at, paused(await inserted(at, { input }), EPOCH + 900));
  const { action } = paused(await inserted(at));
  const resumed = await moved(at, requeued(await inserted(at), EPOCH));
  const others = [
    await inserted(at),
    await moved(at, running(await inserted(at))),
    await moved(at, finished(await inserted(at))),
  ];
  for (const job of [waits, ...others]) asBefore(job);
  asBefore(resumed, action);
  goBack();

  const jobs = createSqliteJobStore({ db: file.reopen(), clock });

  for (const job of others) expect(await jobs.get(job.generationId)).toEqual(job);
  expect(others[0]?.spec.policy).toEqual({ service: OPEN_POLICY, agent: OPEN_POLICY });
  const answered = { action, interruptId: null };
  expect(await jobs.get(resumed.generationId)).toEqual({ ...resumed, answered });
  const over = { interruptId: null, warnAt: null, lease: { driver: '', leaseUntil: 0 } };
  const announced = { ...waits, ...over };
  expect(await jobs.get(waits.generationId)).toEqual(announced);
  expect(await jobs.due(EPOCH, 10)).toEqual([announced]);
});

test('messages of version 1 follow whom they followed, whatever their ids are', async () => {
  const before = createSqliteConversationStore({ db: file.db });
  await before.ensure(aConversation());
  for (const [index, messageId] of ODD.entries()) {
    const parentMessageId = ODD[index - 1] ?? null;
    await before.upsertMessage(aMessage(messageId, { parentMessageId }), 0);
  }
  const links = await before.links(C);
  goBack();

  const after = createSqliteConversationStore({ db: file.reopen() });

  expect(links).toHaveLength(ODD.length);
  expect(await after.links(C)).toEqual(links);
});

test('the new stores are there and empty', async () => {
  goBack();

  const db = file.reopen();

  expect((await createSqliteApprovalStore({ db }).pending(NOBODY, ALL)).items).toEqual([]);
  expect(await createSqliteOutbox({ db }).due(EPOCH, 10)).toEqual([]);
});

/** A file of this version, with a log of three events from the days of version 1. */
function fileOf(version: number): string {
  const path = `${file.path}.${version}`;
  const db = new Database(path);
  const [oldest = '', ...later] = MIGRATIONS.slice(0, version);
  db.exec(oldest);
  db.prepare(
    'INSERT INTO logs (generation_id, head, first, fence, closed) VALUES (?, 3, 1, 1, 0)',
  ).run([G]);
  db.prepare(
    'INSERT INTO log_batches (log_id, first_seq, last_seq, fence, events) VALUES (1, 1, 3, 1, ?)',
  ).run([encodeBatch(batch(0, 3).events)]);
  for (const step of later) db.exec(step);
  db.exec(`PRAGMA user_version = ${version}`);
  db.close();
  return path;
}

test.each(MIGRATIONS.map((_, index) => index + 1))(
  'the log in a file of version %i is whole, and goes on',
  async (version) => {
    const db = openDatabase(fileOf(version));
    try {
      const log = createSqliteEventTransport({ db });

      expect(await log.info(G)).toEqual({ head: 3, fence: 1, closed: false });
      expect(await log.append(batch(3, 2))).toEqual({ outcome: 'appended', head: 5 });
      expect(await log.fence(G, 2)).toEqual({ head: 5, fence: 2, closed: false });
      await log.create('gen_new');
      expect(await log.info('gen_new')).toEqual({ head: 0, fence: 0, closed: false });
      expect(seqs(await log.read(G, { after: 0, ...NO_BOUND }))).toEqual([1, 2, 3, 4, 5]);
    } finally {
      db.close();
    }
  },
);
