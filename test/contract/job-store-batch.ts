import { describe, expect, test } from '@jest/globals';
import { EPOCH } from '../support/fake-clock.ts';
import { aQueuedJob, finished, paused, running, steered } from '../support/jobs.ts';
import { inserted, moved, NO_LIMIT, times, type UnderTest } from './job-store-kit.ts';

const STORED = { outcome: 'stored' };

/** compareAndSetAll. */
export function describeCompareAndSetAll(at: UnderTest): void {
  /** Each of another owner: those of one would queue for its slots. */
  const many = (count: number) =>
    Promise.all(
      times(count, (n) => inserted(at, { owner: { tenantId: 't1', userId: `user_${n}` } })),
    );

  describe('compareAndSetAll', () => {
    test('of nothing is nothing', async () => {
      expect(await at.jobs.compareAndSetAll([])).toEqual([]);
    });

    test('stores 150 records, every index with them', async () => {
      const changes = (await many(150)).map((job) => ({ next: running(job), expected: 1 }));

      const results = await at.jobs.compareAndSetAll(changes);

      expect(results).toEqual(changes.map(() => STORED));
      for (const { next } of changes) {
        expect(await at.jobs.get(next.generationId)).toEqual(next);
      }
      expect(await at.jobs.claimable(10)).toEqual([]);
      expect(await at.jobs.due(EPOCH + 20_000, 1_000)).toHaveLength(150);
    });

    test('tells each its own result, in the order of the changes', async () => {
      const [won, lost, gone, last] = [
        await inserted(at),
        await inserted(at),
        await inserted(at),
        await inserted(at),
      ];
      const current = await moved(at, running(await moved(at, running(lost))));
      await at.jobs.deleteConversation(gone.conversationId);
      const next = [running(won), paused(lost), running(gone), running(last)];

      const results = await at.jobs.compareAndSetAll(
        next.map((job) => ({ next: job, expected: 1 })),
      );

      expect(results).toEqual([
        STORED,
        { outcome: 'stale', current },
        { outcome: 'stale', current: undefined },
        STORED,
      ]);
      const there = await Promise.all(next.map((job) => at.jobs.get(job.generationId)));
      expect(there).toEqual([next[0], current, undefined, next[3]]);
    });

    test('of two changes of one job at one version the first that is carried out is stored', async () => {
      const [job, other] = [await inserted(at), await inserted(at)];
      const next = [running(job, 1), running(other), running(job, 2)];

      const [first, between, second] = await at.jobs.compareAndSetAll(
        next.map((job) => ({ next: job, expected: 1 })),
      );

      expect(between).toEqual(STORED);
      const winner = first?.outcome === 'stored' ? next[0] : next[2];
      expect([first, second]).toContainEqual(STORED);
      expect([first, second]).toContainEqual({ outcome: 'stale', current: winner });
      expect(await at.jobs.get(job.generationId)).toEqual(winner);
    });

    test('what an index refuses is told as such, and hinders nobody', async () => {
      const active = await inserted(at);
      const { conversationId } = active;
      const behind = await inserted(at, { conversationId, lane: 'waiting' });
      const [plain, greedy] = [await inserted(at), await inserted(at)];
      const next = [
        running(plain),
        { ...behind, lane: 'active' as const, version: 2 },
        steered(greedy, plain.idempotencyKey),
        running(active),
      ];

      const results = await at.jobs.compareAndSetAll(
        next.map((job) => ({ next: job, expected: 1 })),
      );

      expect(results).toEqual([
        STORED,
        { outcome: 'lane_taken' },
        { outcome: 'key_taken' },
        STORED,
      ]);
      expect(await at.jobs.get(behind.generationId)).toEqual(behind);
      expect(await at.jobs.get(greedy.generationId)).toEqual(greedy);
      expect(await at.jobs.byIdempotencyKey(plain.idempotencyKey)).toEqual(next[0]);
    });

    test('keys of steers that come with it find the job', async () => {
      const [job, other] = await many(2);
      if (!job || !other) throw new Error('no job');
      const next = [steered(job, 'tenant/user/steer'), running(other)];

      const results = await at.jobs.compareAndSetAll(
        next.map((change) => ({ next: change, expected: 1 })),
      );

      expect(results).toEqual([STORED, STORED]);
      expect(await at.jobs.byIdempotencyKey('tenant/user/steer')).toEqual(next[0]);
    });

    test('what was written together is written singly after that, and the other way round', async () => {
      const [job] = await many(1);
      if (!job) throw new Error('no job');
      const together = running(job);
      await at.jobs.compareAndSetAll([{ next: together, expected: 1 }]);
      const singly = await moved(at, running(together));
      const last = finished(singly);

      expect(
        await at.jobs.compareAndSetAll([
          { next: last, expected: 3 },
          { next: paused(job), expected: 1 },
        ]),
      ).toEqual([STORED, { outcome: 'stale', current: last }]);
      expect(await at.jobs.withLogOlderThan(EPOCH, 10)).toEqual([last]);
    });

    test('a version that does not rise by one is a fault, and nothing is written', async () => {
      const [job, other] = await many(2);
      if (!job || !other) throw new Error('no job');

      const write = at.jobs.compareAndSetAll([
        { next: running(job), expected: 1 },
        { next: { ...other, version: 3 }, expected: 1 },
      ]);

      await expect(write).rejects.toThrow('version');
      expect(await at.jobs.get(job.generationId)).toEqual(job);
    });

    test('of callers that race over the same jobs each job has exactly one winner', async () => {
      const jobs = await many(60);
      const callers = times(4, (n) =>
        jobs.map((job) => ({ next: running(job, EPOCH + n), expected: 1 })),
      );
      // In another order each, so that they meet in the middle.
      const orders = [callers[0], callers[1]?.toReversed(), callers[2], callers[3]?.toReversed()];
      const singly = jobs.map((job) => ({ next: running(job, EPOCH + 9), expected: 1 }));

      const written = await Promise.all([
        ...orders.map(async (changes = []) => {
          const results = await at.jobs.compareAndSetAll(changes);
          return changes.map(({ next }, n) => ({ next, result: results[n] }));
        }),
        ...singly.map(async ({ next, expected }) => [
          { next, result: await at.jobs.compareAndSet(next, expected) },
        ]),
      ]);

      for (const job of jobs) {
        const own = written.flat().filter(({ next }) => next.generationId === job.generationId);
        const won = own.filter(({ result }) => result?.outcome === 'stored');
        const current = await at.jobs.get(job.generationId);
        expect(won.map(({ next }) => next)).toEqual([current]);
        const lost = own.filter(({ result }) => result?.outcome === 'stale');
        expect(lost.map(({ result }) => result)).toEqual(
          times(4, () => ({ outcome: 'stale', current })),
        );
      }
    });

    test('a job of any id is found', async () => {
      const odd = ['gen\u0000', '"gen"', 'gen\ud800', '$gen', 'gen.x'];
      const jobs = odd.map((generationId) => aQueuedJob({ generationId }));
      for (const job of jobs) await at.jobs.insert(job, NO_LIMIT);
      const gone = running(aQueuedJob({ generationId: 'gen\u0001' }));
      const changes = [...jobs.map((job) => running(job)), gone];

      const results = await at.jobs.compareAndSetAll(
        changes.map((next) => ({ next, expected: 1 })),
      );

      expect(results).toEqual([
        ...jobs.map(() => STORED),
        { outcome: 'stale', current: undefined },
      ]);
    });
  });
}
