import { describe, expect, test } from '@jest/globals';
import type { Job } from '../../src/stream/job.ts';
import type { InsertResult, StoreResult } from '../../src/stream/job-store.ts';
import {
  aQueuedJob,
  finalizing,
  finished,
  paused,
  requeued,
  running,
  steered,
} from '../support/jobs.ts';
import { inserted, moved, NO_LIMIT, times, type UnderTest } from './job-store-kit.ts';

const KEY = 'tenant/user/steer';

/** Keys of messages that came while an answer was being made: they and jobs' own share one space. */
export function describeSteers(at: UnderTest): void {
  const insertKey = (idempotencyKey: string): Promise<InsertResult> =>
    at.jobs.insert(aQueuedJob({ idempotencyKey }), NO_LIMIT);
  const steer = (job: Job, key = KEY): Promise<StoreResult> =>
    at.jobs.compareAndSet(steered(job, key), job.version);
  const runs = async (over: Parameters<typeof aQueuedJob>[0] = {}): Promise<Job> =>
    moved(at, running(await inserted(at, over)));

  describe('steers', () => {
    test('their keys find the job, as it is now, in every state that follows', async () => {
      let job = await moved(at, steered(await runs(), KEY));
      job = await moved(at, steered(job, 'tenant/user/second'));
      expect(job.steers).toHaveLength(2);

      for (const next of [running, paused, (it: Job) => requeued(it, 9), finalizing, finished]) {
        job = await moved(at, next(job));

        for (const key of [job.idempotencyKey, KEY, 'tenant/user/second']) {
          expect(await at.jobs.byIdempotencyKey(key)).toEqual(job);
        }
      }
    });

    test('a new turn with the key of a steer is a repeat', async () => {
      const job = await moved(at, steered(await runs(), KEY));

      expect(await insertKey(KEY)).toEqual({ outcome: 'duplicate', job });
      await moved(at, finished(job));
      expect(await insertKey(KEY)).toMatchObject({
        outcome: 'duplicate',
        job: { status: 'finished' },
      });
    });

    test('duplicate wins over busy for the key of a steer too', async () => {
      const job = await moved(at, steered(await runs({ conversationId: 'conv' }), KEY));
      const again = aQueuedJob({ conversationId: 'conv', idempotencyKey: KEY });

      expect(await at.jobs.insert(again, { maxPerOwner: 0 })).toEqual({
        outcome: 'duplicate',
        job,
      });
    });

    test('a key that another job has, as its own or a steer’s, is taken, and nothing is written', async () => {
      const other = await moved(at, steered(await runs(), KEY));
      const job = await runs();

      expect(await steer(job, other.idempotencyKey)).toEqual({ outcome: 'key_taken' });
      expect(await steer(job, KEY)).toEqual({ outcome: 'key_taken' });
      const both = steered(steered(job, 'tenant/user/free'), KEY);
      expect(await at.jobs.compareAndSet({ ...both, version: 3 }, 2)).toEqual({
        outcome: 'key_taken',
      });

      expect(await at.jobs.get(job.generationId)).toEqual(job);
      expect(await at.jobs.byIdempotencyKey('tenant/user/free')).toBeUndefined();
      expect(await at.jobs.byIdempotencyKey(KEY)).toEqual(other);
    });

    test('stale wins over key_taken', async () => {
      await moved(at, steered(await runs(), KEY));
      const job = await runs();
      const current = await moved(at, running(job));

      expect(await steer(job)).toEqual({ outcome: 'stale', current });
      expect(await at.jobs.compareAndSet(steered(aQueuedJob(), KEY), 1)).toEqual({
        outcome: 'stale',
        current: undefined,
      });
    });

    test('the keys a job has already are no hindrance to it', async () => {
      const job = await moved(at, steered(await runs(), KEY));

      const again = await moved(at, steered(job, KEY));
      const own = await moved(at, steered(again, job.idempotencyKey));

      expect(await at.jobs.byIdempotencyKey(KEY)).toEqual(own);
      expect(await at.jobs.byIdempotencyKey(job.idempotencyKey)).toEqual(own);
    });

    test('a deleted conversation frees them, and nobody else’s', async () => {
      const job = await moved(at, steered(await runs({ conversationId: 'conv' }), KEY));
      await moved(at, finished(await moved(at, steered(job, 'tenant/user/second'))));
      await moved(at, steered(await runs({ conversationId: 'conv' }), 'tenant/user/third'));
      const other = await moved(at, steered(await runs(), 'tenant/user/other'));

      await at.jobs.deleteConversation('conv');

      for (const key of [KEY, 'tenant/user/second', 'tenant/user/third']) {
        expect(await at.jobs.byIdempotencyKey(key)).toBeUndefined();
      }
      expect(await steer(await runs(), 'tenant/user/second')).toEqual({ outcome: 'stored' });
      expect(await insertKey(KEY)).toMatchObject({ outcome: 'inserted' });
      expect(await insertKey('tenant/user/other')).toEqual({ outcome: 'duplicate', job: other });
    });

    test('a steer that comes while its conversation is deleted leaves no key behind', async () => {
      for (const n of times(20, (index) => index)) {
        const key = `${KEY}/${n}`;
        const job = await runs({ conversationId: 'conv' });

        await Promise.all([steer(job, key), at.jobs.deleteConversation('conv')]);

        expect(await at.jobs.byIdempotencyKey(key)).toBeUndefined();
        expect(await insertKey(key)).toMatchObject({ outcome: 'inserted' });
      }
    });

    test('of one key posted at once as a turn and as a steer one wins, and finds the other', async () => {
      for (const n of times(20, (index) => index)) {
        const key = `${KEY}/${n}`;
        const job = await runs();
        const turn = aQueuedJob({ idempotencyKey: key });

        const steerFirst = n % 2 === 0 ? steer(job, key) : undefined;
        const turns = at.jobs.insert(turn, NO_LIMIT);
        const [steering, turned] = await Promise.all([steerFirst ?? steer(job, key), turns]);

        expect([
          ['stored', 'duplicate'],
          ['key_taken', 'inserted'],
        ]).toContainEqual([steering.outcome, turned.outcome]);
        const winner = steering.outcome === 'stored' ? job : turn;
        expect((await at.jobs.byIdempotencyKey(key))?.generationId).toBe(winner.generationId);
      }
    });

    test('of 20 answers that are steered with one key at once one is', async () => {
      const jobs = await Promise.all(times(20, () => runs()));

      const results = await Promise.all(jobs.map((job) => steer(job)));

      expect(results.filter(({ outcome }) => outcome === 'stored')).toHaveLength(1);
      expect(results.filter(({ outcome }) => outcome === 'key_taken')).toHaveLength(19);
      const winner = jobs[results.findIndex(({ outcome }) => outcome === 'stored')];
      expect((await at.jobs.byIdempotencyKey(KEY))?.generationId).toBe(winner?.generationId);
    });

    test('keys of steers may hold anything a string can', async () => {
      const odd = ['a\u0000b', 'a', '\ud800', '\udfff', '"a"', "'; DROP TABLE jobs; --", '🐙'];
      let job = await runs();
      for (const key of odd) job = await moved(at, steered(job, key));

      for (const key of odd) expect(await at.jobs.byIdempotencyKey(key)).toEqual(job);
    });
  });
}
