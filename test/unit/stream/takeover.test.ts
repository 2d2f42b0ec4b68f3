import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { settle } from '../../support/fake-clock.ts';
import { stateOf } from '../../support/frames.ts';
import { closeStores, ALICE, Heart, memoryStores, type Stores } from '../../support/heart.ts';
import { severable } from '../../support/severed.ts';

/** Two hearts on the same stores: what happens when the one that drives can't any more. */

let stores: Stores;
let dead: Heart;
let alive: Heart;
let cut: () => void;
let mend: () => void;

beforeEach(() => {
  stores = memoryStores();
  const jobs = severable(stores.jobs);
  const transport = severable(stores.transport);
  cut = () => {
    jobs.cut();
    transport.cut();
  };
  mend = () => {
    jobs.mend();
    transport.mend();
  };
  dead = new Heart(stores, { driver: 'dead' }, { jobs: jobs.port, transport: transport.port });
  alive = new Heart(stores, { driver: 'alive' });
});

afterEach(async () => {
  mend();
  await dead.close();
  await alive.close();
  closeStores(stores);
});

/** Past the lease and the next scan. */
const LATER = 26_000;

async function streaming(): Promise<{ streamId: string; conversationId: string }> {
  const started = await dead.start();
  dead.runner.last.say('a', 'b');
  await settle();
  await stores.clock.advance(100);
  return started;
}

describe('a driver that died', () => {
  test('is followed by another, which asks again and says what stands', async () => {
    const { streamId } = await streaming();
    const reader = await alive.read(streamId);
    cut();
    alive.core.start();
    await stores.clock.advance(LATER);
    alive.runner.last.say('c');
    alive.runner.last.end();
    await settle();

    expect(alive.runner.last.request).toMatchObject({ entry: { kind: 'start' }, nextPart: 0 });
    expect(reader.types).toEqual([
      'created',
      'text_delta',
      'segment',
      'text_delta',
      'title',
      'done',
    ]);
    expect(reader.frames[2]?.data).toMatchObject({ reason: 'recovered', keep: 1 });
    expect(stateOf(reader.frames).message).toMatchObject({
      status: 'complete',
      content: [{ text: 'c' }],
    });
  });

  test('leaves what its checkpoint holds, and the next goes on from it', async () => {
    const { streamId } = await streaming();
    const call = { call: 'm0', reasoning: '', text: 'abX', toolCalls: [] };
    alive.runner.standing.set(streamId, {
      resumable: true,
      calls: [call],
      results: [],
      steered: [],
    });
    cut();
    alive.core.start();
    await stores.clock.advance(LATER);
    alive.runner.last.say('c');
    alive.runner.last.end();
    await settle();

    const reader = await alive.read(streamId);

    expect(alive.runner.last.request).toMatchObject({ entry: { kind: 'continue' }, nextPart: 1 });
    expect(stateOf(reader.frames).message.content).toMatchObject([{ text: 'abX' }, { text: 'c' }]);
  });

  test('can change nothing when it wakes: its deltas are withdrawn and its readers told', async () => {
    const { streamId } = await streaming();
    const reader = await dead.read(streamId);
    cut();
    dead.runner.last.say('lost');
    await settle();
    alive.core.start();
    await stores.clock.advance(LATER);
    alive.runner.last.say('c');
    alive.runner.last.end();
    await settle();
    mend();
    await stores.clock.advance(1_000);

    expect(reader.text).toContain('lost');
    expect(reader.types).toContain('reset');
    expect(reader.types.at(-1)).toBe('done');
    expect(stateOf(reader.frames).message.content).toMatchObject([{ text: 'c' }]);
    expect(dead.runner.last.request.signal.aborted).toBe(true);
  });

  test('a cursor of a withdrawn delta is answered with a reset, never with another delta', async () => {
    const { streamId } = await streaming();
    const reader = await dead.read(streamId);
    cut();
    dead.runner.last.say('lost', 'lost', 'lost');
    await settle();
    const { lastId } = reader;
    alive.core.start();
    await stores.clock.advance(LATER);
    alive.runner.last.say('1', '2', '3', '4', '5');
    await settle();

    const again = await alive.read(streamId, { cursor: lastId });

    expect(again.types[0]).toBe('reset');
    expect(stateOf(again.frames).message.content).toMatchObject([{ text: '12345' }]);
    again.close();
  });

  test('stops by itself before its lease is over', async () => {
    await streaming();
    cut();

    await stores.clock.advance(12_000);

    expect(dead.runner.last.request.signal.aborted).toBe(true);
  });

  test('that dies again and again ends interrupted, the partial kept', async () => {
    const { streamId, conversationId } = await streaming();
    cut();
    const hearts = [1, 2, 3, 4].map((n) => {
      const jobs = severable(stores.jobs);
      const heart = new Heart(stores, { driver: `d${n}` }, { jobs: jobs.port });
      return { heart, jobs };
    });
    for (const { heart, jobs } of hearts) {
      heart.core.start();
      await stores.clock.advance(LATER);
      heart.runner.runs.at(-1)?.say('again');
      await settle();
      await stores.clock.advance(100);
      jobs.cut();
    }
    alive.core.start();
    await stores.clock.advance(LATER);
    const reader = await alive.read(streamId);

    expect(reader.frames.at(-1)).toMatchObject({
      event: 'done',
      data: { status: 'interrupted', error: { code: 'INTERRUPTED' } },
    });
    expect(await stores.conversations.lastMessage(conversationId)).toMatchObject({
      content: [{ text: 'again' }],
    });
    for (const { heart, jobs } of hearts) {
      jobs.mend();
      await heart.close();
    }
  });
});

