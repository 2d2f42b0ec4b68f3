import { describe, expect, test } from '@jest/globals';
import type { LedgerEntry, PausedJob } from '../../src/stream/job.ts';
import { EPOCH } from '../support/fake-clock.ts';
import { finalizing, finished, paused, requeued, running } from '../support/jobs.ts';
import { ids, inserted, moved, times, type UnderTest } from './job-store-kit.ts';

/** The ways to find a job. */
export function describeQueries(at: UnderTest): void {
  describe('finding', () => {
    test('what is not there is undefined or empty', async () => {
      expect(await at.jobs.get('gen')).toBeUndefined();
      expect(await at.jobs.byIdempotencyKey('key')).toBeUndefined();
      expect(await at.jobs.latestOf('conv')).toBeUndefined();
      expect(await at.jobs.liveOf('conv')).toEqual([]);
      expect(await at.jobs.allOf('conv')).toEqual([]);
      expect(await at.jobs.queuePosition('gen')).toBe(0);
    });

    test('what a caller does to a job it got changes nothing in the store', async () => {
      const job = await inserted(at);
      const got = await at.jobs.get(job.generationId);
      got?.ledger.push({
        toolCallId: 'call',
        name: 'add',
        effects: 'read',
        args: {},
        argsHash: 'hash',
        starts: 1,
        open: true,
        result: null,
      });
      job.input.text = 'changed';

      expect(await at.jobs.get(job.generationId)).toMatchObject({
        ledger: [],
        input: { text: 'hello' },
      });
    });

    test('every state comes back as it was written', async () => {
      for (const next of [running, paused, finalizing, finished]) {
        const job = await moved(at, next(await inserted(at)));

        expect(await at.jobs.get(job.generationId)).toEqual(job);
        expect(await at.jobs.byIdempotencyKey(job.idempotencyKey)).toEqual(job);
      }
    });

    test('live jobs of a conversation: the active one, then those that wait, oldest first', async () => {
      const conversationId = 'conv';
      await moved(at, finished(await inserted(at, { conversationId })));
      const first = await inserted(at, { conversationId, lane: 'waiting' });
      const second = await inserted(at, { conversationId, lane: 'waiting' });
      const active = await moved(at, running(await inserted(at, { conversationId })));
      await inserted(at, { conversationId: 'other' });

      expect(await at.jobs.liveOf(conversationId)).toEqual([active, first, second]);
    });

    test('the latest and all of a conversation count finished ones too, by age and not by id', async () => {
      const conversationId = 'conv';
      const old = await inserted(at, { conversationId, generationId: 'gen_z' });
      await moved(at, finished(old));
      const newest = await inserted(at, { conversationId, generationId: 'gen_a' });
      const done = await moved(at, finished(newest));

      expect(await at.jobs.latestOf(conversationId)).toEqual(done);
      expect(ids(await at.jobs.allOf(conversationId))).toEqual(['gen_z', 'gen_a']);
    });

    test('live jobs of an owner: oldest first, at most as many as asked for, nobody else’s', async () => {
      const owner = { tenantId: 'tenant', userId: 'ann' };
      await moved(at, finished(await inserted(at, { owner })));
      const first = await moved(at, paused(await inserted(at, { owner })));
      const second = await inserted(at, { owner, lane: 'waiting' });
      const third = await inserted(at, { owner });
      await inserted(at, { owner: { tenantId: 'ann', userId: 'tenant' } });

      expect(await at.jobs.liveByOwner(owner, 10)).toEqual([first, second, third]);
      expect(await at.jobs.liveByOwner(owner, 2)).toEqual([first, second]);
    });

    test('a deleted conversation has no records left, and its keys are free', async () => {
      const conversationId = 'conv';
      const job = await inserted(at, { conversationId });
      await inserted(at, { conversationId, lane: 'waiting' });
      const other = await inserted(at);

      await at.jobs.deleteConversation(conversationId);

      expect(await at.jobs.allOf(conversationId)).toEqual([]);
      expect(await at.jobs.byIdempotencyKey(job.idempotencyKey)).toBeUndefined();
      expect(await at.jobs.claimable(10)).toEqual([other]);
    });
  });

  describe('the queue', () => {
    test('longest queued first, then by id; only queued active jobs', async () => {
      const queued = (generationId: string, queuedAt: number) =>
        inserted(at, { generationId, queuedAt });
      const late = await queued('gen_1', EPOCH + 5);
      const b = await queued('gen_b', EPOCH);
      const a = await queued('gen_a', EPOCH);
      await inserted(at, { lane: 'waiting', queuedAt: EPOCH - 9 });
      await moved(at, running(await queued('gen_0', EPOCH - 9)));

      expect(await at.jobs.claimable(10)).toEqual([a, b, late]);
      expect(await at.jobs.claimable(2)).toEqual([a, b]);
      const positions = ['gen_a', 'gen_b', 'gen_1', 'gen_0'].map((id) => at.jobs.queuePosition(id));
      expect(await Promise.all(positions)).toEqual([1, 2, 3, 0]);
    });

    test('a waiting job has no position', async () => {
      const { generationId } = await inserted(at, { lane: 'waiting' });

      expect(await at.jobs.queuePosition(generationId)).toBe(0);
    });

    test('a job that is queued again stands where its new time puts it', async () => {
      const first = await inserted(at, { queuedAt: EPOCH });
      const second = await inserted(at, { queuedAt: EPOCH + 1 });
      const again = await moved(at, requeued(await moved(at, running(first)), EPOCH + 2));

      expect(await at.jobs.claimable(10)).toEqual([second, again]);
      expect(await at.jobs.queuePosition(first.generationId)).toBe(2);
    });
  });
}

