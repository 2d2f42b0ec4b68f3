import { describe, expect, test } from '@jest/globals';
import { EPOCH } from '../support/fake-clock.ts';
import { aQueuedJob, finished, running } from '../support/jobs.ts';
import { ids, inserted, moved, NO_LIMIT, times, type UnderTest } from './job-store-kit.ts';

/** What only a store whose writes meet, or whose indexes lie apart from its records, can get wrong. */
export function describeRaces(at: UnderTest): void {
  describe('order', () => {
    test('jobs of one moment stand in the order in which they came, whatever their ids', async () => {
      const conversationId = 'conv';
      const names = ['gen_m', 'gen_z', 'gen_a', 'gen_k', 'gen_b', 'gen_y'];
      for (const generationId of names) {
        await inserted(at, { conversationId, generationId, lane: 'waiting', createdAt: EPOCH });
        expect(ids(await at.jobs.allOf(conversationId)).at(-1)).toBe(generationId);
        expect((await at.jobs.latestOf(conversationId))?.generationId).toBe(generationId);
      }

      expect(ids(await at.jobs.liveOf(conversationId))).toEqual(names);
      expect(ids(await at.jobs.allOf(conversationId))).toEqual(names);
    });

    test('a clock that was set back does not make the newest job an old one', async () => {
      const conversationId = 'conv';
      await moved(at, finished(await inserted(at, { conversationId, createdAt: EPOCH + 9_000 })));
      const newest = await inserted(at, { conversationId, createdAt: EPOCH });

      expect(await at.jobs.latestOf(conversationId)).toEqual(newest);
    });

    test('a write to an old job does not make it the newest', async () => {
      const conversationId = 'conv';
      const old = await inserted(at, { conversationId });
      const newest = await inserted(at, { conversationId, lane: 'waiting' });

      await moved(at, running(old));

      expect(await at.jobs.latestOf(conversationId)).toEqual(newest);
      expect(ids(await at.jobs.allOf(conversationId))).toEqual(ids([old, newest]));
    });
  });

  describe('due', () => {
    test('any number of jobs that wait behind another hide nobody', async () => {
      await inserted(at, { conversationId: 'conv' });
      for (let n = 0; n < 30; n += 1) {
        await inserted(at, { conversationId: 'conv', lane: 'waiting', queuedAt: EPOCH - 50 });
      }
      const orphan = await inserted(at, { lane: 'waiting', queuedAt: EPOCH + 10 });
      const dead = await moved(at, running(await inserted(at), EPOCH + 20));

      expect(await at.jobs.due(EPOCH + 99, 2)).toEqual([orphan, dead]);
    });

    test('any number of jobs that wait for nobody hide none that is older business', async () => {
      for (let n = 0; n < 30; n += 1) {
        await inserted(at, { lane: 'waiting', queuedAt: EPOCH + 50 });
      }
      const dead = await moved(at, running(await inserted(at), EPOCH + 20));

      const [first, ...others] = await at.jobs.due(EPOCH + 99, 3);

      expect(first).toEqual(dead);
      expect(others.map(({ status }) => status)).toEqual(['queued', 'queued']);
    });

    test('who comes to wait while the one before is just ending is found', async () => {
      for (const conversationId of times(20, (n) => `conv_${n}`)) {
        const before = await inserted(at, { conversationId });
        const behind = aQueuedJob({ conversationId, lane: 'waiting' });

        await Promise.all([moved(at, finished(before)), at.jobs.insert(behind, NO_LIMIT)]);

        expect(ids(await at.jobs.due(EPOCH, 100))).toContain(behind.generationId);
      }
    });

    test('who waits for nobody is no more due once somebody new takes the lane', async () => {
      const conversationId = 'conv';
      const behind = await inserted(at, { conversationId, lane: 'waiting' });
      const active = await inserted(at, { conversationId });
      expect(await at.jobs.due(EPOCH, 10)).toEqual([]);

      await moved(at, finished(active));

      expect(await at.jobs.due(EPOCH, 10)).toEqual([behind]);
    });
  });

  test('of a promotion and a new turn at once one gets the lane', async () => {
    for (const conversationId of times(20, (n) => `conv_${n}`)) {
      const waiting = await inserted(at, { conversationId, lane: 'waiting' });

      const [promotion, turn] = await Promise.all([
        at.jobs.compareAndSet({ ...waiting, lane: 'active', version: 2 }, 1),
        at.jobs.insert(aQueuedJob({ conversationId }), NO_LIMIT),
      ]);

      expect([
        ['stored', 'busy'],
        ['lane_taken', 'inserted'],
      ]).toContainEqual([promotion.outcome, turn.outcome]);
      const active = (await at.jobs.liveOf(conversationId)).filter(({ lane }) => lane === 'active');
      expect(active).toHaveLength(1);
    }
  });

  test('a log that is gone stays gone, whatever is written to its job afterwards', async () => {
    const done = await moved(at, finished(await inserted(at)));
    await at.jobs.logDropped(done.generationId);

    await moved(at, { ...done, version: done.version + 1 });

    expect(await at.jobs.withLogOlderThan(EPOCH, 10)).toEqual([]);
  });

  test('a deleted conversation is in no list any more, and its slots are free', async () => {
    const owner = { tenantId: 'tenant', userId: 'ann' };
    const conversationId = 'conv';
    await moved(at, finished(await inserted(at, { conversationId, owner })));
    const active = await inserted(at, { conversationId, owner });
    await inserted(at, { conversationId, owner, lane: 'waiting' });
    await moved(at, running(active, EPOCH));

    await at.jobs.deleteConversation(conversationId);

    expect(await at.jobs.latestOf(conversationId)).toBeUndefined();
    expect(await at.jobs.liveOf(conversationId)).toEqual([]);
    expect(await at.jobs.liveByOwner(owner, 10)).toEqual([]);
    expect(await at.jobs.due(EPOCH + 99, 10)).toEqual([]);
    expect(await at.jobs.withLogOlderThan(EPOCH + 99, 10)).toEqual([]);
    expect(await at.jobs.queuePosition(active.generationId)).toBe(0);
    expect(
      await at.jobs.insert(aQueuedJob({ conversationId, owner }), { maxPerOwner: 1 }),
    ).toMatchObject({ outcome: 'inserted' });
  });
}