describe('finalising that stopped half-way', () => {
  test.each(['upsertMessage', 'touch'] as const)(
    'before %s is completed by another',
    async (step) => {
      const target = stores.conversations;
      const original = target[step];
      const failing = { ...target };
      let fail = false;
      // One step of the first heart's finaliser never returns.
      Object.assign(failing, {
        [step]: (...args: never[]) =>
          fail ? new Promise(() => {}) : Reflect.apply(original, target, args),
      });
      const first = new Heart(stores, { driver: 'first' }, { conversations: failing });
      const { streamId } = await first.start();
      fail = true;
      first.runner.last.say('x');
      first.runner.last.end();
      await settle();
      alive.core.start();
      await stores.clock.advance(LATER + 20_000);
      const reader = await alive.read(streamId);

      expect(reader.types.filter((type) => type === 'done')).toHaveLength(1);
      expect(await alive.api.active(ALICE)).toEqual([]);
    },
  );
});

describe('a log that another process drives', () => {
  test('is followed also by one that had nothing to follow before', async () => {
    const own = await alive.start();
    alive.runner.last.end();
    await settle();
    const { streamId } = await streaming();
    const reader = await alive.read(streamId);
    dead.runner.last.say('c');
    await stores.clock.advance(100);

    expect(own.status).toBe('started');
    expect(stateOf(reader.frames).message.content).toMatchObject([{ text: 'abc' }]);
    reader.close();
  });
});

describe('a shutdown', () => {
  test('hands a run over at its next step boundary, without counting an attempt', async () => {
    const { streamId } = await streaming();
    alive.runner.standing.set(streamId, {
      resumable: true,
      calls: [{ call: 'm0', reasoning: '', text: 'ab', toolCalls: [] }],
      results: [],
      steered: [],
    });
    dead.core.beginDrain();
    await settle();
    await dead.core.drained(1_000);
    alive.core.start();
    await settle();
    alive.runner.last.say('c');
    alive.runner.last.end();
    await settle();
    const reader = await alive.read(streamId);

    expect(reader.types).not.toContain('segment');
    expect(stateOf(reader.frames).message.content).toMatchObject([{ text: 'ab' }, { text: 'c' }]);
    expect(await stores.jobs.get(streamId)).toMatchObject({ attempts: 0, outcome: 'completed' });
  });

  test('refuses new turns', async () => {
    dead.core.beginDrain();

    await expect(dead.start()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('gives back what does not stop in time, with all that was said durable', async () => {
    const { streamId } = await dead.start();
    dead.runner.last.deaf = true;
    dead.runner.last.say('a');
    await settle();
    const over = dead.core[Symbol.asyncDispose]();
    await settle();
    dead.runner.last.end();
    await over;

    expect(await stores.jobs.get(streamId)).toMatchObject({
      status: 'running',
      entered: 'handed_over',
      attempts: 0,
      lease: { driver: 'alive' },
    });
    const kept = await stores.transport.read(streamId, { after: 1, limit: 1, maxBytes: 1_000 });
    expect(kept?.events).toMatchObject([{ type: 'text_delta', fence: 1 }]);
  });
});
