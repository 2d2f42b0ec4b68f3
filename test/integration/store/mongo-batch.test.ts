import { beforeEach, describe, expect, test } from '@jest/globals';
import { createMongoJobStore, ensureIndexes, JOB_INDEXES } from '../../../src/store/mongo/index.ts';
import type { JobStore } from '../../../src/stream/job-store.ts';
import type { Job, QueuedJob } from '../../../src/stream/job.ts';
import { EPOCH } from '../../support/fake-clock.ts';
import { aQueuedJob, paused, running } from '../../support/jobs.ts';
import { describeMongo } from '../../support/mongo-service.ts';
import { steppedMongo } from '../../support/stepped-mongo.ts';

const STORED = { outcome: 'stored' };
const UNKNOWN = { outcome: 'failed', error: expect.objectContaining({ code: 'UNAVAILABLE' }) };
const changed = (jobs: readonly Job[], n = 0) =>
  jobs.map((job) => ({ next: running(job, EPOCH + n), expected: job.version }));

describeMongo('many writes at once', (at) => {
  let jobs: JobStore;

  beforeEach(async () => {
    await at.clear();
    await ensureIndexes(at.mongo, JOB_INDEXES);
    jobs = createMongoJobStore({ mongo: at.mongo, now: async () => EPOCH });
  });

  async function inserted(): Promise<QueuedJob> {
    const job = aQueuedJob();
    await jobs.insert(job, { maxPerOwner: 1_000 });
    return job;
  }

  /** Of a replica that is stopped when its write is through, before it looks whose documents it found. */
  function interrupted(meanwhile: () => Promise<unknown>): JobStore {
    const mongo = steppedMongo(at.mongo, async (step) => step === 2 && meanwhile());
    return createMongoJobStore({ mongo, now: async () => EPOCH });
  }

  test('one command for all that are stored', async () => {
    const all = [await inserted(), await inserted()];
    let asked = 0;
    const mongo = steppedMongo(at.mongo, async (step) => {
      asked = step;
    });

    await createMongoJobStore({ mongo, now: async () => EPOCH }).compareAndSetAll(changed(all));

    expect(asked).toBe(1);
  });

  describe('of which one lost, and others were written again before that was known', () => {
    test('singly: they were stored', async () => {
      const [won, lost] = [await inserted(), await inserted()];
      const current = paused(lost);
      await jobs.compareAndSet(current, 1);
      const changes = changed([won, lost]);
      const store = interrupted(() => jobs.compareAndSet(paused(running(won, EPOCH)), 2));

      const results = await store.compareAndSetAll(changes);

      expect(results).toEqual([STORED, { outcome: 'stale', current }]);
    });

    test('with many, or deleted: as many were stored as there is nothing of', async () => {
      const [again, gone, lost] = [await inserted(), await inserted(), await inserted()];
      const current = paused(lost);
      await jobs.compareAndSet(current, 1);
      const store = interrupted(async () => {
        await jobs.compareAndSetAll(changed([running(again, EPOCH)], 1));
        await jobs.deleteConversation(gone.conversationId);
      });

      const results = await store.compareAndSetAll(changed([again, gone, lost]));

      expect(results).toEqual([STORED, STORED, { outcome: 'stale', current }]);
    });

    test('so that one of them stands for another: neither is told as stored, or as stale', async () => {
      const [hidden, past, won] = [await inserted(), await inserted(), await inserted()];
      // Two writes ahead of what is written now.
      await jobs.compareAndSet(running(past), 1);
      await jobs.compareAndSet(paused(running(past)), 2);
      const store = interrupted(() => jobs.compareAndSetAll(changed([running(hidden, EPOCH)], 1)));

      const results = await store.compareAndSetAll(changed([hidden, past, won]));

      expect(results).toEqual([UNKNOWN, UNKNOWN, STORED]);
    });
  });

  test('what somebody else wrote word for word is not ours', async () => {
    const [same, won] = [await inserted(), await inserted()];
    const changes = changed([same, won]);
    await jobs.compareAndSetAll(changes.slice(0, 1));

    const results = await jobs.compareAndSetAll(changes);

    expect(results).toEqual([{ outcome: 'stale', current: running(same, EPOCH) }, STORED]);
  });

  test('a record that has become too large fails alone', async () => {
    const [job, other] = [await inserted(), await inserted()];
    const [change] = changed([job]);
    if (!change) throw new Error('no change');
    const large = { ...change.next, input: { ...job.input, text: 'x'.repeat(13 * 1024 * 1024) } };

    const results = await jobs.compareAndSetAll([
      { next: large, expected: 1 },
      ...changed([other]),
    ]);

    expect(results).toEqual([
      { outcome: 'failed', error: expect.objectContaining({ code: 'RECORD_TOO_LARGE' }) },
      STORED,
    ]);
    expect(await jobs.get(job.generationId)).toEqual(job);
  });
});
