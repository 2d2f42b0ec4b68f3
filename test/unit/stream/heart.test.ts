import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { RunError } from '../../../src/agent/agent-runner.ts';
import { LocalHintBus } from '../../../src/store/memory/index.ts';
import { settle } from '../../support/fake-clock.ts';
import { stateOf } from '../../support/frames.ts';
import {
  closeStores,
  ALICE,
  aRequest,
  BOB,
  Heart,
  memoryStores,
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

describe('a turn', () => {
  test('is streamed, saved and ended: created first, done last, the message durable before it', async () => {
    const { streamId, conversationId, status } = await heart.start();
    const reader = await heart.read(streamId);
    heart.runner.last.say('a', 'b', 'c');
    await settle();
    heart.runner.last.end();
    await settle();

    const saved = await stores.conversations.messages(conversationId, {
      limit: 10,
      cursor: undefined,
    });

    expect(status).toBe('started');
    expect(reader.types).toEqual([
      'created',
      'text_delta',
      'text_delta',
      'text_delta',
      'title',
      'done',
    ]);
    expect(reader.frames.map((frame) => frame.data.seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(reader.ended).toBe(true);
    expect(saved.items.map((message) => message.role)).toEqual(['user', 'assistant']);
    expect(saved.items[1]).toMatchObject({
      status: 'complete',
      content: [{ type: 'text', text: 'abc' }],
    });
    expect(stateOf(reader.frames).message.content).toEqual(saved.items[1]?.content);
    expect(heart.runner.pruned).toEqual([streamId]);
  });

  test('shows deltas before they are durable, and everything else after', async () => {
    const { streamId } = await heart.start();
    const reader = await heart.read(streamId);
    heart.runner.last.say('a');
    await settle();

    const info = await stores.transport.info(streamId);

    expect(reader.types).toContain('text_delta');
    expect(info?.head).toBe(1);

    await stores.clock.advance(100);

    expect((await stores.transport.info(streamId))?.head).toBe(2);
  });

  test('that fails ends with the code, the partial kept, and no inner detail', async () => {
    const { streamId } = await heart.start();
    const reader = await heart.read(streamId);
    heart.runner.last.say('half');
    heart.runner.last.fail(new RunError('MODEL_ERROR', 'The model failed.'));
    await settle();

    expect(reader.frames.at(-1)).toMatchObject({
      event: 'done',
      data: {
        status: 'failed',
        error: { code: 'MODEL_ERROR' },
        message: { status: 'unfinished', content: [{ text: 'half' }] },
      },
    });
  });

  test('that throws anything else is an AGENT_ERROR', async () => {
    const { streamId } = await heart.start();
    heart.runner.last.fail(new Error('secret at /home/x'));
    await settle();
    const reader = await heart.read(streamId);

    expect(reader.frames.at(-1)?.data['error']).toEqual({
      code: 'AGENT_ERROR',
      message: 'The agent failed.',
    });
    expect(reader.text).not.toContain('secret');
  });

  test('of an unknown agent, conversation or parent does not exist', async () => {
    const { conversationId } = await heart.start();

    await expect(heart.start({ agentId: 'none' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(heart.start({ conversationId: 'none' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(heart.start({ conversationId }, BOB)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(
      heart.start({ conversationId, parentMessageId: 'none', onBusy: 'enqueue' }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('follows the one before it, with its history', async () => {
    const { conversationId } = await heart.start();
    heart.runner.last.say('first');
    heart.runner.last.end();
    await settle();
    await heart.start({ conversationId, text: 'again' });

    const { history } = heart.runner.last.request;

    expect(history.map((message) => message.content)).toMatchObject([
      [{ text: 'hello' }],
      [{ text: 'first' }],
      [{ text: 'again' }],
    ]);
  });
});

describe('idempotency', () => {
  test('twenty at once with one key make one run, and all get its ids', async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, () => heart.api.start(ALICE, { ...aRequest(), messageId: 'm1' })),
    );
    await settle();

    expect(new Set(all.map((started) => started.generationId)).size).toBe(1);
    expect(all.filter((started) => started.status === 'attached')).toHaveLength(19);
    expect(heart.runner.runs).toHaveLength(1);
  });

  test('a repeat may name the conversation that the first answer gave, and no other', async () => {
    const first = await heart.start({ messageId: 'm1' });
    const { conversationId } = first;

    await expect(heart.start({ messageId: 'm1', conversationId })).resolves.toMatchObject({
      status: 'attached',
    });
    await expect(heart.start({ messageId: 'm1', conversationId: 'other' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
    });
    await expect(heart.start({ messageId: 'm1', bodyHash: 'other' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
    });
  });

  test('a key of its own is the key, and a message that has its id keeps it', async () => {
    const conversationId = 'conv_own';
    const turn = { conversationId, createConversation: true, messageId: 'm1' };
    const first = await heart.start({ ...turn, idempotencyKey: 'run-1' });
    heart.runner.last.end();
    await settle();

    const repeat = await heart.start({ ...turn, idempotencyKey: 'run-1' });
    const again = await heart.start({ ...turn, idempotencyKey: 'run-2' });

    expect(first.messageId).toBe('m1');
    expect(repeat).toMatchObject({ status: 'attached', generationId: first.generationId });
    expect(again.generationId).not.toBe(first.generationId);
    expect(again.messageId).not.toBe('m1');
    const kept = await stores.conversations.message(conversationId, 'm1');
    expect(kept?.parentMessageId).toBeNull();
  });

  test('keys of different users are different keys', async () => {
    const mine = await heart.start({ messageId: 'm1' });
    const hers = await heart.start({ messageId: 'm1' }, BOB);

    expect(hers.generationId).not.toBe(mine.generationId);
  });
});

describe('a busy conversation', () => {
  test('rejects a second turn and says what is in the way', async () => {
    const { conversationId, generationId } = await heart.start();

    await expect(heart.start({ conversationId })).rejects.toMatchObject({
      code: 'CONVERSATION_BUSY',
      details: { generationId, status: 'running' },
    });
  });

  test('lets one wait its turn, which then follows the first answer', async () => {
    const { conversationId, responseMessageId } = await heart.start();
    const second = await heart.start({ conversationId, text: 'next', onBusy: 'enqueue' });
    const reader = await heart.read(second.streamId);

    expect(second.status).toBe('queued');
    expect(heart.runner.runs).toHaveLength(1);

    heart.runner.last.say('one');
    heart.runner.last.end();
    await settle();

    expect(heart.runner.runs).toHaveLength(2);
    expect(heart.runner.last.request.history.at(-1)?.parentMessageId).toBe(responseMessageId);
    expect(heart.runner.last.request.history).toHaveLength(3);
    expect(reader.types).toEqual(['created', 'queued']);
  });

  test('is interrupted: the live one ends superseded with what it said, then the new one runs', async () => {
    const first = await heart.start();
    const reader = await heart.read(first.streamId);
    heart.runner.last.say('half');
    await settle();
    const second = await heart.start({
      conversationId: first.conversationId,
      onBusy: 'interrupt',
      text: 'no, this',
    });

    expect(reader.frames.at(-1)).toMatchObject({
      event: 'done',
      data: { status: 'superseded', message: { content: [{ text: 'half' }] } },
    });
    expect(second.status).toBe('started');
    expect(heart.runner.last.request.history.at(1)?.content).toMatchObject([{ text: 'half' }]);
  });
});

describe('limits', () => {
  test('a user has at most so many at once; a repeat still attaches', async () => {
    for (let i = 0; i < 10; i += 1) await heart.start({ messageId: `m${i}` });

    await expect(heart.start()).rejects.toMatchObject({
      code: 'TOO_MANY_GENERATIONS',
      headers: { 'Retry-After': expect.any(String) },
    });
    await expect(heart.start({ messageId: 'm3' })).resolves.toMatchObject({ status: 'attached' });
    await expect(heart.start({}, BOB)).resolves.toMatchObject({ status: 'queued' });
  });

  test('a full process takes turns first in, first out, and tells the place', async () => {
    const alone = { hints: new LocalHintBus() };
    const small = new Heart(stores, { maxConcurrentRuns: 1 }, alone);
    const first = await small.start({ text: '1' });
    const second = await small.start({ text: '2' });
    const third = await small.start({ text: '3' });
    const reader = await small.read(third.streamId);

    expect([first.status, second.status, third.status]).toEqual(['started', 'queued', 'queued']);
    expect(reader.frames[1]).toMatchObject({ event: 'queued', data: { position: 2 } });

    small.runner.last.end();
    await settle();
    small.runner.last.end();
    await settle();

    expect(small.runner.runs.map((run) => run.request.generationId)).toEqual([
      first.generationId,
      second.generationId,
      third.generationId,
    ]);
    await small.close();
  });
});