function anEntry(toolCallId: string, over: Partial<LedgerEntry>): LedgerEntry {
  return {
    toolCallId,
    name: 'send_email',
    effects: 'unsafe',
    args: {},
    argsHash: 'hash',
    starts: 1,
    open: true,
    result: null,
    ...over,
  };
}

/** The same pause, for a question what became of its call. */
function asRecovery(job: PausedJob): PausedJob {
  if (!('requests' in job.action)) throw new Error('a pause with calls is wanted');
  return { ...job, interruptId: null, action: { ...job.action, kind: 'recovery' } };
}

/** What time brings about. */
export function describeTime(at: UnderTest): void {
  test('the time is the clock’s', async () => {
    expect(await at.jobs.now()).toBe(at.clock.now());

    at.clock.jump(1_234);

    expect(await at.jobs.now()).toBe(EPOCH + 1_234);
  });

  describe('due', () => {
    test.each([
      ['running', running],
      ['finalizing', finalizing],
    ])('a %s job when its lease ends, not before', async (_, next) => {
      const job = await moved(at, next(await inserted(at), EPOCH + 100));

      expect(await at.jobs.due(EPOCH + 99, 10)).toEqual([]);
      expect(await at.jobs.due(EPOCH + 100, 10)).toEqual([job]);
    });

    test('a heartbeat puts it off', async () => {
      const job = await moved(at, running(await inserted(at), EPOCH + 100));

      await moved(at, running(job, EPOCH + 500));

      expect(await at.jobs.due(EPOCH + 499, 10)).toEqual([]);
      expect(await at.jobs.due(EPOCH + 500, 10)).toHaveLength(1);
    });

    test('a paused job when its action expires; never, if it never does', async () => {
      const job = await moved(at, paused(await inserted(at), EPOCH + 100));
      await moved(at, paused(await inserted(at), null));

      expect(await at.jobs.due(EPOCH + 99, 10)).toEqual([]);
      expect(await at.jobs.due(EPOCH + 100, 10)).toEqual([job]);
      expect(await at.jobs.due(Number.MAX_SAFE_INTEGER, 10)).toEqual([job]);
    });

    test('a paused job when the lease of its announcement ends, not before', async () => {
      const lease = { driver: 'driver', leaseUntil: EPOCH + 100 };
      const job = await moved(at, { ...paused(await inserted(at), EPOCH + 900), lease });

      expect(await at.jobs.due(EPOCH + 99, 10)).toEqual([]);
      expect(await at.jobs.due(EPOCH + 100, 10)).toEqual([job]);

      await moved(at, { ...job, lease: null, version: job.version + 1 });
      expect(await at.jobs.due(EPOCH + 899, 10)).toEqual([]);
      expect(await at.jobs.due(EPOCH + 900, 10)).toHaveLength(1);
    });

    test('a paused job when its warning is due, and no more when it was given', async () => {
      const job = await moved(at, {
        ...paused(await inserted(at), EPOCH + 900),
        warnAt: EPOCH + 100,
      });

      expect(await at.jobs.due(EPOCH + 99, 10)).toEqual([]);
      expect(await at.jobs.due(EPOCH + 100, 10)).toEqual([job]);

      await moved(at, { ...job, warnAt: null, version: job.version + 1 });
      expect(await at.jobs.due(EPOCH + 899, 10)).toEqual([]);
    });

    test.each([
      ['lease', { warnAt: EPOCH + 20, lease: { driver: 'driver', leaseUntil: EPOCH + 10 } }],
      ['warning', { warnAt: EPOCH + 10, lease: { driver: 'driver', leaseUntil: EPOCH + 20 } }],
    ])('a paused job once, at the first of its times: the %s', async (_, times) => {
      const job = await moved(at, { ...paused(await inserted(at), EPOCH + 30), ...times });

      expect(await at.jobs.due(EPOCH + 9, 10)).toEqual([]);
      expect(await at.jobs.due(EPOCH + 10, 10)).toEqual([job]);
      expect(await at.jobs.due(EPOCH + 99, 10)).toEqual([job]);
    });

    test('a recovery question as soon as no unsafe call is unknown any more', async () => {
      const ledger = [
        anEntry('c1', {}),
        anEntry('c2', { effects: 'read' }),
        anEntry('c3', { effects: 'idempotent' }),
        anEntry('c4', { open: false }),
      ];
      const asked = asRecovery(paused(await inserted(at), EPOCH + 900));
      const job = await moved(at, { ...asked, ledger });
      expect(await at.jobs.due(EPOCH, 10)).toEqual([]);

      const known = [anEntry('c1', { open: false }), ...ledger.slice(1)];
      const settled = await moved(at, { ...job, ledger: known, version: job.version + 1 });

      expect(await at.jobs.due(EPOCH, 10)).toEqual([settled]);
    });

    test('an approval is not answered by its ledger', async () => {
      const job = paused(await inserted(at));
      await moved(at, { ...job, ledger: [anEntry('call_1', { open: false })] });

      expect(await at.jobs.due(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    });

    test('a waiting job as long as its conversation has no live active one', async () => {
      const active = await inserted(at, { conversationId: 'conv' });
      const behind = await inserted(at, { conversationId: 'conv', lane: 'waiting' });
      await inserted(at);
      expect(await at.jobs.due(EPOCH, 10)).toEqual([]);

      await moved(at, finished(active));
      expect(await at.jobs.due(EPOCH, 10)).toEqual([behind]);
      // Whatever the clock says: it may have been set back since.
      expect(await at.jobs.due(EPOCH - 1, 10)).toEqual([behind]);

      await moved(at, { ...behind, lane: 'active', version: 2 });
      expect(await at.jobs.due(EPOCH, 10)).toEqual([]);
    });

    test('queued and finished jobs are nobody’s business', async () => {
      await inserted(at);
      await moved(at, finished(await inserted(at)));

      expect(await at.jobs.due(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    });

    test('the oldest business first, whatever its kind, at most as many as asked for', async () => {
      const third = await moved(at, paused(await inserted(at), EPOCH + 30));
      const first = await moved(at, running(await inserted(at), EPOCH + 10));
      const second = await inserted(at, { lane: 'waiting', queuedAt: EPOCH + 20 });

      expect(await at.jobs.due(EPOCH + 99, 10)).toEqual([first, second, third]);
      expect(await at.jobs.due(EPOCH + 99, 2)).toEqual([first, second]);
    });
  });

  describe('logs of finished jobs', () => {
    test('oldest first, at most as many as asked for, not those that are younger', async () => {
      const [late, early, middle] = await Promise.all(
        [30, 10, 20].map(async (n) => moved(at, finished(await inserted(at), EPOCH + n))),
      );
      await moved(at, running(await inserted(at)));

      expect(await at.jobs.withLogOlderThan(EPOCH + 30, 10)).toEqual([early, middle, late]);
      expect(await at.jobs.withLogOlderThan(EPOCH + 29, 10)).toEqual([early, middle]);
      expect(await at.jobs.withLogOlderThan(EPOCH + 30, 1)).toEqual([early]);
    });

    test('one whose log is gone is not named again, and is otherwise as it was', async () => {
      const jobs = await Promise.all(
        times(2, async (n) => moved(at, finished(await inserted(at), EPOCH + n))),
      );
      const [first, second] = jobs;

      await at.jobs.logDropped(first?.generationId ?? '');

      expect(await at.jobs.withLogOlderThan(EPOCH + 9, 10)).toEqual([second]);
      expect(await at.jobs.get(first?.generationId ?? '')).toEqual(first);
    });

    test('the mark does nothing to a job that is not finished, or not there', async () => {
      const job = await inserted(at);
      await at.jobs.logDropped(job.generationId);
      await at.jobs.logDropped('gen_none');

      const done = await moved(at, finished(job));

      expect(await at.jobs.withLogOlderThan(EPOCH, 10)).toEqual([done]);
    });
  });
}
