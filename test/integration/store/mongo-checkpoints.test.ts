import { afterEach, expect, test } from '@jest/globals';
import { emptyCheckpoint, type Checkpoint } from '@langchain/langgraph-checkpoint';
import { threadId, type Checkpoints } from '../../../src/agent/checkpoints.ts';
import { isUnavailable } from '../../../src/errors.ts';
import { createMongoCheckpoints, MongoConfigError } from '../../../src/store/mongo/index.ts';
import { batchBench, historyFault, type BatchCall } from '../../support/batch-agent.ts';
import { mongoCheckpoints } from '../../support/checkpoint-fixtures.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { describeMongo, type MongoUnderTest } from '../../support/mongo-service.ts';
import { decide, pauseIn, PausedRun } from '../../support/paused-run.ts';
import { loop, on } from '../../contract/checkpoint-graphs.ts';

const META = { source: 'loop' as const, step: 0, parents: {} };
const MINUTE = 60_000;

const ref = (fence: number, generationId = 'gen_1') => ({ generationId, fence });
const place = (fence: number, generationId?: string) => ({
  configurable: { thread_id: threadId(ref(fence, generationId)), checkpoint_ns: '' },
});

function checkpoint(id: string, value: unknown): Checkpoint {
  return {
    ...emptyCheckpoint(),
    id,
    channel_values: { x: value },
    channel_versions: { x: 1 },
  };
}

const call = (name: string, n: number): BatchCall => ({
  id: `call_${name}_${n}x`,
  name,
  args: { n },
});
const helper = (...calls: BatchCall[]): BatchCall => {
  return { id: 'call_helper_x', name: 'helper', args: { task: JSON.stringify(calls) } };
};
const BATCH = JSON.stringify([helper(call('gated', 1), call('free', 2)), call('gated', 3)]);

function replica(at: MongoUnderTest, clock = new FakeClock()): Promise<Checkpoints> {
  return createMongoCheckpoints({ mongo: at.mongo, clock });
}

