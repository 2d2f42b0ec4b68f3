import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { unavailable } from '../../../src/errors.ts';
import type { RunningJob } from '../../../src/stream/job.ts';
import { settle } from '../../support/fake-clock.ts';
import { finalizing, running } from '../../support/jobs.ts';
import { DEADLINE, LeaseWorld, TICK, TTL, unreached, type Write } from '../../support/leases.ts';

let at: LeaseWorld;

beforeEach(() => {
  at = new LeaseWorld();
});

afterEach(() => at.close());

describe('a lease is lost, once, and only its own', () => {
  test.each<[string, (job: RunningJob) => Promise<unknown>]>([
    ['another has a higher fence', (job) => at.store.compareAndSet(running(job), job.version)],
    [
      'its generation is over',
      (job) => at.store.compareAndSet({ ...finalizing(job), fence: job.fence + 1 }, job.version),
    ],
    ['its record is gone', (job) => at.store.deleteConversation(job.conversationId)],
  ])('where %s', async (_, happen) => {
    const [job, other] = [await at.driven(), await at.driven()];
    await happen(job);

    await at.clock.advance(4 * TICK);

    expect(at.lost).toEqual([job.generationId]);
    expect(await at.leaseUntil(other)).toBe(4 * TICK + TTL);
    expect(at.writes.slice(1).flat()).not.toContain(job.generationId);
  });

  test('not while the outcome is fixed under its own fence', async () => {
    const job = await at.driven();
    await at.store.compareAndSet({ ...finalizing(job), fence: job.fence }, job.version);

    await at.clock.advance(TICK);

    expect(at.lost).toEqual([]);
    expect(await at.leaseUntil(job)).toBe(TICK + TTL);
  });

  test('where nothing came through for three fifths of it, to the millisecond', async () => {
    const job = await at.driven();
    at.instead = [unreached, unreached, unreached];

    await at.clock.advance(DEADLINE - 1);
    expect(at.lost).toEqual([]);
    await at.clock.advance(1);

    expect(at.lost).toEqual([job.generationId]);
    await at.clock.advance(TTL);
    expect(at.lost).toEqual([job.generationId]);
    expect(at.clock.pending).toBe(0);
  });

  test('counted from when the last one that came through was begun, however late its answer was', async () => {
    const job = await at.driven();
    const slow = at.hanging();
    at.instead = [slow.write, unreached, unreached, unreached];
    await at.clock.advance(TICK + 3_000);
    slow.go();
    await settle();

    await at.clock.advance(DEADLINE - 3_000 - 1);
    expect(at.lost).toEqual([]);
    await at.clock.advance(1);

    expect(at.lost).toEqual([job.generationId]);
    expect(await at.leaseUntil(job)).toBe(TICK + TTL);
  });

  test('not later where the clock of the process was set back during a write', async () => {
    const job = await at.driven();
    const slow = at.hanging();
    at.instead = [slow.write, unreached, unreached, unreached];
    await at.clock.advance(TICK);
    at.clock.jump(-3_600_000);
    slow.go();
    await settle();

    await at.clock.advance(DEADLINE);

    expect(at.lost).toEqual([job.generationId]);
  });

  test('where the time of the store is not to be had', async () => {
    const job = await at.driven();
    at.now = async () => {
      throw unavailable(new Error('no answer'));
    };

    await at.clock.advance(DEADLINE);

    expect(at.lost).toEqual([job.generationId]);
    expect(at.writes).toEqual([]);
  });
});

describe('a write that failed', () => {
  test.each<[string, Write]>([
    ['before it was carried out', unreached],
    ['after that', (changes) => at.lostAnswer(changes)],
  ])('%s is tried again at the next tick', async (_, write) => {
    const job = await at.driven();
    at.instead = [write];

    await at.clock.advance(TICK);
    expect(at.writes).toHaveLength(1);
    await at.clock.advance(TICK);

    expect(await at.leaseUntil(job)).toBe(2 * TICK + TTL);
    await at.clock.advance(2 * TTL);
    expect(at.lost).toEqual([]);
  });

  test('for one of many is so for that one only', async () => {
    const [bad, good] = [await at.driven(), await at.driven()];
    const refusing = at.failingFirst();
    at.instead = [refusing, refusing];

    await at.clock.advance(DEADLINE);

    expect(at.lost).toEqual([bad.generationId]);
    expect(await at.leaseUntil(good)).toBe(2 * TICK + TTL);
  });

  test('or hangs keeps nobody else, and its own are tried again at the next tick', async () => {
    const jobs = await at.many(60);
    const stuck = at.hanging();
    at.instead = [stuck.write];

    await at.clock.advance(TICK);
    const [hung, free] = [jobs.slice(0, 50), jobs.slice(50)];
    for (const job of free) expect(await at.leaseUntil(job)).toBe(TICK + TTL);
    for (const job of hung) expect(await at.leaseUntil(job)).toBe(TTL);
    await at.clock.advance(TICK);
    for (const job of jobs) expect(await at.leaseUntil(job)).toBe(2 * TICK + TTL);

    // What it says in the end is old, and worth no other write.
    const written = at.writes.length;
    stuck.go();
    await settle();
    expect(at.writes).toHaveLength(written);
    for (const job of jobs) expect(await at.leaseUntil(job)).toBe(2 * TICK + TTL);
    await at.clock.advance(2 * TTL);
    expect(at.lost).toEqual([]);
    for (const job of jobs) expect(await at.leaseUntil(job)).toBe(2 * TICK + 3 * TTL);
  });

  test('and got through at last, after later ones did, moves no deadline back', async () => {
    const job = await at.driven();
    const late: { tell?: () => void } = {};
    at.instead = [
      async (changes) => {
        const results = await at.store.compareAndSetAll(changes);
        await new Promise<void>((resolve) => {
          late.tell = resolve;
        });
        return results;
      },
    ];
    await at.clock.advance(2 * TICK);
    at.instead = [unreached, unreached, unreached];
    late.tell?.();
    await settle();

    await at.clock.advance(DEADLINE - 1);
    expect(at.lost).toEqual([]);
    await at.clock.advance(1);

    expect(at.lost).toEqual([job.generationId]);
  });
});
