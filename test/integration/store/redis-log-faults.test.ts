import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { isUnavailable } from '../../../src/errors.ts';
import type { AppendRequest } from '../../../src/stream/event-transport.ts';
import { batch, eventAt, G, NO_BOUND, seqs, upTo } from '../../contract/event-transport-kit.ts';
import { FairWatch } from '../../support/fair-watch.ts';
import { Ear, replicaOn, Said, type Replica } from '../../support/redis-kit.ts';
import {
  describeRedis,
  eventually,
  startRedis,
  type RedisServer,
  type RedisServerOptions,
} from '../../support/services.ts';

/** What is done to Redis, and what a writer and a reader on two replicas see of it. */
let server: RedisServer;
let writer: Replica;
let reader: Replica;
let ear: Ear;

async function open(options: RedisServerOptions, pollMs = 200): Promise<void> {
  server = await startRedis(options);
  writer = await replicaOn(server.url);
  reader = await replicaOn(server.url, { pollMs });
  ear = new Ear(reader.log);
  await writer.log.create(G);
}

/** Follows from the head on, and is there when it resolves. */
async function listening(head: number): Promise<void> {
  const before = await subscriptions();
  ear.watch.follow(G, head);
  await eventually('it is subscribed', async () => (await subscriptions()) > before);
}

async function subscriptions(): Promise<number> {
  const channels = await server.admin.call('PUBSUB', 'CHANNELS', 'hf:*');
  return Array.isArray(channels) ? channels.length : 0;
}

/** As a driver does it: what had an unknown outcome is sent again, byte for byte. */
async function persist(request: AppendRequest): Promise<unknown> {
  let result: unknown;
  await eventually('it is appended', async () => {
    try {
      result = await writer.log.append(request);
      return true;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return false;
    }
  });
  return result;
}

const kept = async () => seqs(await writer.log.read(G, { after: 0, ...NO_BOUND }));

