import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EPOCH, settle } from '../../support/fake-clock.ts';
import { ids, LeaseWorld, TICK, TTL, type Write } from '../../support/leases.ts';

let at: LeaseWorld;

beforeEach(() => {
  at = new LeaseWorld();
});

afterEach(() => at.close());

describe('renewing', () => {
  test('is one write for all, four times per lease, and reads nothing', async () => {
    const jobs = await at.many(3);

    await at.clock.advance(4 * TICK);

    expect(at.writes).toEqual([ids(jobs), ids(jobs), ids(jobs), ids(jobs)]);
    expect(at.reads).toBe(0);
    for (const job of jobs) expect(await at.leaseUntil(job)).toBe(4 * TICK + TTL);
    expect(at.lost).toEqual([]);
  });

  test('takes along a lease that began just before the tick', async () => {
    const first = await at.driven();
    await at.clock.advance(TICK - 1);
    const second = await at.driven();

    await at.clock.advance(1);

    expect(at.writes).toEqual([ids([first, second])]);
    expect(await at.leaseUntil(second)).toBe(TICK + TTL);
  });

  test('changes the lease and nothing else, whatever others wrote meanwhile', async () => {
    const job = await at.driven();
    await at.touch(job);

    await at.clock.advance(TICK);
    await at.touch(job);
    await at.clock.advance(TICK);

    expect(await at.current(job)).toEqual({
      ...job,
      attempts: 2,
      version: job.version + 4,
      lease: { driver: 'driver', leaseUntil: EPOCH + 2 * TICK + TTL },
    });
  });

  test('tries again at once where somebody else writes all the time', async () => {
    const job = await at.driven();
    const beaten: Write = async (changes) => {
      await at.touch(job);
      return at.store.compareAndSetAll(changes);
    };
    at.instead = [beaten, beaten, beaten, beaten];

    await at.clock.advance(TICK);

    expect(at.writes).toHaveLength(5);
    expect(await at.leaseUntil(job)).toBe(TICK + TTL);
  });

  test('goes on at the next tick where it was beaten too often', async () => {
    const job = await at.driven();
    at.instead = Array.from({ length: 8 }, () => async (changes) => {
      await at.touch(job);
      return at.store.compareAndSetAll(changes);
    });

    await at.clock.advance(TICK);
    expect(at.writes).toHaveLength(8);
    await at.clock.advance(TICK);

    expect(await at.leaseUntil(job)).toBe(2 * TICK + TTL);
    expect(at.lost).toEqual([]);
  });

  test('of 120 is three writes, with a turn of the loop before each', async () => {
    const jobs = await at.many(120);
    at.turns = [];
    await at.clock.advance(TICK);
    const sizes: number[] = [];

    for (let turn = at.turns.shift(); turn; turn = at.turns.shift()) {
      turn();
      sizes.push(at.writes.flat().length);
    }
    await settle();

    expect(sizes).toEqual([50, 100, 120]);
    for (const job of jobs) expect(await at.leaseUntil(job)).toBe(TICK + TTL);
  });

  test('ends with the last lease, and begins again with the next one', async () => {
    const jobs = await at.many(2);
    await at.clock.advance(TICK - 1);
    for (const keeper of at.kept) keeper[Symbol.dispose]();

    expect(at.clock.pending).toBe(0);
    await at.clock.advance(TTL);
    expect(at.writes).toEqual([]);

    const late = await at.driven();
    await at.clock.advance(TICK);
    expect(at.writes).toEqual([ids([late])]);
    expect(await at.leaseUntil(jobs[0] ?? late)).toBe(TTL);
  });

  test('leaves out who let go while its turn was waited for', async () => {
    const [first, second] = [await at.driven(), await at.driven()];
    at.turns = [];
    await at.clock.advance(TICK);
    at.kept[0]?.[Symbol.dispose]();

    for (const turn of at.turns) turn();
    await settle();

    expect(at.writes).toEqual([ids([second])]);
    expect(await at.leaseUntil(first)).toBe(TTL);
  });

  test('asks no more for who let go while it was beaten', async () => {
    const job = await at.driven();
    at.instead = [
      async (changes) => {
        await at.touch(job);
        at.kept[0]?.[Symbol.dispose]();
        return at.store.compareAndSetAll(changes);
      },
    ];

    await at.clock.advance(TICK);

    expect(at.writes).toHaveLength(1);
    expect(at.lost).toEqual([]);
  });
});