describeMongo('checkpoints of several replicas', (at) => {
  const records = () => mongoCheckpoints(at).records();

  afterEach(() => at.clear());

  test('a turn with approvals goes from replica to replica, and its interrupts keep their ids', async () => {
    const start = batchBench({ checkpoints: await replica(at) });
    const first = await PausedRun.start(start, BATCH, start.over(1));
    const asked = [first.outcome && pauseIn(first.outcome).interruptId];
    const tools = [...start.executed];
    let run = first;
    let most = 0;
    for (let turn = 2; run.action && turn < 10; turn += 1) {
      const bench = batchBench({ checkpoints: await replica(at) });
      const next = new PausedRun(bench, BATCH, run.request);
      const again = await next.goOn();
      expect(pauseIn(again).interruptId).toBe(asked.at(-1));
      next.note(decide(next.asked, { decision: 'approve' }));
      const outcome = await next.goOn();
      if (next.action) asked.push(pauseIn(outcome).interruptId);
      expect(bench.model.sent.map(historyFault).filter((fault) => fault !== undefined)).toEqual([]);
      tools.push(...bench.executed);
      most = Math.max(most, ...[...(await records()).values()].map(([n]) => n ?? 0));
      run = next;
    }

    expect(run.outcome?.text.endsWith('done')).toBe(true);
    expect(asked).toHaveLength(2);
    expect(tools.map(({ name }) => name).toSorted()).toEqual(['free', 'gated', 'gated']);
    // The root and the sub-agent: what a turn has cost does not stay.
    expect(most).toBe(2);
    expect((await records()).size).toBe(2);
  });

  test('the newest checkpoint is the last one written, whatever the clocks of the replicas say', async () => {
    const fast = new FakeClock();
    const slow = new FakeClock();
    await fast.advance(10 * MINUTE);
    const { mongo } = at;
    const create = (clock: FakeClock) =>
      createMongoCheckpoints({ mongo, clock, keepHistory: true });
    await (await create(fast)).saver.put(place(1), checkpoint('c9', 'old'), META, {});

    const behind = await create(slow);
    const found = await behind.saver.getTuple(place(1));
    await behind.saver.put(found?.config ?? place(1), checkpoint('c1', 'new'), META, {});

    const read = await (await create(slow)).saver.getTuple(place(1));
    expect(read?.checkpoint.channel_values).toEqual({ x: 'new' });
  });

  test('two replicas that fork the same thread at once leave one whole copy', async () => {
    const [one, other] = await Promise.all([replica(at), replica(at)]);
    await loop(one).invoke({ left: 5 }, on(ref(1)));
    const source = await one.saver.getTuple(place(1));

    for (let round = 0; round < 10; round += 1) {
      await Promise.all([one.fork(1, ref(2)), other.fork(1, ref(2))]);

      const copy = await other.saver.getTuple(place(2));
      expect(copy?.checkpoint).toEqual(source?.checkpoint);
      expect(copy?.pendingWrites).toEqual(source?.pendingWrites);
    }
  });

  test('a fork of a thread that somebody still writes is a state that it once had', async () => {
    const [zombie, next] = await Promise.all([replica(at), replica(at)]);
    const steps = 60;
    const over = new AbortController();
    const run = loop(zombie)
      .invoke({ left: steps }, { ...on(ref(1)), recursionLimit: 100, durability: 'sync' })
      .finally(() => over.abort());
    const seen = new Set<number>();
    for (let fence = 2; !over.signal.aborted; fence += 1) {
      await next.fork(1, ref(fence)).catch((error: unknown) => {
        if (!isUnavailable(error)) throw error;
      });
      const { values } = await loop(next).getState(on(ref(fence)));
      if (values.left === undefined) continue;
      seen.add(values.left);
      expect((values.text ?? '').length + values.left).toBe(steps);
    }
    await run;

    expect(seen.size).toBeGreaterThan(0);
  });

  test('puts that race the deletion of their generation leave nothing', async () => {
    const [zombie, other] = await Promise.all([replica(at), replica(at)]);
    await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const generation = `gen_${n}`;
        const config = await zombie.saver.put(place(1, generation), checkpoint('c1', n), META, {});
        await Promise.all([
          zombie.saver.put(config, checkpoint('c2', n), META, {}),
          zombie.saver.putWrites(config, [['x', n]], 'task'),
          other.deleteGeneration(generation),
          zombie.fork(1, ref(2, generation)),
        ]);
        await zombie.saver.putWrites(config, [['x', n]], 'late');
      }),
    );

    expect(await records()).toEqual(new Map());
  });

  test('what a zombie leaves that dies before it looks is swept later', async () => {
    const clock = new FakeClock();
    const checkpoints = await replica(at, clock);
    await checkpoints.deleteGeneration('gen_1');
    const left = { thread_id: 'gen_1:1', checkpoint_ns: '', checkpoint_id: 'c1' };
    await at.mongo.db.collection('checkpoints').insertOne(left);
    await at.mongo.db.collection('checkpoint_writes').insertOne({ ...left });

    await replica(at, clock);
    expect((await records()).size).toBe(1);
    await clock.advance(11 * MINUTE);
    await replica(at, clock);

    expect(await records()).toEqual(new Map());
    const notes = await at.mongo.db.collection('checkpoint_deletions').find().toArray();
    expect(notes).toEqual([{ _id: 'gen_1', expires_at: expect.any(Date) }]);
  });

  test('a state that no document can hold ends the run with its code, once', async () => {
    const checkpoints = await createMongoCheckpoints({
      mongo: at.mongo,
      clock: new FakeClock(),
      maxBytes: 20_000,
    });
    const bench = batchBench({ checkpoints });

    const run = await PausedRun.start(bench, `[]${' '.repeat(20_000)}`, bench.over(1));

    expect(run.outcome?.error).toMatchObject({ name: 'RunError', code: 'CHECKPOINT_TOO_LARGE' });
  });

  test('a write of a task is all or nothing', async () => {
    const { saver } = await replica(at);
    const config = await saver.put(place(1), checkpoint('c1', 1), META, {});

    await saver.putWrites(config, [['x', 1], ['y', 2], ['z', 3]], 'task'); // prettier-ignore

    expect((await records()).get('gen_1:1')).toEqual([1, 1]);
  });
});

describeMongo('checkpoints that can not be set up', (at) => {
  test('an index that `setup` can not make ends the start with a sentence', async () => {
    await at.mongo.db
      .collection('checkpoints')
      .createIndex({ thread_id: 1 }, { name: 'thread_ns_checkpoint_idx' });

    const started = replica(at);

    await expect(started).rejects.toThrow(MongoConfigError);
    await expect(started).rejects.toThrow(/^MongoDB, checkpoints: .+\.$/s);
  });
});
