import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { settle } from '../../support/fake-clock.ts';
import type { Heart } from '../../support/heart.ts';
import { OutageWorld } from '../../support/outage-world.ts';
import { loseTail } from '../../support/outage.ts';

/** The store of logs is out of reach, or comes back without what it had. */

let world: OutageWorld;
let a: Heart;
let b: Heart;

beforeEach(() => {
  world = new OutageWorld();
  a = world.heart('a');
  b = world.heart('b');
});

afterEach(() => world.close());

async function paused() {
  world.act(a);
  world.act(b);
  const { generationId, conversationId } = await a.start();
  const client = world.client(b, generationId);
  await world.pass(1_000);
  const { actionId } = await world.action(generationId);
  return { generationId, conversationId, actionId, client };
}

describe('while the log is out of reach', () => {
  test('readers see nothing beyond what was shown within one flush window; then all of it, once', async () => {
    const { generationId } = await a.start();
    const here = await a.read(generationId);
    const there = world.client(b, generationId);
    await world.pass(250);
    world.ports.transport.fail();
    a.runner.last.say('1');
    await world.pass(250);
    a.runner.last.say('2', '3');
    await world.pass(30_000);
    const shown = here.text;
    world.mend();
    await world.pass(1_500);
    a.runner.last.end();
    await world.pass(1_000);

    expect(shown).toContain('"text":"1"');
    expect(shown).not.toContain('"text":"2"');
    expect(there.text).toBe('123');
    expect(there.content).toEqual([{ type: 'text', text: '123' }]);
    expect(here.frames.map((frame) => frame.data.seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await world.job(generationId)).toMatchObject({
      outcome: 'completed',
      attempts: 0,
      fence: 1,
    });
  });

  test('an append whose answer is lost is repeated, and is there once', async () => {
    const { generationId } = await a.start();
    const there = world.client(b, generationId);
    await world.pass(250);
    world.ports.transport.fail({ methods: ['append'], replyLost: true, times: 3 });
    a.runner.last.say('1');
    a.runner.last.push({ type: 'event', body: { type: 'custom', data: 1 } });
    await world.pass(1_000);
    a.runner.last.say('2');
    a.runner.last.end();
    await world.pass(1_000);

    const kept = await world.stores.transport.read(generationId, {
      after: 0,
      limit: 99,
      maxBytes: 1e6,
    });

    expect(kept?.events.map(({ type }) => type)).toEqual([
      'created',
      'text_delta',
      'custom',
      'text_delta',
      'title',
      'done',
    ]);
    expect(there.text).toBe('12');
    expect(await world.job(generationId)).toMatchObject({ outcome: 'completed', fence: 1 });
  });

  test('a process that ends lets go in time, and another one goes on', async () => {
    const { generationId } = await a.start();
    world.ports.transport.fail();
    a.runner.last.say('1');
    await world.pass(1_000);
    const over = a.core[Symbol.asyncDispose]();
    await world.pass(1_000);
    await over;
    world.mend();
    b.core.start();
    await world.pass(6_000);
    b.runner.last.say('2');
    b.runner.last.end();
    const client = world.client(b, generationId);
    await world.pass(1_000);

    expect(client.text).toBe('2');
    expect(client.ended).toBe(true);
  });
});

test('a pause is not told where its log lost entries, under their fence; but it is told', async () => {
  world.act(a);
  world.ports.approvals.fail();
  const { generationId } = await a.start();
  await world.pass(500);
  const { actionId } = await world.action(generationId);
  const before = await world.stores.transport.info(generationId);
  await loseTail(world.stores.transport, generationId, (before?.head ?? 0) - 1);
  world.mend();
  await world.pass(2_000);
  const client = world.client(b, generationId);
  await world.pass(500);

  const range = { after: (before?.head ?? 0) - 1, limit: 9, maxBytes: 1e6 };
  const kept = await world.stores.transport.read(generationId, range);
  expect(kept?.events.map(({ fence, type }) => [fence, type])).toEqual([
    [2, 'segment'],
    [2, 'pending_action'],
  ]);
  expect(client.frames.at(-1)?.data).toMatchObject({ action: { actionId } });
});

describe.each([
  ['all of it', () => 0],
  ['all but what was created', () => 1],
  ['its last entry', (head: number) => head - 1],
])('a log that lost %s', (_name, keep) => {
  async function lose(generationId: string): Promise<void> {
    const info = await world.stores.transport.info(generationId);
    await loseTail(world.stores.transport, generationId, keep(info?.head ?? 0));
    await world.pass(1_000);
  }

  test('under its driver is gone on with from the checkpoint, at once', async () => {
    const { generationId } = await a.start();
    const client = world.client(b, generationId);
    a.runner.last.say('1', '2');
    await world.pass(500);
    a.runner.last.push({ type: 'event', body: { type: 'custom', data: 1 } });
    await world.pass(500);
    const call = { call: 'm0', reasoning: '', text: '12', toolCalls: [] };
    a.runner.standing.set(generationId, {
      resumable: true,
      calls: [call],
      results: [],
      steered: [],
    });
    await lose(generationId);
    a.runner.last.say('never seen');
    await world.pass(2_000);
    const run = [a, b]
      .map(({ runner }) => runner)
      .find(({ runs }) => runs.at(-1)?.request.fence === 3);
    run?.last.say('3');
    run?.last.end();
    await world.pass(1_000);

    expect(client.ended).toBe(true);
    expect(client.content).toMatchObject([{ text: '12' }, { text: '3' }]);
    expect(await world.job(generationId)).toMatchObject({ outcome: 'completed', attempts: 1 });
  });

  test('of a pause is written again for whoever looks, and the action can be decided', async () => {
    const { generationId, conversationId, actionId, client } = await paused();
    const before = client.content;
    await lose(generationId);
    const status = await b.api.status({ tenantId: 't', userId: 'alice' }, conversationId);
    const fresh = world.client(a, generationId);
    await world.pass(500);

    expect(status.generation).toMatchObject({ status: 'paused', pendingAction: { actionId } });
    expect(status.generation?.state.pendingAction?.actionId).toBe(actionId);
    expect(fresh.types).toContain('pending_action');
    expect(fresh.content).toEqual(before);
    expect(client.content).toEqual(before);

    await world.approve(b, generationId, actionId);
    await world.pass(1_000);

    expect(client.ended).toBe(true);
    expect(client.text).toBe('shall I|||done');
    expect(world.executed).toEqual(['c1', 'c2']);
  });

  test('of a pause that nobody looked at before it was decided has all of the answer in the end', async () => {
    const { generationId, conversationId, actionId, client } = await paused();
    await client.close();
    const info = await world.stores.transport.info(generationId);
    await loseTail(world.stores.transport, generationId, keep(info?.head ?? 0));
    await world.approve(b, generationId, actionId);
    await world.pass(1_000);
    const fresh = world.client(b, generationId);
    await world.pass(500);

    const saved = await world.stores.conversations.lastMessage(conversationId);
    expect(fresh.text).toBe('shall I|||done');
    expect(fresh.content).toEqual(saved?.content);
    expect(fresh.count('done')).toBe(1);
  });

  test('right after the outcome was fixed: readers get the end, and the message is whole', async () => {
    const { generationId, conversationId } = await a.start();
    const client = world.client(b, generationId);
    a.runner.last.say('1', '2');
    await world.pass(250);
    a.runner.last.push({ type: 'event', body: { type: 'custom', data: 1 } });
    const call = { call: 'm0', reasoning: '', text: '12', toolCalls: [] };
    a.runner.standing.set(generationId, {
      resumable: true,
      calls: [call],
      results: [],
      steered: [],
    });
    await world.pass(250);
    // The finaliser can't begin; when it can, the log is not what the driver left.
    world.ports.transport.fail({ methods: ['fence'] });
    a.runner.last.end();
    await world.pass(250);
    const cursor = client.frames.at(-1)?.id;
    await lose(generationId);
    const left = await world.stores.transport.info(generationId);
    world.mend();
    await world.pass(2_000);

    const saved = await world.stores.conversations.lastMessage(conversationId);
    // Who was away has seen what was lost, and nothing that came in its place.
    const back = await b.read(generationId, { cursor });
    expect(back.types[0]).toBe('reset');
    expect(back.types.at(-1)).toBe('done');
    expect(left?.closed ?? false).toBe(false);
    expect(client.ended).toBe(true);
    expect(client.content).toMatchObject([{ text: '12' }]);
    expect(saved?.content).toMatchObject([{ text: '12' }]);
    expect(client.count('done')).toBe(1);
  });

  test('once it is over is told from the record', async () => {
    const { generationId } = await a.start();
    a.runner.last.say('1', '2');
    a.runner.last.end();
    await settle();
    await lose(generationId);
    const client = world.client(b, generationId);
    await world.pass(500);

    expect(client.ended).toBe(true);
    expect(client.text).toBe('12');
  });
});
