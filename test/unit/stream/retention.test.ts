import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createIds, madeAt } from '../../../src/lib/ids.ts';
import { orphanedCheckpoints } from '../../../src/stream/orphans.ts';
import { Maintenance, sweep, type Chore } from '../../../src/stream/maintenance.ts';
import { settle } from '../../support/fake-clock.ts';
import { approvalAsked } from '../../support/paused.ts';
import { aQueuedJob } from '../../support/jobs.ts';
import { closeStores, Heart, memoryStores, type Stores } from '../../support/heart.ts';

const HOUR = 3_600_000;
const SCAN = 5_000;
const REST = 60_000;

describe('retention', () => {
  let stores: Stores;
  let heart: Heart;

  beforeEach(() => {
    stores = memoryStores();
    heart = new Heart(stores);
  });

  afterEach(async () => {
    await heart.close();
    closeStores(stores);
  });

  const pass = (ms: number): Promise<void> => stores.clock.advance(ms);

  async function finished(): Promise<{ generationId: string; conversationId: string }> {
    const started = await heart.start();
    heart.runner.last.end();
    await settle();
    return started;
  }

  const isThere = async (conversationId: string): Promise<boolean> =>
    (await stores.conversations.get(conversationId)) !== undefined;

  test('a conversation that nobody used for so long goes with all that belongs to it', async () => {
    heart.retention = { conversations: HOUR };
    const { conversationId, generationId } = await finished();
    heart.core.start();
    await stores.clock.advance(HOUR - 3 * REST);

    expect(await isThere(conversationId)).toBe(true);

    await stores.clock.advance(5 * REST);

    expect(await isThere(conversationId)).toBe(false);
    expect(await stores.jobs.get(generationId)).toBeUndefined();
    expect(await stores.transport.info(generationId)).toBeUndefined();
  });

  test('one that runs or waits stays; so does everything where nothing is said', async () => {
    heart.retention = { conversations: 1_000 };
    const running = await heart.start();
    const other = await finished();
    heart.core.start();
    await pass(REST + 2 * SCAN);

    expect(await isThere(running.conversationId)).toBe(true);
    expect(await isThere(other.conversationId)).toBe(false);

    heart.retention = {};
    const kept = await finished();
    await pass(2 * REST);

    expect(await isThere(kept.conversationId)).toBe(true);
  });

  test('the trail of an approval goes when its generation is over, and not before', async () => {
    heart.retention = { audit: 1_000 };
    const started = await heart.start();
    heart.runner.last.push({ type: 'pause', pause: approvalAsked() });
    await settle();
    const action = await stores.approvals.pending(
      { tenantId: 't', userId: 'alice', roles: [] },
      { limit: 10, cursor: undefined },
    );
    const [{ actionId } = { actionId: '' }] = action.items;
    heart.core.start();
    await pass(REST + SCAN);

    expect(await stores.approvals.audit(actionId)).not.toEqual([]);

    await heart.api.abort(
      { tenantId: 't', userId: 'alice' },
      { generationId: started.generationId },
    );
    await pass(REST + 2 * SCAN);

    expect(await stores.approvals.audit(actionId)).toEqual([]);
    expect(await isThere(started.conversationId)).toBe(true);
  });
});

function maintenance(chores: Chore[]) {
  const deleted: string[] = [];
  const logged: string[] = [];
  const log = (_fields: object, message: string) => void logged.push(message);
  const all = new Maintenance({
    chores,
    log: { info: log, warn: log, error: log },
    deleted: (what, count) => void deleted.push(`${what} ${count}`),
  });
  return { all, deleted, logged };
}

describe('chores', () => {
  const failing: Chore = {
    name: 'failing',
    run: async () => {
      throw new Error('broken');
    },
  };

  test('checkpoints of generations that are no more go after a day, others stay', async () => {
    const old = createIds(() => 1_000);
    const young = createIds(() => 2 * 86_400_000);
    const known = old.sortable('gen');
    const orphans = Array.from({ length: 3 }, () => old.sortable('gen'));
    const recent = young.sortable('gen');
    const strange = 'zzz';
    const there = new Set([known, ...orphans, recent, strange]);
    const chore = orphanedCheckpoints({
      jobs: {
        get: async (id) => (id === known ? aQueuedJob({ generationId: id }) : undefined),
      },
      checkpoints: {
        generations: async (after, limit) =>
          [...there]
            .filter((id) => id > after)
            .toSorted()
            .slice(0, limit),
        deleteGeneration: async (id) => void there.delete(id),
      },
    });
    const results: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      results.push((await chore.run(2 * 86_400_000 + round, 2)).deleted);
    }

    expect([...there]).toEqual([known, recent, strange]);
    expect(results.reduce((sum, deleted) => sum + deleted, 0)).toBe(3);
    expect(madeAt(recent)).toBe(2 * 86_400_000);
    expect(madeAt('gen_1')).toBeUndefined();
  });

  test('rest when there is nothing more to do; one that fails holds up nobody', async () => {
    const runs: number[] = [];
    const counting: Chore = {
      name: 'counting',
      run: async (now) => {
        runs.push(now);
        return { deleted: runs.length === 1 ? 100 : 1, more: runs.length === 1 };
      },
    };
    const { all, deleted, logged } = maintenance([failing, counting]);
    for (const now of [0, 5_000, 10_000, 64_999, 65_000]) await all.run(now);

    expect(runs).toEqual([0, 5_000, 65_000]);
    expect(deleted).toEqual(['counting 100', 'counting 1', 'counting 1']);
    expect(logged).toEqual(['maintenance failed', 'maintenance failed']);
  });

  test('what is still wanted, or can not be deleted, keeps nothing behind it from being seen', async () => {
    const things = Array.from({ length: 10 }, (_, at) => at);
    const wanted = new Set([0, 1, 2]);
    const chore = sweep<number>({
      name: 'things',
      age: () => 1_000,
      list: async (_before, after = -1, limit) =>
        things.filter((thing) => thing > after).slice(0, limit),
      async remove(thing) {
        if (thing === 3) throw new Error('broken');
        if (wanted.has(thing)) return false;
        things.splice(things.indexOf(thing), 1);
        return true;
      },
    });
    const { all } = maintenance([chore]);
    for (let at = 0; at < 5; at += 1) await all.run(at * REST);

    expect(things).toEqual([0, 1, 2, 3]);
  });
});
