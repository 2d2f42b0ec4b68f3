import { afterEach, beforeEach, describe, expect, test, jest } from '@jest/globals';
import { settle } from '../../support/fake-clock.ts';
import { stateOf } from '../../support/frames.ts';
import { closeStores, ALICE, BOB, Heart, memoryStores, type Stores } from '../../support/heart.ts';

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

describe('stop', () => {
  test('while it streams: what readers saw is what is saved', async () => {
    const { streamId, conversationId, generationId } = await heart.start();
    const reader = await heart.read(streamId);
    heart.runner.last.say('a', 'b');
    await settle();

    const stopped = await heart.api.abort(ALICE, { generationId });
    await settle();

    const last = await stores.conversations.lastMessage(conversationId);
    expect(stopped).toEqual({ generationId, status: 'aborted', alreadyFinished: false });
    expect(reader.types.at(-1)).toBe('done');
    expect(stateOf(reader.frames).message.content).toEqual(last?.content);
    expect(last).toMatchObject({ status: 'unfinished', content: [{ text: 'ab' }] });
    expect(heart.runner.last.request.signal.aborted).toBe(true);
  });

  test('of a run that ignores its signal ends for everybody else', async () => {
    const { streamId, generationId } = await heart.start();
    const reader = await heart.read(streamId);
    const run = heart.runner.last;
    run.deaf = true;
    run.push({
      type: 'event',
      body: { type: 'tool_call', part: 0, toolCallId: 'c', name: 'stubborn' },
    });
    await settle();

    await heart.api.abort(ALICE, { generationId });
    await settle();
    run.say('too late');
    await settle();

    expect(reader.types).toEqual(['created', 'tool_call', 'tool_result', 'done']);
  });

  test('while it waits for a slot: an empty message, and it never runs', async () => {
    const small = new Heart(stores, { maxConcurrentRuns: 1 });
    await small.start();
    const { generationId, streamId } = await small.start();

    await small.api.abort(ALICE, { generationId });
    const reader = await small.read(streamId);
    small.runner.last.end();
    await settle();

    expect(reader.types).toEqual(['created', 'queued', 'done']);
    expect(small.runner.runs).toHaveLength(1);
    await small.close();
  });

  test('is idempotent, also many at once, and after the end', async () => {
    const { generationId, streamId, conversationId } = await heart.start();

    const all = await Promise.all(
      Array.from({ length: 10 }, () => heart.api.abort(ALICE, { generationId })),
    );
    const again = await heart.api.abort(ALICE, { conversationId });
    const reader = await heart.read(streamId);

    expect(all.filter((it) => !it.alreadyFinished)).toHaveLength(1);
    expect(again).toEqual({ generationId, status: 'aborted', alreadyFinished: true });
    expect(reader.types.filter((type) => type === 'done')).toHaveLength(1);
  });

  test('of a conversation takes those that wait with it', async () => {
    const { conversationId } = await heart.start();
    const second = await heart.start({ conversationId, onBusy: 'enqueue' });

    await heart.api.abort(ALICE, { conversationId });
    const reader = await heart.read(second.streamId);

    expect(reader.frames.at(-1)?.data['status']).toBe('aborted');
    expect(await heart.api.active(ALICE)).toEqual([]);
  });

  test("of somebody else's does not exist", async () => {
    const { generationId, conversationId } = await heart.start();

    await expect(heart.api.abort(BOB, { generationId })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(heart.api.abort(BOB, { conversationId })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});

describe('a deleted conversation', () => {
  test('stops, ends for its readers, and is gone with all that belongs to it', async () => {
    const { conversationId, streamId } = await heart.start();
    const reader = await heart.read(streamId);

    await heart.api.deleteConversation(ALICE, conversationId);
    await settle();

    expect(reader.types.at(-1)).toBe('done');
    await expect(heart.read(streamId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(heart.api.status(ALICE, conversationId)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(await stores.jobs.allOf(conversationId)).toEqual([]);
    expect(await stores.transport.info(streamId)).toBeUndefined();
  });

  const dying = {
    'when it stops': () => jest.spyOn(stores.jobs, 'liveOf'),
    'when it drops the log': () => jest.spyOn(stores.transport, 'drop'),
    'when it deletes the conversation': () => jest.spyOn(stores.conversations, 'delete'),
    'when it deletes the records': () => jest.spyOn(stores.jobs, 'deleteConversation'),
  };

  test.each(Object.entries(dying))(
    'a deletion that dies %s is completed by the next scan',
    async (_when, spy) => {
      const { conversationId, streamId } = await heart.start();
      const step = spy().mockRejectedValue(new Error('dead'));

      await expect(heart.api.deleteConversation(ALICE, conversationId)).rejects.toThrow('dead');
      step.mockRestore();
      heart.core.start();
      await settle(30);

      expect(await stores.conversations.get(conversationId)).toBeUndefined();
      expect(await stores.jobs.allOf(conversationId)).toEqual([]);
      expect(await stores.transport.info(streamId)).toBeUndefined();
    },
  );
});
