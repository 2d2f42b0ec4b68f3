import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { FakeClock } from '../../support/fake-clock.ts';
import { createRedisEventTransport } from '../../../src/store/redis/index.ts';
import { batch, NO_BOUND, seqs, upTo } from '../../contract/event-transport-kit.ts';
import { Ear, EXPIRY, replicaOn, type Replica } from '../../support/redis-kit.ts';
import { describeRedis, eventually, startRedis, type RedisServer } from '../../support/services.ts';

/** What it costs, counted by Redis itself. */
let server: RedisServer;
let writer: Replica;
let reader: Replica;
let run = 0;
/** Connections where nothing is followed. */
let idle = 0;
let g = '';

async function subscriptions(): Promise<number> {
  const channels = await server.admin.call('PUBSUB', 'CHANNELS', 'hf:*');
  return Array.isArray(channels) ? channels.length : 0;
}

const connections = async (): Promise<number> =>
  Number(/connected_clients:(\d+)/.exec(await server.admin.info('clients'))?.[1]);

describeRedis('event log: costs', () => {
  beforeAll(async () => {
    server = await startRedis();
    writer = await replicaOn(server.url);
    // Polls when this file's end is long past.
    reader = await replicaOn(server.url, { pollMs: 600_000 });
    idle = await connections();
  });

  afterAll(async () => {
    await writer[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  let ear: Ear;

  beforeEach(async () => {
    run += 1;
    g = `gen_${run}`;
    await writer.log.create(g);
    await writer.log.append(batch(0, 1, { generationId: g }));
    ear = new Ear(reader.log);
  });

  afterEach(async () => {
    await ear.close();
  });

  /** Follows from the first event on, and is caught up. */
  async function caughtUp(): Promise<void> {
    const looks = await server.calls('get');
    ear.watch.follow(g, 1);
    // Its one look: by the server, and then by the reader's own next answer.
    await eventually('it looked', async () => (await server.calls('get')) > looks);
    await reader.log.ping();
  }

  test('an append is one command, whatever its size, and is read by nobody who follows', async () => {
    await caughtUp();
    const commands = ['evalsha', 'eval', 'xrange', 'hmget'];
    const before = await Promise.all(commands.map((name) => server.calls(name)));

    for (let head = 1; head < 101; head += 5) {
      await writer.log.append(batch(head, 5, { generationId: g }));
    }
    await ear.until('all came', ({ seqs }) => seqs.length === 100);

    const after = await Promise.all(commands.map((name) => server.calls(name)));
    expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([20, 0, 0, 0]);
    expect(ear.seqs).toEqual(upTo(2, 101));
    expect(ear.bare).toBe(0);
    expect(ear.told.map(({ news }) => news?.after.seq)).toEqual(upTo(0, 19).map((n) => 1 + 5 * n));
  });

  test('a log that is dropped is told of at once', async () => {
    await caughtUp();

    await writer.log.drop(g);

    await ear.until('it was told', ({ bare }) => bare === 1);
    expect(ear.told).toEqual([{ id: g, news: undefined }]);
  });

  test('any number of followed logs takes one connection, and what is not followed no subscription', async () => {
    const ids = upTo(1, 50).map((n) => `${g}_${n}`);
    // The server may not have heard yet that the listener of an earlier test has gone.
    await eventually('nobody else listens', async () => (await connections()) === idle);

    for (const id of ids) ear.watch.follow(id, 0);
    await eventually('all are subscribed', async () => (await subscriptions()) === 50);
    expect(await connections()).toBe(idle + 1);

    for (const id of ids) ear.watch.unfollow(id);
    await eventually('none is left', async () => (await subscriptions()) === 0);
    expect(await connections()).toBe(idle + 1);

    await ear.close();
    await eventually('the connection is gone', async () => (await connections()) === idle);
  });

  test('following and unfollowing in every order ends as the last call says', async () => {
    for (let turn = 0; turn < 50; turn += 1) {
      ear.watch.follow(g, 1);
      if (turn % 3 === 0) await reader.log.ping();
      ear.watch.unfollow(g);
      if (turn % 5 === 0) await reader.log.ping();
    }
    ear.watch.follow(g, 1);
    await eventually('it is subscribed', async () => (await subscriptions()) === 1);

    await writer.log.append(batch(1, 1, { generationId: g }));

    await ear.until('it hears', ({ seqs }) => seqs.includes(2));
    expect(await subscriptions()).toBe(1);
  });

  test('only logs that were silent are looked at, once per interval; nothing ticks where none is followed', async () => {
    const clock = new FakeClock();
    const log = createRedisEventTransport({ redis: reader.redis, clock, expiry: EXPIRY });
    const own = new Ear(log);
    const other = `${g}_silent`;
    await writer.log.create(other);
    const looks = await server.calls('get');
    own.watch.follow(g, 1);
    own.watch.follow(other, 0);
    // Each append reads the state itself, by GET.
    await eventually('both were looked at', async () => (await server.calls('get')) === looks + 2);
    await writer.log.append(batch(1, 1, { generationId: g }));
    await own.until('it hears', ({ seqs }) => seqs.includes(2));

    await clock.advance(2_000);
    await eventually('one was looked at', async () => (await server.calls('get')) === looks + 4);
    await clock.advance(2_000);
    await eventually('both were looked at', async () => (await server.calls('get')) === looks + 6);

    expect(own.bare).toBe(0);
    own.watch.unfollow(g);
    own.watch.unfollow(other);
    expect(clock.pending).toBe(0);
    await own.close();
  });

  test('one page is one command, however many entries it spans', async () => {
    for (let head = 1; head < 1_001; head += 5) {
      await writer.log.append(batch(head, 5, { generationId: g }));
    }
    const before = await server.calls('evalsha');

    // The first time the server may not know the script.
    await reader.log.read(g, { after: 0, limit: 1, maxBytes: 1 });
    const page = await reader.log.read(g, { after: 0, ...NO_BOUND });

    expect(seqs(page)).toEqual(upTo(1, 1_001));
    expect((await server.calls('evalsha')) - before).toBe(2);
  });

  test('a log expires, late while it is open and soon after it is closed', async () => {
    const ttl = async () =>
      Promise.all([server.admin.pttl(`hf:{${g}}:state`), server.admin.pttl(`hf:{${g}}:log`)]);
    for (const ms of await ttl()) expect(ms).toBeGreaterThan(EXPIRY.open - 60_000);

    await writer.log.append(batch(1, 1, { generationId: g, final: true }));

    for (const ms of await ttl()) {
      expect(ms).toBeLessThanOrEqual(EXPIRY.closed);
      expect(ms).toBeGreaterThan(0);
    }
    // A look at it by a new driver does not keep it.
    await writer.log.fence(g, 9);
    for (const ms of await ttl()) expect(ms).toBeLessThanOrEqual(EXPIRY.closed);
  });
});
