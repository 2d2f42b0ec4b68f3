import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import { isUnavailable } from '../../../src/errors.ts';
import { parseRedisUrl } from '../../../src/store/redis/address.ts';
import {
  connectRedis,
  RedisConfigError,
  redisTime,
  type RedisConnection,
} from '../../../src/store/redis/index.ts';
import { redisScript } from '../../../src/store/redis/script.ts';
import { faultOf } from '../../../src/store/redis/suitable.ts';
import { FairWatch } from '../../support/fair-watch.ts';
import { Said, silent } from '../../support/redis-kit.ts';
import { freePort } from '../../support/ports.ts';
import {
  describeRedis,
  eventually,
  startRedis,
  startRedisCluster,
  type RedisServer,
} from '../../support/services.ts';

async function refusal(url: string): Promise<{ error: unknown; ms: number }> {
  const watch = new FairWatch();
  try {
    const redis = await connectRedis({ url, log: silent });
    await redis[Symbol.asyncDispose]();
    throw new Error('it connected');
  } catch (error) {
    return { error, ms: watch.stop() };
  }
}

const ECHO = redisScript('#!lua\nreturn {KEYS[1], ARGV[1]}', (reply) => reply);

describe('REDIS_URL', () => {
  test('one server, with all that a URL can say', () => {
    expect(parseRedisUrl('rediss://me:p%40ss@cache.example:7000/3')).toEqual({
      nodes: [{ host: 'cache.example', port: 7000 }],
      tls: true,
      username: 'me',
      password: 'p@ss',
      db: 3,
    });
  });

  test('several are seeds of a cluster', () => {
    const { nodes } = parseRedisUrl('redis://a:1, redis://[::1]');

    expect(nodes).toEqual([
      { host: 'a', port: 1 },
      { host: '::1', port: 6379 },
    ]);
  });

  test.each([
    ['', 'not a URL'],
    ['localhost:6379', 'redis://'],
    ['http://localhost', 'redis://'],
    ['redis://', 'names no host'],
    ['redis://a/x', 'number of a database'],
    ['redis://a/1,redis://b', 'no database but 0'],
    ['redis://a,rediss://b', 'same way'],
  ])('%j is refused, in a sentence', (url, sentence) => {
    expect(() => parseRedisUrl(url)).toThrow(RedisConfigError);
    expect(() => parseRedisUrl(url)).toThrow(sentence);
  });

  test('a refusal quotes no password', () => {
    expect(() => parseRedisUrl('http://me:secret@a')).not.toThrow('secret');
  });
});

describe('what Redis must be', () => {
  const good = { address: 'a:1', version: '7.0.15', policy: 'noeviction', aof: false };

  test.each(['7.0.0', '7.4.2', '8.0.1', '10.1.0'])('version %s will do', (version) => {
    expect(faultOf({ ...good, version })).toBeUndefined();
  });

  test.each(['6.2.14', '2.8.0', ''])('version %j is too old', (version) => {
    expect(faultOf({ ...good, version })).toContain('7.0 or newer is needed');
  });

  test('a policy that evicts is named', () => {
    expect(faultOf({ ...good, policy: 'allkeys-lru' })).toContain('allkeys-lru');
  });
});

