import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { indexArguments, indexOf, score } from '../../../src/store/redis/job-index.ts';
import {
  ALL_JOBS,
  conversationKeys,
  deleteKeys,
  idempotencyKey,
  insertKeys,
  ownerKeys,
  recordKey,
  replaceKeys,
} from '../../../src/store/redis/job-keys.ts';
import {
  firstJob,
  insertReply,
  isDeleted,
  jobOrNone,
  jobsIn,
  storeResult,
} from '../../../src/store/redis/job-replies.ts';
import { generationOf, logKeys } from '../../../src/store/redis/keys.ts';
import { parseState } from '../../../src/store/redis/log-codec.ts';
import type { Job } from '../../../src/stream/job.ts';
import { EPOCH } from '../../support/fake-clock.ts';
import { aQueuedJob, finalizing, finished, paused, running } from '../../support/jobs.ts';

const bytes = (names: string[]): string[] => names.map((name) => Buffer.from(name).toString('hex'));

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('{', '}', '{x}', 'a:b', ''));

/** What stands between the first brace and the next closing one decides the slot. */
const hashTag = (key: string): string | undefined => /^[^{]*\{([^}]+)\}/.exec(key)?.[1];

describe('keys of jobs in Redis', () => {
  test('whatever the ids, all keys are in one slot and carry the product’s prefix', () => {
    fc.assert(
      fc.property(text, text, text, text, (generationId, conversationId, key, user) => {
        const owner = { tenantId: key, userId: user };
        const job = aQueuedJob({ generationId, conversationId, idempotencyKey: key, owner });
        const keys = [...insertKeys(job), ...replaceKeys(job), ...deleteKeys(job)];

        expect(new Set(keys.map(hashTag))).toEqual(new Set(['jobs']));
        expect(keys.every((name) => name.startsWith('hf:'))).toBe(true);
      }),
    );
  });

  test('no two things share a key, also after the way through UTF-8', () => {
    fc.assert(
      fc.property(fc.uniqueArray(text, { minLength: 2, maxLength: 8 }), (ids) => {
        const names = [
          ...Object.values(ALL_JOBS),
          ...ids.flatMap((id) => [
            recordKey(id),
            idempotencyKey(id),
            ...Object.values(conversationKeys(id)),
            ...Object.values(ownerKeys({ tenantId: id, userId: 'user' })),
            ...Object.values(ownerKeys({ tenantId: 'tenant', userId: id })),
          ]),
        ];

        expect(new Set(bytes(names)).size).toBe(new Set(names).size);
        expect(new Set(names).size).toBeGreaterThanOrEqual(5 + ids.length * 10 - 4);
      }),
    );
  });

  test('a tenant and a user are told apart from each other', () => {
    expect(ownerKeys({ tenantId: 'a', userId: 'b","c' }).slots).not.toBe(
      ownerKeys({ tenantId: 'a","b', userId: 'c' }).slots,
    );
  });

  test('the names are a format: databases have them', () => {
    const job = aQueuedJob({
      generationId: 'gen',
      conversationId: 'conv',
      idempotencyKey: 'tenant/ann/1',
      owner: { tenantId: 'tenant', userId: 'ann' },
    });

    expect([...new Set([...insertKeys(job), ...deleteKeys(job)])]).toEqual([
      'hf:{jobs}:job:gen',
      'hf:{jobs}:key:tenant/ann/1',
      'hf:{jobs}:lane:conv',
      'hf:{jobs}:conversation:conv',
      'hf:{jobs}:conversation-live:conv',
      'hf:{jobs}:conversation-waiting:conv',
      'hf:{jobs}:owner-live:["tenant","ann"]',
      'hf:{jobs}:owner-slots:["tenant","ann"]',
      'hf:{jobs}:queue',
      'hf:{jobs}:orphans',
      'hf:{jobs}:counter',
      'hf:{jobs}:due',
      'hf:{jobs}:logs',
    ]);
  });
});

