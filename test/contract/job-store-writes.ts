import { describe, expect, test } from '@jest/globals';
import {
  aQueuedJob,
  finalizing,
  finished,
  paused,
  pausedByCustom,
  running,
} from '../support/jobs.ts';
import { ids, inserted, moved, NO_LIMIT, times, type UnderTest } from './job-store-kit.ts';

/** Each reads and writes anew for every other one that is in its way: it costs their square. */
const LOOPS = Number(process.env['CAS_LOOPS'] ?? 20);

/** insert. */
export function describeInsert(at: UnderTest): void {
  describe('insert', () => {
    test('stores a new job and gives it back', async () => {
      const job = aQueuedJob();

      expect(await at.jobs.insert(job, NO_LIMIT)).toEqual({ outcome: 'inserted', job });
      expect(await at.jobs.get(job.generationId)).toEqual(job);
    });

    test('a taken key answers with the job that has it, as it is now', async () => {
      const first = await moved(at, running(await inserted(at)));
      const repeat = aQueuedJob({ idempotencyKey: first.idempotencyKey });

      const result = await at.jobs.insert(repeat, NO_LIMIT);

      expect(result).toEqual({ outcome: 'duplicate', job: first });
      expect(await at.jobs.get(repeat.generationId)).toBeUndefined();
    });

    test('a key stays taken when its job is finished', async () => {
      const first = await moved(at, finished(await inserted(at)));

      const result = await at.jobs.insert(
        aQueuedJob({ idempotencyKey: first.idempotencyKey }),
        NO_LIMIT,
      );

      expect(result).toMatchObject({ outcome: 'duplicate', job: { status: 'finished' } });
    });

    test('a conversation with a live active job is busy', async () => {
      const first = await inserted(at, { conversationId: 'conv' });

      const result = await at.jobs.insert(aQueuedJob({ conversationId: 'conv' }), NO_LIMIT);

      expect(result).toEqual({ outcome: 'busy', job: first });
    });

    test.each([
      ['running', running],
      ['paused', paused],
      ['paused by a form of its own', pausedByCustom],
      ['finalizing', finalizing],
    ])('a %s job keeps its conversation busy', async (_, next) => {
      const first = await moved(at, next(await inserted(at, { conversationId: 'conv' })));

      const result = await at.jobs.insert(aQueuedJob({ conversationId: 'conv' }), NO_LIMIT);

      expect(result).toEqual({ outcome: 'busy', job: first });
    });

    test('a finished or a waiting job does not', async () => {
      await moved(at, finished(await inserted(at, { conversationId: 'conv' })));
      await inserted(at, { conversationId: 'conv', lane: 'waiting' });

      const result = await at.jobs.insert(aQueuedJob({ conversationId: 'conv' }), NO_LIMIT);

      expect(result).toMatchObject({ outcome: 'inserted' });
    });

    test('the waiting lane takes any number', async () => {
      await inserted(at, { conversationId: 'conv' });

      const results = await Promise.all(
        times(3, () =>
          at.jobs.insert(aQueuedJob({ conversationId: 'conv', lane: 'waiting' }), NO_LIMIT),
        ),
      );

      expect(results.map(({ outcome }) => outcome)).toEqual(['inserted', 'inserted', 'inserted']);
    });

    test('refuses an owner who has as many jobs as allowed, and says how many', async () => {
      await inserted(at);
      await moved(at, running(await inserted(at)));

      expect(await at.jobs.insert(aQueuedJob(), { maxPerOwner: 2 })).toEqual({
        outcome: 'limit',
        live: 2,
      });
      expect(await at.jobs.insert(aQueuedJob(), { maxPerOwner: 3 })).toMatchObject({
        outcome: 'inserted',
      });
    });

    test('paused, finalizing and finished jobs and those of others use no slot', async () => {
      await moved(at, paused(await inserted(at)));
      await moved(at, finalizing(await inserted(at)));
      await moved(at, finished(await inserted(at)));
      await inserted(at, { owner: { tenantId: 'other', userId: 'user' } });
      await inserted(at, { owner: { tenantId: 'tenant', userId: 'other' } });

      expect(await at.jobs.insert(aQueuedJob(), { maxPerOwner: 1 })).toMatchObject({
        outcome: 'inserted',
      });
    });

    test('waiting jobs use a slot', async () => {
      await inserted(at, { lane: 'waiting' });

      expect(await at.jobs.insert(aQueuedJob(), { maxPerOwner: 1 })).toMatchObject({
        outcome: 'limit',
      });
    });

    test('duplicate wins over busy, busy over limit', async () => {
      const first = await inserted(at, { conversationId: 'conv' });
      const both = { conversationId: 'conv', idempotencyKey: first.idempotencyKey };

      expect(await at.jobs.insert(aQueuedJob(both), { maxPerOwner: 0 })).toMatchObject({
        outcome: 'duplicate',
      });
      expect(
        await at.jobs.insert(aQueuedJob({ conversationId: 'conv' }), { maxPerOwner: 0 }),
      ).toMatchObject({ outcome: 'busy' });
    });

    test('an id that was used before is a fault', async () => {
      const { generationId } = await inserted(at);

      await expect(at.jobs.insert(aQueuedJob({ generationId }), NO_LIMIT)).rejects.toThrow(
        /used before|UNIQUE/,
      );
    });

    test('of 50 concurrent inserts with one key one is stored and all get it', async () => {
      const jobs = times(50, () => aQueuedJob({ idempotencyKey: 'tenant/user/same' }));

      const results = await Promise.all(jobs.map((job) => at.jobs.insert(job, NO_LIMIT)));

      expect(results.filter(({ outcome }) => outcome === 'inserted')).toHaveLength(1);
      expect(results.filter(({ outcome }) => outcome === 'duplicate')).toHaveLength(49);
      const winners = results.map((result) => 'job' in result && result.job.generationId);
      expect(new Set(winners).size).toBe(1);
    });

    test('of 50 concurrent inserts into one conversation one is stored', async () => {
      const jobs = times(50, () => aQueuedJob({ conversationId: 'conv' }));

      const results = await Promise.all(jobs.map((job) => at.jobs.insert(job, NO_LIMIT)));

      expect(results.filter(({ outcome }) => outcome === 'inserted')).toHaveLength(1);
      expect(results.filter(({ outcome }) => outcome === 'busy')).toHaveLength(49);
      expect(await at.jobs.liveOf('conv')).toHaveLength(1);
    });

    test('concurrent inserts never pass the limit of an owner', async () => {
      const results = await Promise.all(
        times(50, () => at.jobs.insert(aQueuedJob(), { maxPerOwner: 10 })),
      );

      expect(results.filter(({ outcome }) => outcome === 'inserted')).toHaveLength(10);
      expect(results.filter(({ outcome }) => outcome === 'limit')).toHaveLength(40);
    });

    test('ids and keys may hold anything a string can', async () => {
      const odd = ['a\u0000b', 'a', '\ud800', '\udfff', '"a"', "'; DROP TABLE jobs; --", '🐙'];
      const jobs = odd.map((text) => aQueuedJob({ conversationId: text, idempotencyKey: text }));

      for (const job of jobs) await at.jobs.insert(job, NO_LIMIT);

      for (const job of jobs) {
        expect(await at.jobs.byIdempotencyKey(job.idempotencyKey)).toEqual(job);
        expect(ids(await at.jobs.liveOf(job.conversationId))).toEqual([job.generationId]);
      }
    });
  });
}

