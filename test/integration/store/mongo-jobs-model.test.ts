import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createMemoryJobStore } from '../../../src/store/memory/index.ts';
import { createMongoJobStore, ensureIndexes, JOB_INDEXES } from '../../../src/store/mongo/index.ts';
import type { Job } from '../../../src/stream/job.ts';
import type { JobStore } from '../../../src/stream/job-store.ts';
import { EPOCH, FakeClock } from '../../support/fake-clock.ts';
import {
  aQueuedJob,
  finalizing,
  finished,
  paused,
  requeued,
  running,
  steered,
} from '../../support/jobs.ts';
import { describeMongo } from '../../support/mongo-service.ts';

/** Any sequence of calls gives the same answers as the store in memory. Few of everything, so that they meet. */

const MOVES = {
  running,
  paused,
  finalizing,
  finished,
  requeued,
  warned: (job: Job, at: number): Job => ({ ...paused(job, at + 5), warnAt: at }),
  promoted: (job: Job): Job => ({ ...job, lane: 'active', version: job.version + 1 }),
} satisfies Record<string, (job: Job, at: number) => Job>;

const small = fc.nat({ max: 3 });
const time = fc.nat({ max: 9 }).map((n) => EPOCH + n);

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('insert' as const),
      conversation: small,
      user: fc.nat({ max: 1 }),
      key: fc.nat({ max: 29 }),
      waiting: fc.boolean(),
      at: time,
      max: fc.integer({ min: 0, max: 5 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('move' as const),
      which: fc.nat({ max: 7 }),
      move: fc.constantFrom(
        'running',
        'paused',
        'finalizing',
        'finished',
        'requeued',
        'warned',
        'promoted',
      ),
      at: time,
      late: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('steer' as const),
      which: fc.nat({ max: 7 }),
      key: fc.nat({ max: 29 }),
    }),
  },
  fc.record({ do: fc.constant('dropLog' as const), which: fc.nat({ max: 7 }) }),
  fc.record({ do: fc.constant('delete' as const), conversation: small }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const conversationOf = (n: number): string => `conv ${n}`;
const ownerOf = (n: number) => ({ tenantId: 'tenant', userId: `user ${n}` });

/** Carries a step out on one store; `ids` and `current` are what the model has. */
type Call = (jobs: JobStore) => Promise<unknown>;

function inserting(one: Extract<Step, { do: 'insert' }>, nth: number): { call: Call; job: Job } {
  const job = aQueuedJob({
    conversationId: conversationOf(one.conversation),
    owner: ownerOf(one.user),
    idempotencyKey: `key ${one.key}`,
    lane: one.waiting ? 'waiting' : 'active',
    queuedAt: one.at,
    createdAt: EPOCH + 100 * nth,
  });
  return { call: (jobs) => jobs.insert(job, { maxPerOwner: one.max }), job };
}

function moving(one: Extract<Step, { do: 'move' }>, current: Job): Call {
  const next = MOVES[one.move](current, one.at);
  const expected = one.late ? current.version - 1 : current.version;
  return (jobs) => jobs.compareAndSet({ ...next, version: expected + 1 }, expected);
}

async function callOf(one: Step, ids: string[], model: JobStore): Promise<Call> {
  if (one.do === 'delete')
    return (jobs) => jobs.deleteConversation(conversationOf(one.conversation));
  if (one.do === 'insert') {
    const { call, job } = inserting(one, ids.length);
    ids.push(job.generationId);
    return call;
  }
  const id = ids.at(-1 - one.which) ?? 'gen_none';
  if (one.do === 'dropLog') return (jobs) => jobs.logDropped(id);
  const current = await model.get(id);
  if (!current) return (jobs) => jobs.get(id);
  if (one.do === 'move') return moving(one, current);
  const next = steered(current, `key ${one.key}`);
  return (jobs) => jobs.compareAndSet(next, current.version);
}

/** Every answer that a store can give. */
async function picture(jobs: JobStore, ids: string[]): Promise<unknown> {
  const some = [0, 1, 2, 3].map(conversationOf);
  return Promise.all([
    jobs.claimable(3),
    jobs.claimable(100),
    jobs.due(EPOCH + 4, 100),
    jobs.due(EPOCH + 100, 3),
    jobs.withLogOlderThan(EPOCH + 5, 100),
    jobs.withLogOlderThan(EPOCH + 100, 2),
    ...[0, 1].map((user) => jobs.liveByOwner(ownerOf(user), 4)),
    ...some.map((id) => jobs.liveOf(id)),
    ...some.map((id) => jobs.latestOf(id)),
    ...some.map((id) => jobs.allOf(id)),
    ...ids.slice(-8).map((id) => jobs.queuePosition(id)),
    ...ids.slice(-8).map((id) => jobs.get(id)),
    ...Array.from({ length: 30 }, (_, key) => jobs.byIdempotencyKey(`key ${key}`)),
  ]);
}

describeMongo('jobs as the store in memory has them', (at) => {
  test('any calls give the same answers', async () => {
    await ensureIndexes(at.mongo, JOB_INDEXES);
    const mongo = createMongoJobStore({ mongo: at.mongo, now: async () => EPOCH });

    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }),
        async (steps) => {
          await at.clear();
          const model = createMemoryJobStore({ clock: new FakeClock() });
          const ids: string[] = [];
          for (const one of steps) {
            const call = await callOf(one, ids, model);
            expect(await call(mongo)).toEqual(await call(model));
          }
          expect(await picture(mongo, ids)).toEqual(await picture(model, ids));
        },
      ),
      { numRuns: 15 },
    );
  }, 120_000);
});