describe('places of a job in the indexes', () => {
  const none = { queuedAt: null, waitingSince: null, dueAt: null, finishedAt: null };
  const queued = aQueuedJob();
  const waiting = aQueuedJob({ lane: 'waiting' });
  const cases: [string, Job, object][] = [
    ['queued', queued, { live: true, active: true, slot: true, ...none, queuedAt: EPOCH }],
    ['waiting', waiting, { live: true, active: false, slot: true, ...none, waitingSince: EPOCH }],
    [
      'running',
      running(queued, EPOCH + 1),
      { live: true, active: true, slot: true, ...none, dueAt: EPOCH + 1 },
    ],
    [
      'paused',
      paused(queued, EPOCH + 2),
      { live: true, active: true, slot: false, ...none, dueAt: EPOCH + 2 },
    ],
    ['paused for good', paused(queued), { live: true, active: true, slot: false, ...none }],
    [
      'finalizing',
      finalizing(queued, EPOCH + 3),
      { live: true, active: true, slot: false, ...none, dueAt: EPOCH + 3 },
    ],
    [
      'finished',
      finished(queued, EPOCH + 4),
      { live: false, active: false, slot: false, ...none, finishedAt: EPOCH + 4 },
    ],
  ];

  test.each(cases)('%s', (_, job, wanted) => {
    expect(indexOf(job)).toEqual(wanted);
  });

  test('as arguments: flags, then times, nothing where it is not', () => {
    expect(indexArguments(running(waiting, 5))).toEqual(['1', '', '1', '', '', '5', '']);
  });

  test('a time that is none is refused before anything is written', () => {
    expect(() => indexArguments({ ...queued, queuedAt: Number.NaN })).toThrow('no time');
    expect(() => score(Infinity)).toThrow('no time');
  });
});

describe('replies of the scripts', () => {
  const job = aQueuedJob();

  test('are told apart by their code', () => {
    expect(insertReply(['inserted'])).toEqual({ outcome: 'inserted' });
    expect(insertReply(['used'])).toEqual({ outcome: 'used' });
    expect(insertReply(['limit', 3])).toEqual({ outcome: 'limit', live: 3 });
    expect(insertReply(['busy', JSON.stringify(job)])).toEqual({ outcome: 'busy', job });
    expect(storeResult(['stored'])).toEqual({ outcome: 'stored' });
    expect(storeResult(['stale', null])).toEqual({ outcome: 'stale', current: undefined });
    expect(storeResult(['lane_taken'])).toEqual({ outcome: 'lane_taken' });
    expect(jobsIn([JSON.stringify(job)])).toEqual([job]);
    expect(jobOrNone(null)).toBeUndefined();
  });

  test.each([
    ['in a list', () => jobsIn([JSON.stringify(job), null])],
    ['by its key', () => firstJob([null])],
    ['that is in the way', () => insertReply(['duplicate', null])],
  ])('a record that its index names and that is not there, %s: its slot is moving', (_, parse) => {
    expect(parse).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
  });

  test('no job with the key is no fault', () => {
    expect(firstJob([])).toBeUndefined();
  });

  test.each([
    ['another code', () => insertReply(['secret'])],
    ['no list', () => storeResult('secret')],
    ['a limit that is no number', () => insertReply(['limit', 'secret'])],
    ['a record that is no text', () => jobsIn([1])],
    ['a deletion that says nothing', () => isDeleted(['secret'])],
  ])('%s is a fault, told without what was in it', (_, parse) => {
    expect(parse).toThrow(/^a script of the job store answered with \w+$/);
  });
});

test('a key names the log that it is of; what only looks like one names none', () => {
  for (const id of ['gen_1', '', '}', '"a"', 'a}:state', '\ud800', 'a\nb']) {
    expect(generationOf(logKeys(id).state)).toBe(id);
  }
  for (const key of ['hf:{"x}:state', 'hf:{}:state', 'hf:{"a"}:log', 'x', 'hf:{"plain"}:state']) {
    expect(generationOf(key)).toBeUndefined();
  }
});

test('the state of a log is four numbers; any other text is told as what nobody wrote', () => {
  const info = { head: 12, fence: 3, closed: true };
  expect(parseState('12 3 1 2')).toEqual({ info, last: 2 });
  for (const text of [
    '',
    '12',
    '12 3 1',
    '12 3 2 2',
    '12 1 3 1 2',
    ' 12 3 1 2',
    '12 3 1 2 ',
    'x 3 1 2',
  ]) {
    expect(() => parseState(text)).toThrow('Redis holds a log state that nobody wrote');
  }
});
