import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { JobStore } from '../../../src/stream/job-store.ts';
import type { Job } from '../../../src/stream/job.ts';
import { unavailable } from '../../../src/errors.ts';
import { settle } from '../../support/fake-clock.ts';
import { ALICE, aRequest, type Heart, type Stores } from '../../support/heart.ts';
import { AS_ALICE, approveAll } from '../../support/paused.ts';
import { OutageWorld } from '../../support/outage-world.ts';

/** Writes of the record that get through, or not, and whose answers are lost. */

let world: OutageWorld;

beforeEach(() => {
  world = new OutageWorld();
});

afterEach(() => world.close());

/** Where the record changes so, the call fails `times` times, each time after or before it was carried out. */
interface Loss {
  name: string;
  when: (before: Job, next: Job) => boolean;
}

function losing(jobs: JobStore, loss: Loss, how: { times: number; through: boolean }): JobStore {
  let left = how.times;
  return {
    ...jobs,
    async compareAndSet(next, expected) {
      const before = await jobs.get(next.generationId);
      const hit = left > 0 && before !== undefined && loss.when(before, next);
      if (!hit) return jobs.compareAndSet(next, expected);
      left -= 1;
      if (how.through) await jobs.compareAndSet(next, expected);
      throw unavailable(new Error('no answer'));
    },
  };
}

const became = (from: Job['status'], to: Job['status']) => (before: Job, next: Job) =>
  [from, to].join() === [before.status, next.status].join() ||
  // What got through is met again by the repeat.
  (before.status === to && before.version >= next.version && next.status === to);

const LOSSES: Loss[] = [
  { name: 'claim', when: became('queued', 'running') },
  {
    name: 'heartbeat',
    when: (before, next) =>
      became('running', 'running')(before, next) && before.ledger.length === next.ledger.length,
  },
  { name: 'tool_start', when: (_before, next) => next.ledger.some((entry) => entry.open) },
  {
    name: 'tool_done',
    when: (_before, next) => next.ledger.some((entry) => entry.result !== null),
  },
  { name: 'pause', when: became('running', 'paused') },
  {
    name: 'announced',
    when: (before, next) =>
      before.status === 'paused' && next.status === 'paused' && next.lease === null,
  },
  { name: 'decide', when: became('paused', 'queued') },
  { name: 'finish', when: became('running', 'finalizing') },
  { name: 'close', when: became('finalizing', 'finished') },
];
const HOW = [
  { times: 1, through: true, what: 'the answer of one' },
  { times: 2, through: true, what: 'the answers of two' },
  { times: 9, through: true, what: 'the answers of nine' },
  { times: 2, through: false, what: 'two' },
];
const once = { times: 1, through: true };
const CASES = LOSSES.flatMap((loss) => HOW.map((how) => ({ ...how, loss, name: loss.name })));

async function until(heart: Heart, generationId: string, status: Job['status']): Promise<void> {
  for (let waited = 0; waited < 80_000; waited += 250) {
    if ((await world.job(generationId)).status === status) return;
    await world.pass(250);
  }
  throw new Error(
    `never ${status} but ${(await world.job(generationId)).status}: ${JSON.stringify(heart.logged)}`,
  );
}

async function play(over: Partial<Stores>): Promise<{ generationId: string }> {
  const a = world.act(world.heart('a', {}, over));
  const b = world.act(world.heart('b', {}, over));
  a.core.start();
  b.core.start();
  await settle();
  const { generationId } = await world.insist(() =>
    a.api.start(ALICE, { ...aRequest(), messageId: 'm' }),
  );
  const client = world.client(b, generationId);
  await until(a, generationId, 'paused');
  await world.pass(6_000);
  const { actionId } = await world.action(generationId);
  world.hold('tool');
  await world.approve(b, generationId, actionId);
  await world.pass(6_000);
  world.release();
  await until(a, generationId, 'finished');
  await world.pass(1_000);
  expect(client.ended).toBe(true);
  expect(client.count('done')).toBe(1);
  expect(client.text).toBe('shall I|||done');
  return { generationId };
}

describe('a turn with one pause is whole, said once and done once', () => {
  test.each(CASES)('where $what $name writes is lost', async ({ loss, times, through }) => {
    const jobs = losing(world.stores.jobs, loss, { times, through });

    const { generationId } = await play({ jobs });

    const job = await world.job(generationId);
    expect(world.executed).toEqual(['c1', 'c2']);
    expect(job).toMatchObject({ outcome: 'completed', revision: 1 });
    expect(job.ledger.map(({ starts }) => starts)).toEqual([1, 1]);
  });
});

describe('a person whose command got through is told so, though the answer of its write was lost', () => {
  test('stop', async () => {
    const lost = losing(
      world.stores.jobs,
      { name: 'abort', when: became('running', 'finalizing') },
      once,
    );
    const heart = world.heart('a', {}, { jobs: lost });
    const { generationId } = await heart.start();

    expect(await heart.api.abort(ALICE, { generationId })).toEqual({
      generationId,
      status: 'aborted',
      alreadyFinished: false,
    });
  });

  test('decision', async () => {
    const lost = losing(
      world.stores.jobs,
      { name: 'decide', when: became('paused', 'queued') },
      once,
    );
    const heart = world.act(world.heart('a', {}, { jobs: lost }));
    const { generationId } = await heart.start();
    await world.pass(500);
    const { actionId } = await world.action(generationId);

    const resumed = heart.api.resume(AS_ALICE, approveAll(generationId, actionId));

    expect(await resumed).toMatchObject({ status: 'resuming', repeated: false });
  });
});
