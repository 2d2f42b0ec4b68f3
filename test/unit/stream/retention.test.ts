import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createIds, madeAt, type Ids } from '../../../src/lib/ids.ts';
import { orphanChores, orphanedCheckpoints, orphanedLogs } from '../../../src/stream/orphans.ts';
import { Maintenance, sweep, type Chore } from '../../../src/stream/maintenance.ts';
import { anApproval, anEntry } from '../../contract/approval-store-kit.ts';
import { EPOCH, settle } from '../../support/fake-clock.ts';
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
  const run = (chore: Chore) => chore.run(stores.clock.now(), 100);

  const named = (name: string): Chore => {
    const checkpoints = { generations: async () => [], deleteGeneration: async () => {} };
    const chore = orphanChores({ ...stores, checkpoints }).find((it) => it.name === name);
    if (!chore) throw new Error(`no ${name}`);
    return chore;
  };

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

  describe('what belongs to nothing any more', () => {
    const DAY = 24 * HOUR;
    let ids: Ids;
    const approval = async (conversationId: string, generationId: string): Promise<string> => {
      const actionId = ids.sortable('act');
      await stores.approvals.open(
        anApproval(actionId, { conversationId, generationId, ms: stores.clock.now() - EPOCH }),
      );
      await stores.approvals.addAudit(actionId, '1', anEntry());
      return actionId;
    };

    beforeEach(() => {
      ids = createIds(() => stores.clock.now());
    });

    test('logs without a record go after a day, those of whatever has one stay', async () => {
      const { generationId: known } = await finished();
      const orphans = Array.from({ length: 3 }, () => ids.sortable('gen'));
      for (const id of [...orphans, 'strange']) await stores.transport.create(id);
      const chore = named('orphaned_logs');
      await stores.clock.advance(DAY - 1);
      const young = ids.sortable('gen');
      await stores.transport.create(young);

      expect(await run(chore)).toEqual({ deleted: 0, more: false });
      await stores.clock.advance(1);
      expect(await run(chore)).toEqual({ deleted: 3, more: false });

      const there = [known, young, 'strange'].toSorted();
      expect((await stores.transport.list(undefined, 100)).generationIds.toSorted()).toEqual(there);
      expect(await run(chore)).toEqual({ deleted: 0, more: false });
    });

    test('any number of logs is gone through, a part each time', async () => {
      const orphans = Array.from({ length: 1_200 }, () => ids.sortable('gen'));
      for (const id of orphans) await stores.transport.create(id);
      const chore = named('orphaned_logs');
      await stores.clock.advance(DAY + 1_000);
      const results = [await run(chore), await run(chore), await run(chore)];

      expect(results.map(({ more }) => more)).toEqual([true, true, false]);
      expect(results.reduce((sum, { deleted }) => sum + deleted, 0)).toBe(1_200);
      expect(await stores.transport.list(undefined, 1)).toEqual({ generationIds: [] });
    });

    test('a log that can not be dropped keeps those behind it only until the next piece', async () => {
      const orphans = Array.from({ length: 501 }, () => ids.sortable('gen'));
      for (const id of orphans) await stores.transport.create(id);
      await stores.clock.advance(DAY + 1_000);
      const [first = ''] = orphans;
      const drop = async (id: string): Promise<void> => {
        if (id === first) throw new Error('broken');
        await stores.transport.drop(id);
      };
      const { jobs, transport } = stores;
      const list: typeof transport.list = (cursor, limit) => transport.list(cursor, limit);
      const chore = orphanedLogs({ jobs, transport: { list, drop } });

      await expect(run(chore)).rejects.toThrow('broken');
      expect(await run(chore)).toEqual({ deleted: 1, more: false });
    });

    test('approvals whose conversation and record are gone go after a day with their trails', async () => {
      const kept = await finished();
      const orphan = await approval('gone', 'gen_gone');
      const ended = await approval('gone', 'gen_gone');
      await stores.approvals.close(ended, 'decided');
      const ofKept = await approval(kept.conversationId, 'gen_gone');
      const ofRecord = await approval('gone', kept.generationId);
      await stores.clock.advance(DAY - 1);
      const young = await approval('gone', 'gen_gone');
      const chore = named('orphaned_approvals');

      expect(await run(chore)).toEqual({ deleted: 0, more: false });
      await stores.clock.advance(1);
      expect(await run(chore)).toEqual({ deleted: 2, more: false });

      for (const id of [orphan, ended]) {
        expect(await stores.approvals.get(id)).toBeUndefined();
        expect(await stores.approvals.audit(id)).toEqual([]);
      }
      for (const id of [ofKept, ofRecord, young]) {
        expect(await stores.approvals.get(id)).toMatchObject({ status: 'pending' });
        expect(await stores.approvals.audit(id)).toHaveLength(1);
      }
    });

    test('the id of a conversation whose approvals were nobody’s can be used again', async () => {
      await approval('again', 'gen_gone');
      await stores.clock.advance(DAY);
      expect((await run(named('orphaned_approvals'))).deleted).toBe(1);

      const actionId = await approval('again', 'gen_new');

      expect(await stores.approvals.get(actionId)).toMatchObject({ status: 'pending' });
    });
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