describeRedis('start', () => {
  test('a closed port fails at once, and says where', async () => {
    const [port, other] = [await freePort(), await freePort()];
    const one = await refusal(`redis://127.0.0.1:${port}`);
    const cluster = await refusal(`redis://127.0.0.1:${port},redis://127.0.0.1:${other}`);

    for (const { error, ms } of [one, cluster]) {
      expect(error).toBeInstanceOf(RedisConfigError);
      expect(String(error)).toContain(`127.0.0.1:${port}`);
      expect(ms).toBeLessThan(3_000);
    }
  });

  test('a server that accepts and says nothing is given up within 3 s', async () => {
    const mute = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const address = mute.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;

    const { error, ms } = await refusal(`redis://127.0.0.1:${port}`);

    expect(error).toBeInstanceOf(RedisConfigError);
    expect(ms).toBeLessThan(3_000);
    mute.close();
  });

  test('a policy that evicts is refused', async () => {
    await using server = await startRedis({ policy: 'allkeys-lru' });

    const { error } = await refusal(server.url);

    expect(error).toBeInstanceOf(RedisConfigError);
    expect(String(error)).toContain('maxmemory-policy allkeys-lru');
  });

  test('a wrong password is told, without it', async () => {
    await using server = await startRedis();
    await server.admin.config('SET', 'requirepass', 'right');

    const { error } = await refusal(server.url.replace('//', '//:wrong-one@'));

    expect(String(error)).toMatch(/WRONGPASS|invalid/);
    expect(String(error)).not.toContain('wrong-one');
  });

  test('one node of a cluster with a policy that evicts is refused', async () => {
    await using cluster = await startRedisCluster();
    await cluster.nodes[2]?.admin.config('SET', 'maxmemory-policy', 'volatile-ttl');

    const { error } = await refusal(cluster.url);

    expect(String(error)).toContain('volatile-ttl');
  });

  test('without AOF it warns, with AOF it does not', async () => {
    await using plain = await startRedis();
    await using durable = await startRedis({ aof: true });

    const said = [new Said(), new Said()];
    for (const [index, server] of [plain, durable].entries()) {
      const redis = await connectRedis({ url: server.url, log: said[index] ?? silent });
      await redis[Symbol.asyncDispose]();
    }

    expect(said[0]?.lines).toMatchObject([{ level: 'warn' }]);
    expect(said[1]?.lines).toEqual([]);
  });
});

function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
}

