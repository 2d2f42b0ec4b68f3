import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  INTERRUPT,
  RESUME,
  WRITES_IDX_MAP,
  emptyCheckpoint,
  type BaseCheckpointSaver,
  type Checkpoint,
  type PendingWrite,
} from '@langchain/langgraph-checkpoint';
import type { CheckpointsFixture, CheckpointsSuite } from './checkpoint-kit.ts';

const META = { source: 'loop' as const, step: 0, parents: {} };
const THREAD = { configurable: { thread_id: 'gen_1:1', checkpoint_ns: '' } };

/** A checkpoint with this id and one channel. */
function checkpoint(id: string, version: number, value: unknown): Checkpoint {
  return {
    ...emptyCheckpoint(),
    id,
    channel_values: { x: value },
    channel_versions: { x: version },
  };
}

/** Of a special write; 0: an ordinary one. */
function rank(channel: string): number {
  return Math.abs(WRITES_IDX_MAP[channel] ?? 0);
}

export function describeCheckpointWrites({ name, create }: CheckpointsSuite): void {
  describe(`Checkpoints: ${name}: what a saver keeps`, () => {
    let fixture: CheckpointsFixture;
    let saver: BaseCheckpointSaver;

    beforeEach(async () => {
      fixture = await create();
      ({ saver } = await fixture.fresh({ keepHistory: false }));
    });

    afterEach(async () => {
      await fixture.destroy();
    });

    async function writesAfter(...batches: PendingWrite[][]): Promise<unknown> {
      const config = await saver.put(THREAD, checkpoint('c1', 1, 'a'), META, { x: 1 });
      for (const batch of batches) await saver.putWrites(config, batch, 'task');
      const tuple = await saver.getTuple(config);
      // The order of a task's ordinary writes counts; special ones have their places beside them.
      return tuple?.pendingWrites?.toSorted((a, b) => rank(a[1]) - rank(b[1]));
    }

    test('a normal write keeps its first value, a special one takes the latest', async () => {
      const writes = await writesAfter(
        [
          ['x', 'first'],
          [INTERRUPT, 'one'],
          ['y', 2],
        ],
        [
          ['x', 'second'],
          [INTERRUPT, 'two'],
          ['y', 3],
        ],
        [[RESUME, 'answer']],
      );

      expect(writes).toEqual([
        ['task', 'x', 'first'],
        ['task', 'y', 2],
        ['task', INTERRUPT, 'two'],
        ['task', RESUME, 'answer'],
      ]);
    });

    test('a task that writes again with another channel at the same place keeps the first', async () => {
      expect(await writesAfter([['x', 1]], [['y', 2]])).toEqual([['task', 'x', 1]]);
    });

    test('values without a JSON form survive', async () => {
      const values = [
        undefined,
        null,
        '',
        new Uint8Array(0),
        new Uint8Array([0, 255]),
        new Map([[1, 2]]),
      ];

      const writes = await writesAfter(values.map((value): PendingWrite => ['x', value]));

      expect(writes).toEqual(values.map((value) => ['task', 'x', value]));
    });

    test.each([true, false])(
      'the newest checkpoint is the last one written, even if the clock stepped back (history: %s)',
      async (keepHistory) => {
        ({ saver } = await fixture.fresh({ keepHistory }));
        const config = await saver.put(THREAD, checkpoint('c9', 1, 'old'), META, { x: 1 });
        await saver.put(config, checkpoint('c1', 2, 'new'), META, { x: 2 });

        const tuple = await saver.getTuple(THREAD);

        expect(tuple?.checkpoint.channel_values).toEqual({ x: 'new' });
        expect(tuple?.parentConfig?.configurable?.['checkpoint_id']).toBe('c9');
        expect((await saver.getTuple(config)) !== undefined).toBe(keepHistory);
      },
    );

    test('writes that arrive after their checkpoint was replaced go with the next one', async () => {
      const first = await saver.put(THREAD, checkpoint('c1', 1, 'a'), META, { x: 1 });
      const second = await saver.put(first, checkpoint('c2', 2, 'b'), META, { x: 2 });
      await saver.putWrites(first, [['x', 'late']], 'task');
      await saver.putWrites(second, [['x', 'in time']], 'task');

      await saver.put(second, checkpoint('c3', 3, 'c'), META, { x: 3 });

      expect((await fixture.records()).get('gen_1:1')?.slice(0, 2)).toEqual([1, 0]);
    });

    test('writes that arrive before their checkpoint wait for it', async () => {
      await saver.put(THREAD, checkpoint('c1', 1, 'a'), META, { x: 1 });
      const next = { configurable: { ...THREAD.configurable, checkpoint_id: 'c2' } };
      await saver.putWrites(next, [['x', 'early']], 'task');

      await saver.put(THREAD, checkpoint('c2', 2, 'b'), META, { x: 2 });

      expect((await saver.getTuple(THREAD))?.pendingWrites).toEqual([['task', 'x', 'early']]);
    });

    test('replacing a checkpoint leaves other namespaces and threads alone', async () => {
      const other = { configurable: { thread_id: 'gen_1:1', checkpoint_ns: 'tools:1' } };
      const foreign = { configurable: { thread_id: 'gen_2:1', checkpoint_ns: '' } };
      for (const config of [other, foreign]) {
        const put = await saver.put(config, checkpoint('c1', 1, 'kept'), META, { x: 1 });
        await saver.putWrites(put, [['x', 'kept']], 'task');
      }

      await saver.put(THREAD, checkpoint('c1', 1, 'a'), META, { x: 1 });
      await saver.put(THREAD, checkpoint('c2', 2, 'b'), META, { x: 2 });

      for (const config of [other, foreign]) {
        const tuple = await saver.getTuple(config);
        expect(tuple?.checkpoint.channel_values).toEqual({ x: 'kept' });
        expect(tuple?.pendingWrites).toEqual([['task', 'x', 'kept']]);
      }
    });
  });
}
