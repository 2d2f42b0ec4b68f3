import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { settle } from '../../support/fake-clock.ts';
import { ALICE, aRequest, type Heart } from '../../support/heart.ts';
import { OutageWorld, type Client, type PortName } from '../../support/outage-world.ts';

/** Stores that are out of reach for a while, and come back: nothing is lost, nothing is done twice. */

let world: OutageWorld;
let a: Heart;
let b: Heart;

beforeEach(() => {
  world = new OutageWorld();
  a = world.act(world.heart('a'));
  b = world.act(world.heart('b'));
});

afterEach(() => world.close());

const request = { ...aRequest(), messageId: 'msg_1' };

/** A whole turn, with an outage before one of its steps; both replicas look after it all the time. */
async function turn(before: string, outage: () => void): Promise<Client> {
  a.core.start();
  b.core.start();
  await settle();
  if (before === 'start') outage();
  if (before === 'pause') world.hold('pause');
  const { generationId } = await world.insist(() => a.api.start(ALICE, request));
  const client = world.client(b, generationId);
  await world.pass(250);
  if (before === 'pause') outage();
  world.release();
  await until(async () => (await world.job(generationId)).status === 'paused');
  const { actionId } = await world.action(generationId);
  if (before === 'decide') outage();
  if (before === 'end') world.hold('end');
  await world.approve(b, generationId, actionId);
  await world.pass(250);
  if (before === 'end') outage();
  world.release();
  await until(async () => (await world.job(generationId)).status === 'finished');
  await world.pass(1_000);
  return client;
}

/** Whatever is under way is over 35 s after the stores are back: lease, scan and takeover. */
async function until(reached: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; waited <= 80_000; waited += 250) {
    if (await reached()) return;
    await world.pass(250);
  }
  throw new Error('it never came about');
}

const OUTAGES: [string, PortName[]][] = [
  ['log', ['transport']],
  ['jobs', ['jobs']],
  ['conversations', ['conversations', 'approvals', 'outbox']],
  ['everything', ['transport', 'jobs', 'conversations', 'approvals', 'outbox']],
];
const STEPS = ['start', 'pause', 'decide', 'end'];
const CASES = OUTAGES.flatMap(([name, ports]) =>
  STEPS.flatMap((step) =>
    [5_000, 13_000, 40_000].map((ms) => ({ name, ports, step, seconds: ms / 1_000 })),
  ),
);

async function expectWhole(client: Client): Promise<void> {
  const { items } = await world.stores.conversations.messages((await only()).conversationId, {
    limit: 10,
    cursor: undefined,
  });
  expect(items).toHaveLength(2);
  expect(client.ended).toBe(true);
  expect(client.count('done')).toBe(1);
  expect(client.text).toBe('shall I|||done');
  expect(client.content).toEqual(items[1]?.content);
  expect(world.executed).toEqual(['c1', 'c2']);
}

async function only() {
  const [job] = await world.stores.jobs.withLogOlderThan(Infinity, 10);
  if (!job) throw new Error('no job is over');
  return job;
}

describe('a turn with one pause', () => {
  test.each(CASES)(
    'is whole, said once and done once, where $name is out of reach for $seconds s before $step',
    async ({ ports, step, seconds }) => {
      // The outage begins now and ends while what comes next is being tried.
      const client = await turn(step, () => world.outage(ports, seconds * 1_000));

      await expectWhole(client);
      expect(await only()).toMatchObject({ outcome: 'completed' });
    },
  );
});

/** True: it let go of everything within 5 s. */
async function endOf(heart: Heart): Promise<boolean> {
  const late = world.pass(5_000).then(() => false);
  return Promise.race([heart.core[Symbol.asyncDispose]().then(() => true), late]);
}

describe('a process that ends while every store is out of reach', () => {
  test('lets go while it finalises, and another one completes it', async () => {
    world.hold('end');
    const { generationId } = await a.api.start(ALICE, request);
    await world.pass(500);
    const { actionId } = await world.action(generationId);
    await world.approve(a, generationId, actionId);
    world.fail(['conversations']);
    world.release();
    await world.pass(500);
    const { status } = await world.job(generationId);
    const disposed = await endOf(a);

    expect(status).toBe('finalizing');
    expect(disposed).toBe(true);
    world.mend();
    b.core.start();
    await until(async () => (await world.job(generationId)).status === 'finished');
  });

  test.each(['while it runs', 'while it pauses', 'while it ends'])(
    'lets go %s, and another one goes on from what is durable',
    async (when) => {
      if (when !== 'while it ends') world.hold('pause');
      const { generationId } = await a.api.start(ALICE, request);
      await world.pass(500);
      if (when === 'while it ends') {
        world.hold('end');
        const { actionId } = await world.action(generationId);
        await world.approve(a, generationId, actionId);
        await world.pass(500);
      }
      world.fail(['transport', 'jobs', 'conversations', 'approvals', 'outbox']);
      if (when !== 'while it runs') world.release();
      await world.pass(500);
      const disposed = await endOf(a);

      expect(disposed).toBe(true);
      world.mend();
      world.release();
      b.core.start();
      await until(async () =>
        ['paused', 'finished'].includes((await world.job(generationId)).status),
      );
      expect((await world.job(generationId)).attempts).toBeLessThanOrEqual(1);
    },
  );
});