afterEach(async () => {
  await ear.close();
  await writer[Symbol.asyncDispose]();
  await reader[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

describeRedis('event log, when Redis', () => {
  beforeEach(() => open({ aof: true }));

  test('forgets its scripts: nobody notices', async () => {
    await listening(0);
    await writer.log.append(batch(0, 2));
    await server.admin.script('FLUSH');

    expect(await writer.log.append(batch(2, 2))).toEqual({ outcome: 'appended', head: 4 });

    await ear.until('all came', ({ seqs }) => seqs.length === 4);
    expect(ear.seqs).toEqual([1, 2, 3, 4]);
    expect(await kept()).toEqual([1, 2, 3, 4]);
  });

  test('cuts every connection: an append goes through, and the listener hears of it', async () => {
    await listening(0);
    await writer.log.append(batch(0, 2));
    await ear.until('it hears', ({ seqs }) => seqs.length === 2);

    // Two of commands, one of the listener.
    expect(await server.killClients()).toBe(3);
    expect(await persist(batch(2, 2))).toEqual({ outcome: 'appended', head: 4 });

    await ear.until('it was told', (ear) => ear.seqs.includes(4) || ear.bare > 0);
    await eventually('it is subscribed again', async () => (await subscriptions()) === 1);
    await writer.log.append(batch(4, 1));
    await ear.until('it hears again', ({ seqs }) => seqs.includes(5));
    expect(await kept()).toEqual(upTo(1, 5));
  });

  test('is cut again and again under a writer and a reader: nothing is lost, doubled or out of order', async () => {
    const got: number[] = [];
    const take = async (): Promise<void> => {
      try {
        const page = await reader.log.read(G, { after: got.length, ...NO_BOUND });
        got.push(...(seqs(page) ?? []));
      } catch (error) {
        if (!isUnavailable(error)) throw error;
      }
    };
    ear.watch.follow(G, 0);
    let cuts = 0;
    for (let head = 0; head < 300; head += 3) {
      if (head % 30 === 0) cuts += await server.killClients();
      expect(await persist(batch(head, 3))).toEqual({ outcome: 'appended', head: head + 3 });
    }
    await eventually('the reader has all', async () => {
      await take();
      return got.length === 300;
    });

    expect(cuts).toBeGreaterThan(10);
    expect(got).toEqual(upTo(1, 300));
  });

  test('pauses: an append is unavailable within 3 s, and its repeat finds it done', async () => {
    await writer.log.append(batch(0, 1));
    // For longer than a slow machine takes to ask and to give up.
    await server.admin.call('CLIENT', 'PAUSE', 60_000, 'WRITE');

    const watch = new FairWatch();
    const error: unknown = await writer.log.append(batch(1, 2)).catch((e: unknown) => e);
    const took = watch.stop();

    expect(isUnavailable(error)).toBe(true);
    expect(took).toBeLessThan(3_000);
    await server.admin.call('CLIENT', 'UNPAUSE');
    expect(await persist(batch(1, 2))).toEqual({ outcome: 'appended', head: 3 });
    expect(await kept()).toEqual([1, 2, 3]);
  });

  test('is killed and comes back with its AOF: nothing acknowledged is lost, the listener goes on', async () => {
    await listening(0);
    await writer.log.append(batch(0, 3));

    await server.kill();
    const error: unknown = await writer.log.append(batch(3, 1)).catch((e: unknown) => e);
    expect(isUnavailable(error)).toBe(true);
    await server.start();
    const watch = new FairWatch();
    expect(await persist(batch(3, 2))).toEqual({ outcome: 'appended', head: 5 });
    expect(watch.stop()).toBeLessThan(2_000);

    await ear.until('it was told', (ear) => ear.seqs.includes(5) || ear.bare > 0);
    await eventually('it is subscribed again', async () => (await subscriptions()) === 1);
    await writer.log.append(batch(5, 1));
    await ear.until('it hears again', ({ seqs }) => seqs.includes(6));
    expect(await kept()).toEqual(upTo(1, 6));
  });

  test('is flushed: the log is missing, and the listener is told to look', async () => {
    await writer.log.append(batch(0, 3));
    await listening(3);

    await server.admin.flushall();

    await ear.until('it was told', ({ bare }) => bare > 0);
    expect(await writer.log.append(batch(3, 1))).toEqual({ outcome: 'missing' });
    expect(await reader.log.info(G)).toBeUndefined();
  });

  test('loses a message: the next look finds what it was about', async () => {
    await listening(0);
    await writer.log.append(batch(0, 1));
    await ear.until('it hears', ({ seqs }) => seqs.length === 1);
    // The state as an append leaves it, without its message.
    await server.admin.set(`hf:{${G}}:state`, '9 1 0 1');

    await ear.until('it was told', ({ bare }) => bare > 0);
    expect(ear.bare).toBe(1);
  });

  test('has as many entries as before, of another driver: the next look finds that, too', async () => {
    await listening(0);
    await writer.log.append(batch(0, 3));
    await ear.until('it hears', ({ seqs }) => seqs.length === 3);
    await server.admin.set(`hf:{${G}}:state`, '3 2 0 2');

    await ear.until('it was told', ({ bare }) => bare > 0);
    expect(ear.bare).toBe(1);
  });

  test('lost the state of a log, and not its entries: a new log has none of them', async () => {
    await writer.log.append(batch(0, 3));
    await server.admin.del(`hf:{${G}}:state`);
    expect(await writer.log.info(G)).toBeUndefined();

    await writer.log.create(G);

    expect(await writer.log.append(batch(0, 1))).toEqual({ outcome: 'appended', head: 1 });
    expect(await kept()).toEqual([1]);
  });
});

describeRedis('event log, when Redis is full', () => {
  beforeEach(() => open({ maxmemory: '3mb' }));

  test('an append is unavailable and leaves nothing; what frees memory works; then it goes on', async () => {
    await writer.log.append(batch(0, 1));
    await writer.log.create('gen_over');
    const filler = 'x'.repeat(100_000);
    await eventually('it is full', async () => {
      try {
        await server.admin.append('filler', filler);
        return false;
      } catch {
        // OOM
        return true;
      }
    });
    const big = batch(1, 0, { events: [eventAt(2, 1, filler)] });

    const error: unknown = await writer.log.append(big).catch((e: unknown) => e);

    expect(isUnavailable(error)).toBe(true);
    expect(await kept()).toEqual([1]);
    expect(await writer.log.fence(G, 2)).toMatchObject({ fence: 2, head: 1 });
    await writer.log.drop('gen_over');
    expect(await writer.log.info('gen_over')).toBeUndefined();
    await server.admin.del('filler');
    expect(await writer.log.append(batch(1, 2, { fence: 2 }))).toEqual({
      outcome: 'appended',
      head: 3,
    });
  });
});

describeRedis('event log, when Redis fails over', () => {
  test('to a replica that lags: the listener learns that the log is another one', async () => {
    await open({ aof: true });
    await using standby = await startRedis({ replicaOf: server.port });
    await writer.log.append(batch(0, 2));
    await eventually('the standby has it', async () => {
      return (await standby.admin.get(`hf:{${G}}:state`))?.startsWith('2 ') ?? false;
    });
    // From here on it gets nothing more.
    await standby.admin.call('REPLICAOF', 'NO', 'ONE');
    await writer.log.append(batch(2, 3));
    await listening(5);
    await server.kill();
    // The address stays, as behind a name or a proxy that follows the primary.
    await standby.admin.config('SET', 'port', server.port);

    await ear.until('it was told', ({ bare }) => bare > 0);
    // The listener may be there before the writer is.
    await eventually('the writer is back', () =>
      writer.log.ping().then(
        () => true,
        () => false,
      ),
    );
    expect(await kept()).toEqual([1, 2]);
    expect(await persist(batch(2, 1, { fence: 2 }))).toEqual({ outcome: 'appended', head: 3 });
  });

  test('and the one that was primary refuses writes: unavailable, and connected anew', async () => {
    await open({ aof: true });
    const said = new Said();
    await using other = await replicaOn(server.url, { log: said });
    await server.admin.call('REPLICAOF', '127.0.0.1', `${server.port + 1}`);

    const error: unknown = await other.log.append(batch(0, 1)).catch((e: unknown) => e);
    expect(isUnavailable(error)).toBe(true);
    await eventually('it connected anew', () =>
      said.lines.some(({ message }) => message === 'Redis is back'),
    );
    await server.admin.call('REPLICAOF', 'NO', 'ONE');

    expect(await persist(batch(0, 1))).toEqual({ outcome: 'appended', head: 1 });
  });
});
