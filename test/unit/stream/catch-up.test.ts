import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { settle } from '../../support/fake-clock.ts';
import { stateOf } from '../../support/frames.ts';
import {
  ALICE,
  closeStores,
  Heart,
  memoryStores,
  type Stores,
  type TestReader,
} from '../../support/heart.ts';

let stores: Stores;
let a: Heart;
let b: Heart;
/** Lets the appends through that `holdAppends` held. */
let letGo = (): void => {};

beforeEach(() => {
  stores = memoryStores();
  a = new Heart(stores, { driver: 'a' });
  b = new Heart(stores, { driver: 'b' });
});

afterEach(async () => {
  letGo();
  await a.close();
  await b.close();
  closeStores(stores);
});

/** A reader of the driver's replica has words that are not durable yet, and lost its connection. */
async function cutReader(): Promise<{ streamId: string; had: TestReader }> {
  const { streamId } = await a.start();
  a.runner.last.say('one');
  await stores.clock.advance(100);
  const had = await a.read(streamId);
  a.runner.last.say('two', 'three');
  await settle();
  had.close();
  expect((await stores.transport.info(streamId))?.head).toBe(2);
  expect(had.frames.at(-1)?.data.seq).toBe(4);
  return { streamId, had };
}

/** What the driver of that fence appends does not arrive. */
function holdAppends(fence: number): void {
  const append = stores.transport.append.bind(stores.transport);
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  stores.transport.append = async (batch) => {
    if (batch.fence === fence) await held;
    return append(batch);
  };
}

describe('a cursor ahead of the store, on another replica', () => {
  test.each([
    ['that reads it for others already', true],
    ['that does not know the log', false],
  ])('%s: goes on exactly there as soon as it is durable', async (_name, known) => {
    const { streamId, had } = await cutReader();
    const other = known ? await b.read(streamId) : undefined;

    const reading = b.read(streamId, { cursor: had.lastId });
    await settle();
    await stores.clock.advance(100);
    const reader = await reading;
    a.runner.last.say('four');
    await stores.clock.advance(100);
    a.runner.last.end();
    await settle();

    expect(reader.types).toEqual(['text_delta', 'title', 'done']);
    expect(reader.frames[0]?.data).toMatchObject({ seq: 5, text: 'four' });
    expect(other?.types.at(-1) ?? 'done').toBe('done');
  });

  test('whose driver died: waits a second at most, then tells what stands', async () => {
    const { streamId, had } = await cutReader();
    holdAppends(1);

    let opened = false;
    const reading = b.read(streamId, { cursor: had.lastId }).finally(() => (opened = true));
    await stores.clock.advance(900);
    expect(opened).toBe(false);
    await stores.clock.advance(100);
    const reader = await reading;

    expect(reader.frames.map((frame) => [frame.event, frame.data['reason']])).toEqual([
      ['reset', 'epoch'],
    ]);
    expect(stateOf(reader.frames).message.content).toMatchObject([{ text: 'one' }]);
  });

  test('that was taken over meanwhile is told at once', async () => {
    const { streamId, had } = await cutReader();
    holdAppends(1);
    const reading = b.read(streamId, { cursor: had.lastId });
    await settle();

    await b.api.abort(ALICE, { generationId: streamId });
    const reader = await reading;

    expect(reader.types[0]).toBe('reset');
    expect(reader.types.at(-1)).toBe('done');
  });
});
