import { afterEach, expect, test } from '@jest/globals';
import { emptyCheckpoint, type Checkpoint } from '@langchain/langgraph-checkpoint';
import { threadId, type Checkpoints } from '../../../src/agent/checkpoints.ts';
import { isUnavailable } from '../../../src/errors.ts';
import { CheckpointCollections } from '../../../src/store/mongo/checkpoint-collections.ts';
import { copyThread } from '../../../src/store/mongo/checkpoint-fork.ts';
import { createMongoCheckpoints, type MongoConnection } from '../../../src/store/mongo/index.ts';
import { batchBench, type BatchCall } from '../../support/batch-agent.ts';
import { mongoCheckpoints } from '../../support/checkpoint-fixtures.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { describeMongo, type MongoUnderTest } from '../../support/mongo-service.ts';
import { decide, pauseIn, PausedRun } from '../../support/paused-run.ts';
import { startCuttingProxy, type CuttingProxy, type ProxyOptions } from '../../support/proxy.ts';
import { seeded } from '../../support/random.ts';

const META = { source: 'loop' as const, step: 0, parents: {} };

const ref = (fence: number, generationId = 'gen_1') => ({ generationId, fence });
const place = (fence: number) => ({
  configurable: { thread_id: threadId(ref(fence)), checkpoint_ns: '' },
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

/** A connection of which every call is announced first. */
function hooked(mongo: MongoConnection, before: () => Promise<void> | void): MongoConnection {
  return new Proxy(mongo, {
    get(target, key): unknown {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      if (key !== 'run') return value.bind(target);
      return async (...args: unknown[]): Promise<unknown> => {
        await before();
        return Reflect.apply(value, target, args);
      };
    },
  });
}

/** CRASH_STRIDE=1 dies at every single call. */
const STRIDE = Number(process.env['CRASH_STRIDE'] ?? 11);

describeMongo('forks that are interrupted', (at) => {
  afterEach(() => at.clear());

  test('a step that ends while its thread is copied leaves no checkpoint without its writes', async () => {
    const zombie = await replica(at);
    const first = await zombie.saver.put(place(1), checkpoint('c1', 'a'), META, {});
    await zombie.saver.putWrites(first, [['x', 'of a']], 'task');
    let calls = 0;
    const mongo = hooked(at.mongo, async () => {
      if ((calls += 1) !== 2) return;
      const second = await zombie.saver.put(first, checkpoint('c2', 'b'), META, {});
      await zombie.saver.putWrites(second, [['x', 'of b']], 'task');
    });
    const deps = { mongo, collections: new CheckpointCollections(mongo), keepHistory: false };

    await copyThread(deps, threadId(ref(1)), threadId(ref(2)));

    const copy = await zombie.saver.getTuple(place(2));
    expect(copy?.checkpoint.channel_values).toEqual({ x: 'b' });
    expect(copy?.pendingWrites).toEqual([['task', 'x', 'of b']]);
  });

  test('a replica that dies at any call of a fork leaves a thread that is whole, or none', async () => {
    const healthy = await replica(at);
    const start = batchBench({ checkpoints: healthy });
    // It is the sub-agent that asks: without its checkpoints there is no question.
    const text = JSON.stringify([helper(call('gated', 1))]);
    const { request, outcome: paused } = await PausedRun.start(start, text, start.over(1));
    const { generationId } = request;
    const dead = new Error('killed');
    let left = Number.POSITIVE_INFINITY;
    const mongo = hooked(at.mongo, () => {
      if ((left -= 1) < 0) throw dead;
    });
    const dying = await createMongoCheckpoints({ mongo, clock: new FakeClock() });
    const found = new Set<number>();
    for (let calls = 0, fence = 1, died = true; died; calls += STRIDE, fence += 2) {
      left = calls;
      died = await dying.fork(fence, ref(fence + 1, generationId)).then(
        () => false,
        (error: unknown) => error === dead,
      );
      const from = (await healthy.latestFenceBelow(ref(fence + 2, generationId))) ?? -1;
      found.add(from - fence);
      await healthy.fork(from, ref(fence + 2, generationId));

      const bench = batchBench({ checkpoints: healthy });
      const next = new PausedRun(bench, text, { ...request, fence: fence + 2 });
      const outcome = await next.drive({ entry: { kind: 'continue' } });
      expect(pauseIn(outcome)).toEqual(paused && pauseIn(paused));
    }

    expect(left).toBeGreaterThanOrEqual(0);
    expect([...found]).toEqual([0, 1]);
  });
});

describeMongo('checkpoints over a bad network', (at) => {
  let proxy: CuttingProxy | undefined;

  afterEach(async () => {
    await proxy?.close();
    await at.clear();
  });

  async function throughProxy(budget: ProxyOptions['budget']) {
    const baseUrl = at.uri.replace(/^mongodb:/, 'http:');
    proxy = await startCuttingProxy({ baseUrl, random: seeded(7), budget });
    const database = new URL(at.uri).pathname;
    const uri = `${proxy.baseUrl.replace(/^http:/, 'mongodb:')}${database}?directConnection=true`;
    const mongo = await at.connect(uri);
    const checkpoints = await createMongoCheckpoints({ mongo, clock: new FakeClock() });
    return { checkpoints, proxy };
  }

  test('the server is lost while a tool runs: the run ends as unavailable, another replica goes on, the tool ran once', async () => {
    const { checkpoints, proxy: link } = await throughProxy(() => Number.POSITIVE_INFINITY);
    const bench = batchBench({ checkpoints, effect: () => link.close() });
    const text = JSON.stringify([call('free', 1)]);

    const run = await PausedRun.start(bench, text, bench.over(1));

    expect(isUnavailable(run.outcome?.error)).toBe(true);
    const other = batchBench({ checkpoints: await replica(at) });
    const next = new PausedRun(other, text, run.request);
    const rest = await next.goOn();
    expect(rest.error).toBeUndefined();
    expect(rest.text).toBe('done');
    expect([...bench.executed, ...other.executed]).toHaveLength(1);
  });

  test('connections cut in the middle of a turn: the run ends as unavailable or goes on, and no tool runs twice', async () => {
    let armed = false;
    const proxied = await throughProxy((random) =>
      armed ? random.logBetween(1_000, 60_000) : Number.POSITIVE_INFINITY,
    );
    const { checkpoints } = proxied;
    const errors: unknown[] = [];
    const until = async (work: () => Promise<unknown>): Promise<void> => {
      for (let tries = 0; tries < 100; tries += 1) {
        const failed = await work().then(
          () => undefined,
          (error: unknown) => error,
        );
        if (failed === undefined) return;
        errors.push(failed);
      }
      throw new Error('it never comes back', { cause: errors.at(-1) });
    };
    armed = true;

    const { cuts } = proxied.proxy;
    const cut = (): number => cuts.reset + cuts.clean;
    // Connections from before it was armed are not cut: how many there are is up to the driver.
    for (let turn = 0; turn < 4 || (cut() <= 4 && turn < 40); turn += 1) {
      const bench = batchBench({ checkpoints });
      const run = new PausedRun(bench, BATCH);
      for (let segment = 0; ; segment += 1) {
        const { error } = await run.drive(bench.over(run.request.fence));
        if (error !== undefined) errors.push(error);
        else if (run.action) run.note(decide(run.action, { decision: 'approve' }));
        else break;
        if (segment === 100) throw new Error('it never ends', { cause: error });
        await until(() => run.adopt());
      }
      const ran = bench.executed.map(({ name, argsHash }) => `${name} ${argsHash}`);
      expect(ran).toHaveLength(3);
      expect(new Set(ran).size).toBe(3);
      await until(() => checkpoints.deleteGeneration(run.request.generationId));
    }

    expect(cut()).toBeGreaterThan(4);
    expect(errors.filter((error) => !isUnavailable(error))).toEqual([]);
    expect(await mongoCheckpoints(at).records()).toEqual(new Map());
  }, 120_000);
});