/** compareAndSet. */
export function describeCompareAndSet(at: UnderTest): void {
  describe('compareAndSet', () => {
    test('replaces the record at the version that was read', async () => {
      const next = running(await inserted(at));

      expect(await at.jobs.compareAndSet(next, 1)).toEqual({ outcome: 'stored' });
      expect(await at.jobs.get(next.generationId)).toEqual(next);
    });

    test('loses to who wrote first, and learns what is there', async () => {
      const job = await inserted(at);
      const first = await moved(at, running(job));

      expect(await at.jobs.compareAndSet(paused(job), 1)).toEqual({
        outcome: 'stale',
        current: first,
      });
      expect(await at.jobs.get(job.generationId)).toEqual(first);
    });

    test('a record that is gone is stale, with nothing there', async () => {
      const job = await inserted(at);
      await at.jobs.deleteConversation(job.conversationId);

      expect(await at.jobs.compareAndSet(running(job), 1)).toEqual({
        outcome: 'stale',
        current: undefined,
      });
      expect(await at.jobs.get(job.generationId)).toBeUndefined();
    });

    test('a version that does not rise by one is a fault', async () => {
      const job = await inserted(at);

      await expect(at.jobs.compareAndSet({ ...job, version: 3 }, 1)).rejects.toThrow('version');
      await expect(at.jobs.compareAndSet(job, 1)).rejects.toThrow('version');
    });

    test('a waiting job becomes active only when its conversation is free', async () => {
      const first = await inserted(at, { conversationId: 'conv' });
      const behind = await inserted(at, { conversationId: 'conv', lane: 'waiting' });
      const promoted = { ...behind, lane: 'active' as const, version: 2 };
      expect(await at.jobs.compareAndSet(promoted, 1)).toEqual({ outcome: 'lane_taken' });
      expect(await at.jobs.get(behind.generationId)).toEqual(behind);

      await moved(at, finished(first));

      expect(await at.jobs.compareAndSet(promoted, 1)).toEqual({ outcome: 'stored' });
    });

    test('stale wins over lane_taken', async () => {
      await inserted(at, { conversationId: 'conv' });
      const behind = await inserted(at, { conversationId: 'conv', lane: 'waiting' });
      const current = await moved(at, { ...behind, version: 2 });

      const promoted = { ...behind, lane: 'active' as const, version: 2 };

      expect(await at.jobs.compareAndSet(promoted, 1)).toEqual({ outcome: 'stale', current });
    });

    test('of 50 concurrent writes at one version one is stored', async () => {
      const job = await inserted(at);
      const writes = times(50, (n) => running(job, n));

      const results = await Promise.all(writes.map((next) => at.jobs.compareAndSet(next, 1)));

      expect(results.filter(({ outcome }) => outcome === 'stored')).toHaveLength(1);
      const winner = writes[results.findIndex(({ outcome }) => outcome === 'stored')];
      expect(await at.jobs.get(job.generationId)).toEqual(winner);
      expect(results.filter(({ outcome }) => outcome === 'stale')).toHaveLength(49);
    });

    test('of 20 waiting jobs that want the free lane at once one gets it', async () => {
      const waiting = await Promise.all(
        times(20, () => inserted(at, { conversationId: 'conv', lane: 'waiting' })),
      );

      const results = await Promise.all(
        waiting.map((job) => at.jobs.compareAndSet({ ...job, lane: 'active', version: 2 }, 1)),
      );

      expect(results.filter(({ outcome }) => outcome === 'stored')).toHaveLength(1);
      expect(results.filter(({ outcome }) => outcome === 'lane_taken')).toHaveLength(19);
    });

    test(`${LOOPS} read-and-write loops on one record lose no write`, async () => {
      const { generationId } = await inserted(at);
      const increment = async (): Promise<void> => {
        for (;;) {
          const job = await at.jobs.get(generationId);
          if (!job) throw new Error('gone');
          const next = { ...job, attempts: job.attempts + 1, version: job.version + 1 };
          if ((await at.jobs.compareAndSet(next, job.version)).outcome === 'stored') return;
        }
      };

      await Promise.all(times(LOOPS, increment));

      const record = await at.jobs.get(generationId);
      expect(record).toMatchObject({ attempts: LOOPS, version: LOOPS + 1 });
    });
  });
}
