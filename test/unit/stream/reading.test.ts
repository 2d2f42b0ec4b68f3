import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { settle } from '../../support/fake-clock.ts';
import { stateOf } from '../../support/frames.ts';
import {
  closeStores,
  BOB,
  Heart,
  memoryStores,
  TestReader,
  ALICE,
  type Stores,
} from '../../support/heart.ts';

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

async function finishedTurn(): Promise<{
  streamId: string;
  full: TestReader;
  conversationId: string;
}> {
  const { streamId, conversationId } = await heart.start();
  const full = await heart.read(streamId);
  heart.runner.last.say('a', 'b', 'c', 'd');
  await settle();
  heart.runner.last.end();
  await settle();
  return { streamId, full, conversationId };
}

describe('reading a stream', () => {
  test('from any cursor gives exactly the frames behind it, the same bytes', async () => {
    const { streamId, full } = await finishedTurn();
    for (const [index, frame] of full.frames.slice(0, -1).entries()) {
      const reader = await heart.read(streamId, { cursor: frame.id });

      expect(full.text.endsWith(reader.text)).toBe(true);
      expect(reader.frames).toEqual(full.frames.slice(index + 1));
      expect(reader.ended).toBe(true);
    }
  });

  test('at the end of a finished stream is nothing more', async () => {
    const { streamId, full } = await finishedTurn();

    const reader = await heart.read(streamId, { cursor: full.lastId });

    expect(reader).toMatchObject({ text: '', ended: true });
  });

  test('without a cursor gives what there is with deltas joined, then goes on', async () => {
    const { streamId } = await heart.start();
    heart.runner.last.say('a', 'b', 'c');
    await settle();
    const reader = await heart.read(streamId);
    heart.runner.last.say('d');
    await settle();

    expect(reader.frames.map((frame) => [frame.event, frame.data.seq])).toEqual([
      ['created', 1],
      ['text_delta', 4],
      ['text_delta', 5],
    ]);
    expect(stateOf(reader.frames).message.content).toMatchObject([{ text: 'abcd' }]);
  });

  test('as a snapshot gives one frame, then goes on to the terminal event', async () => {
    const { streamId } = await heart.start();
    heart.runner.last.say('a', 'b');
    await settle();
    const reader = await heart.read(streamId, { snapshot: true });
    heart.runner.last.say('c');
    heart.runner.last.end();
    await settle();

    expect(reader.types).toEqual(['sync', 'text_delta', 'title', 'done']);
    expect(reader.frames[0]?.data).toMatchObject({ upTo: 3, state: { status: 'running' } });
    expect(stateOf(reader.frames).message.content).toMatchObject([{ text: 'abc' }]);
  });

  test('as a snapshot of a finished stream ends before done, which follows by itself', async () => {
    const { streamId, full } = await finishedTurn();

    const reader = await heart.read(streamId, { snapshot: true });

    expect(reader.types).toEqual(['sync', 'done']);
    expect(reader.frames[0]?.data['upTo']).toBe((full.frames.at(-1)?.data.seq ?? 0) - 1);
    expect(reader.frames[1]).toEqual(full.frames.at(-1));
  });

  test.each([
    ['garbage', 'nonsense', 'malformed'],
    ['of another generation', 'zzzzzz.1.2', 'malformed'],
  ])('with a cursor that is %s begins anew, explicitly', async (_name, cursor, reason) => {
    const { streamId, full } = await finishedTurn();

    const reader = await heart.read(streamId, { cursor });

    expect(reader.types).toEqual(['reset', 'done']);
    expect(reader.frames[0]?.data['reason']).toBe(reason);
    expect(stateOf(reader.frames).message.content).toEqual(stateOf(full.frames).message.content);
  });

  test.each([
    ['ahead of the log', (id: string) => id.replace(/\d+$/, '999')],
    ['of another fence', (id: string) => id.replace(/\.\d+\./, '.7.')],
  ])('with a cursor %s begins anew', async (_name, change) => {
    const { streamId } = await heart.start();
    const first = await heart.read(streamId);
    heart.runner.last.say('a');
    await settle();

    const reader = await heart.read(streamId, { cursor: change(first.lastId) });
    heart.runner.last.say('b');
    await settle();

    expect(reader.types).toEqual(['reset', 'text_delta']);
    expect(reader.frames[0]?.data['reason']).toBe('epoch');
    expect(stateOf(reader.frames).message.content).toMatchObject([{ text: 'ab' }]);
  });

  test('after its retention is rebuilt from the record: the message, then done', async () => {
    const { streamId, full } = await finishedTurn();
    heart.core.start();
    await stores.clock.advance(3_600_000 + 6_000);

    const reader = await heart.read(streamId, { cursor: full.frames[1]?.id });
    const atEnd = await heart.read(streamId, { cursor: full.lastId });

    expect(await stores.transport.info(streamId)).toBeUndefined();
    expect(reader.types).toEqual(['reset', 'done']);
    expect(reader.frames[0]?.data['reason']).toBe('expired');
    expect(reader.lastId).toBe(full.lastId);
    expect(stateOf(reader.frames).message.content).toEqual(stateOf(full.frames).message.content);
    expect(atEnd.text).toBe('');
  });

  test('of somebody else, or none, does not exist', async () => {
    const { streamId } = await heart.start();

    await expect(heart.read(streamId, {}, BOB)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(heart.read('gen_none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('a reader that does not drain', () => {
  test('gets one write and no more, holds up nobody, and has it all when it drains', async () => {
    const { streamId } = await heart.start();
    const slow = new TestReader();
    slow.full = true;
    const opened = await heart.api.subscribe(ALICE, streamId, {
      cursor: undefined,
      snapshot: false,
    });
    if (opened.outcome === 'open') slow.attach(opened.open(slow));
    const quick = await heart.read(streamId);
    for (let i = 0; i < 50; i += 1) {
      heart.runner.last.say('x');
      await settle(2);
    }

    expect(slow.writes).toBe(1);
    expect(quick.frames).toHaveLength(51);

    slow.drain();
    await settle();

    expect(stateOf(slow.frames)).toEqual(stateOf(quick.frames));
    slow.close();
    quick.close();
  });

  test('is served from the store when memory has moved on', async () => {
    const { streamId } = await heart.start();
    const first = await heart.read(streamId);
    const cursor = first.lastId;
    first.close();
    const words = Array.from({ length: 1_000 }, (_, index) => `${index} ${'x'.repeat(10_000)}`);
    heart.runner.last.say(...words);
    await settle(50);
    await stores.clock.advance(200);
    heart.runner.last.end();
    await settle(20);

    const read = jest.spyOn(stores.transport, 'read');
    const reader = await heart.read(streamId, { cursor });
    await settle(50);

    expect(read).toHaveBeenCalled();
    expect(reader.ended).toBe(true);
    expect(reader.frames).toHaveLength(1_002);
    expect(reader.frames.map((frame) => frame.data.seq)).toEqual(
      Array.from({ length: 1_002 }, (_, index) => index + 2),
    );
  });
});