describeRedis('connection', () => {
  let server: RedisServer;
  let redis: RedisConnection;
  const said = new Said();

  beforeAll(async () => {
    server = await startRedis({ aof: true });
    redis = await connectRedis({ url: server.url, log: said });
  });

  afterAll(async () => {
    await redis[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test('tells the time of the server', async () => {
    const [before] = await server.admin.time();
    const told = await redisTime(redis)();
    const [after] = await server.admin.time();

    expect(told).toBeGreaterThanOrEqual(Number(before) * 1_000);
    expect(told).toBeLessThan((Number(after) + 1) * 1_000);
  });

  test('what is sent within one turn of the loop is one write', async () => {
    const writes = jest.spyOn(Socket.prototype, '_write');
    const joined = jest.spyOn(Socket.prototype, '_writev');

    await Promise.all(Array.from({ length: 20 }, () => redis.run((client) => client.time())));

    expect([writes.mock.calls.length, joined.mock.calls.length]).toEqual([0, 1]);
    writes.mockRestore();
    joined.mockRestore();
  });

  test('a script that was flushed is sent again, by whoever comes first', async () => {
    await ECHO.call(redis, ['hf:{a}'], ['x']);
    await server.admin.script('FLUSH');

    const replies = await Promise.all([1, 2, 3].map((n) => ECHO.call(redis, ['hf:{a}'], [n])));

    expect(replies).toEqual([1, 2, 3].map((n) => ['hf:{a}', `${n}`]));
  });

  test('a broken script is a bug, not an outage', async () => {
    const broken = redisScript('#!lua\nreturn redis.call("NOPE")', (reply) => reply);

    const error: unknown = await broken.call(redis, ['hf:{a}'], []).catch((e: unknown) => e);

    expect(error).toBeInstanceOf(Error);
    expect(isUnavailable(error)).toBe(false);
  });

  test('a server that hangs: unavailable within 3 s, and back within 1 s', async () => {
    server.freeze();
    const watch = new FairWatch();
    const error: unknown = await redis.ping().catch((e: unknown) => e);
    const took = watch.stop();
    server.thaw();

    expect(isUnavailable(error)).toBe(true);
    expect(took).toBeLessThan(3_000);
    await eventually('it answers again', () => works(redis), 1_000);
  });

  test('a server that is gone: unavailable at once; back with it; said once each', async () => {
    said.lines.length = 0;
    await server.kill();
    const watch = new FairWatch();
    for (let n = 0; n < 5; n += 1) {
      expect(isUnavailable(await redis.ping().catch((e: unknown) => e))).toBe(true);
    }
    const took = watch.stop();
    await server.start();
    await eventually('it answers again', () => works(redis), 2_000);

    expect(took).toBeLessThan(5_000);
    expect(said.lines.map(({ level, message }) => [level, message])).toEqual([
      ['warn', 'Redis is out of reach'],
      ['info', 'Redis is back'],
    ]);
  });

  test('closing fails what is under way, and everything after', async () => {
    const other = await connectRedis({ url: server.url, log: silent });
    server.freeze();
    const pending = other.ping().catch((e: unknown) => e);
    await other[Symbol.asyncDispose]();
    server.thaw();

    expect(isUnavailable(await pending)).toBe(true);
    expect(isUnavailable(await other.ping().catch((e: unknown) => e))).toBe(true);
    expect(other.line('x')).toBeUndefined();
  });
});

async function works(redis: RedisConnection): Promise<boolean> {
  try {
    await redis.ping();
    return true;
  } catch {
    // Not yet.
    return false;
  }
}

describeRedis('connection to a cluster', () => {
  test('scripts reach every node, also after each forgot them and every connection was cut', async () => {
    await using cluster = await startRedisCluster();
    const redis = await connectRedis({ url: cluster.url, log: silent });
    const keys = Array.from({ length: 30 }, (_, n) => `hf:{${n}}`);
    const callAll = () => Promise.all(keys.map((key) => ECHO.call(redis, [key], ['x'])));
    await callAll();

    await Promise.all(cluster.nodes.map(({ admin }) => admin.script('FLUSH')));
    expect(await callAll()).toEqual(keys.map((key) => [key, 'x']));

    // Clocks of nodes may differ: that of one of them is the store's.
    for (let call = 0; call < 12; call += 1) await redisTime(redis)();
    const asked = await Promise.all(
      cluster.nodes.map(async ({ admin }) =>
        /cmdstat_time:/.test(await admin.info('commandstats')),
      ),
    );
    expect(asked.filter(Boolean)).toHaveLength(1);

    await Promise.all(cluster.nodes.map((node) => node.killClients()));
    await eventually('every node answers', async () => {
      const replies = await Promise.allSettled(keys.map((key) => ECHO.call(redis, [key], ['x'])));
      return replies.every(({ status }) => status === 'fulfilled');
    });
    await redis[Symbol.asyncDispose]();
  });

  test('closed while it asks who has which slots: no timer is left', async () => {
    await using cluster = await startRedisCluster();
    const before = timers();
    const redis = await connectRedis({ url: cluster.url, log: silent, slotsRefreshMs: 50 });
    const asked = async (): Promise<number> => {
      const found = await Promise.all(cluster.nodes.map(({ admin }) => admin.info('commandstats')));
      const calls = found.map((info) => /cluster\|slots:calls=(\d+)/.exec(info)?.[1]);
      return calls.reduce((sum, count) => sum + Number(count ?? 0), 0);
    };
    const first = await asked();
    await eventually('it asks again', async () => (await asked()) > first + 2);

    for (const node of cluster.nodes) node.freeze();
    await new Promise((later) => setTimeout(later, 200));
    await redis[Symbol.asyncDispose]();
    for (const node of cluster.nodes) node.thaw();

    await eventually('timers end', () => timers() <= before);
    // It would be set again and again.
    await new Promise((later) => setTimeout(later, 200));
    expect(timers()).toBeLessThanOrEqual(before);
  });

  test('a node that is gone: its keys are unavailable within 3 s, those of the others are served', async () => {
    await using cluster = await startRedisCluster();
    const redis = await connectRedis({ url: cluster.url, log: silent });
    await cluster.nodes[0]?.admin.config('SET', 'cluster-require-full-coverage', 'no');
    for (const { admin } of cluster.nodes) {
      await admin.config('SET', 'cluster-require-full-coverage', 'no');
    }
    const keys = Array.from({ length: 30 }, (_, n) => `hf:{${n}}`);

    await cluster.nodes[0]?.kill();
    const watch = new FairWatch();
    const replies = await Promise.allSettled(keys.map((key) => ECHO.call(redis, [key], ['x'])));
    const took = watch.stop();

    const failed = replies.filter((reply) => reply.status === 'rejected');
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.length).toBeLessThan(keys.length);
    expect(failed.every(({ reason }) => isUnavailable(reason))).toBe(true);
    expect(took).toBeLessThan(3_000);
    await redis[Symbol.asyncDispose]();
  });
});
