import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CoreSettings } from '../../../src/stream/core.ts';
import { LocalHintBus } from '../../../src/store/memory/index.ts';
import type { Job } from '../../../src/stream/job.ts';
import { EPOCH, settle } from '../../support/fake-clock.ts';
import { ALICE, type Heart } from '../../support/heart.ts';
import { aQueuedJob, paused } from '../../support/jobs.ts';
import { OutageWorld } from '../../support/outage-world.ts';

/** Two replicas that hint at each other, and two whose hints are all lost. */

let world: OutageWorld;

beforeEach(() => {
  world = new OutageWorld();
});

afterEach(() => world.close());

function pair(settings: Partial<CoreSettings>, deaf = false): [Heart, Heart] {
  // On a bus of its own nobody hears a heart.
  const over = () => (deaf ? { hints: new LocalHintBus() } : {});
  return [world.heart('a', { ...settings }, over()), world.heart('b', { ...settings }, over())];
}

describe('hints', () => {
  test('a stop on another replica halts the driver at once, without its next word', async () => {
    const [a, b] = pair({});
    const { generationId } = await a.start();
    a.runner.last.say('1');
    await world.pass(250);
    await b.api.abort(ALICE, { generationId });
    await settle();

    expect(a.runner.last.request.signal.aborted).toBe(true);
    expect(await world.job(generationId)).toMatchObject({ outcome: 'aborted' });
  });

  test('what one replica has no slot for another one claims at once', async () => {
    const [a, b] = pair({ maxConcurrentRuns: 1 });
    await a.start();
    const second = await a.start();

    expect(b.runner.last.request.generationId).toBe(second.generationId);
  });

  test('a driver that gives up is followed at once, by whoever has a slot', async () => {
    const [a, b] = pair({ maxConcurrentRuns: 1 });
    const { generationId } = await a.start();
    await world.stores.transport.drop(generationId);
    a.runner.last.say('1');
    await world.pass(500);

    const runs = [...a.runner.runs, ...b.runner.runs].map(({ request }) => request.fence);
    expect(runs).toEqual([1, 3]);
  });
});

describe('where every hint is lost', () => {
  test('a stopped driver finds out by its next heartbeat', async () => {
    const [a, b] = pair({}, true);
    const { generationId } = await a.start();
    await b.api.abort(ALICE, { generationId });
    await settle();
    const before = a.runner.last.request.signal.aborted;
    await world.pass(5_000);

    expect(before).toBe(false);
    expect(a.runner.last.request.signal.aborted).toBe(true);
    expect(await world.job(generationId)).toMatchObject({ outcome: 'aborted' });
  });

  test('what waits for a slot is claimed by the next scan', async () => {
    const [a, b] = pair({ maxConcurrentRuns: 1 }, true);
    b.core.start();
    await settle();
    await a.start();
    const second = await a.start();
    const before = b.runner.runs.length;
    await world.pass(5_000);

    expect(before).toBe(0);
    expect(b.runner.last.request.generationId).toBe(second.generationId);
  });
});

describe('pauses that expire together', () => {
  test('500 of them are all ended in one scan, with one terminal event each', async () => {
    const [a, b] = pair({});
    const { jobs, transport } = world.stores;
    const waiting = Array.from({ length: 500 }, () => aQueuedJob());
    for (const job of waiting) {
      await jobs.insert(job, { maxPerOwner: Infinity });
      await jobs.compareAndSet(paused(job, EPOCH), job.version);
    }
    // Both look at the same time, once.
    a.core.start();
    b.core.start();
    const ended = async (): Promise<Job[]> =>
      (await Promise.all(waiting.map(({ generationId }) => world.job(generationId)))).filter(
        ({ status }) => status === 'finished',
      );
    for (let turn = 0; turn < 500 && (await ended()).length < waiting.length; turn += 1) {
      await settle();
    }
    await settle();

    const logs = await Promise.all(
      waiting.map(({ generationId }) =>
        transport.read(generationId, { after: 0, limit: 99, maxBytes: 1e6 }),
      ),
    );
    const terminals = logs.map((log) => log?.events.filter(({ type }) => type === 'done').length);
    expect(await ended()).toHaveLength(waiting.length);
    expect(new Set(terminals)).toEqual(new Set([1]));
    expect(world.stores.clock.now()).toBe(EPOCH);
  }, 60_000);
});
