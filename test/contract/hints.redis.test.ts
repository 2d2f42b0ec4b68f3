import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { systemClock } from '../../src/lib/clock.ts';
import {
  connectRedis,
  createRedisHints,
  type RedisConnection,
} from '../../src/store/redis/index.ts';
import type { Hint } from '../../src/stream/hints.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { Said, silent } from '../support/redis-kit.ts';
import { describeRedis, eventually, startRedis, startRedisCluster } from '../support/services.ts';
import { describeHints } from './hints.ts';

/** Each replica has a connection of its own: in a cluster they listen and speak on different nodes. */
function describeOn(name: string, start: () => Promise<AsyncDisposable & { url: string }>): void {
  describeRedis(`hints on ${name}`, () => {
    let server: Awaited<ReturnType<typeof start>>;
    const replicas = new Map<string, RedisConnection>();

    beforeAll(async () => {
      server = await start();
      for (const id of ['r1', 'r2']) {
        replicas.set(id, await connectRedis({ url: server.url, log: silent }));
      }
    });

    afterAll(async () => {
      for (const redis of replicas.values()) await redis[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });

    describeHints({
      name,
      create: () => ({
        connect(replicaId) {
          const redis = replicas.get(replicaId);
          if (!redis) throw new Error(`no replica ${replicaId}`);
          return createRedisHints({ redis, clock: systemClock, replicaId });
        },
        destroy() {},
      }),
    });
  });
}

describeOn('redis', () => startRedis());
describeOn('redis cluster', startRedisCluster);

/** Two replicas; `tell` says something to the second one until it was heard once more. `wait` makes time go by. */
async function twoReplicas(server: { url: string }) {
  let past = 0;
  const clock = { ...systemClock, now: () => Date.now() + past };
  const redis = await connectRedis({ url: server.url, log: silent });
  const [one, two] = ['r1', 'r2'].map((replicaId) => createRedisHints({ redis, clock, replicaId }));
  if (!one || !two) throw new Error('two replicas');
  let heard = 0;
  const listening = [one.listen(() => {}), two.listen(() => (heard += 1))];
  const tell = async (): Promise<void> => {
    const before = heard;
    await eventually('it is heard', () => {
      one.tell('r2', { type: 'queued' });
      return heard > before;
    });
  };
  const close = async (): Promise<void> => {
    for (const each of listening) each[Symbol.dispose]();
    await redis[Symbol.asyncDispose]();
  };
  return { tell, close, wait: (ms: number) => (past += ms) };
}

/** What the connections for hints did last. */
async function quietLines(server: { admin: { call(...words: string[]): Promise<unknown> } }) {
  const lines = String(await server.admin.call('CLIENT', 'LIST')).split('\n');
  return lines
    .filter((line) => line.includes(' name=holdfast-hints '))
    .map((line) => / cmd=(\S+)/.exec(line)?.[1]);
}

describeRedis('hints: faults', () => {
  test('what is no hint is ignored, a cut connection comes back, and an outage is no error', async () => {
    await using server = await startRedis();
    const said = new Said();
    const redis = await connectRedis({ url: server.url, log: said });
    const hints = createRedisHints({ redis, clock: systemClock, replicaId: 'r1' });
    const heard: Hint[] = [];
    const stop = hints.listen((hint) => heard.push(hint));
    const send = (message: unknown): Promise<unknown> =>
      server.admin.publish('hf:hints', JSON.stringify(message));
    const hint = { type: 'queued' };
    await eventually('it listens', async () => (await send({})) === 1);

    for (const odd of [
      'not { JSON',
      '~',
      '~"r2"',
      '~r2\n"gen"\n0 1\n1\n{}',
      '~"r2"\n7\n',
      '~"r2"\n"gen"\nx',
    ]) {
      await server.admin.publish('hf:hints', odd);
    }
    for (const from of ['r1', 7]) await send({ from, hint });
    for (const odd of [null, [], 'queued', { type: 'other' }, { type: 'fenced', fence: 'x' }]) {
      await send({ from: 'r2', hint: odd });
    }
    await send({ from: 'r2', hint });
    await eventually('it hears', () => heard.length > 0);
    expect(heard).toEqual([hint]);

    await server.killClients();
    await eventually('it hears again', async () => {
      await send({ from: 'r2', hint });
      return heard.length > 1;
    });

    await server.kill();
    hints.publish({ type: 'queued' });
    await eventually('the outage is told', () =>
      said.lines.some(({ message }) => message === 'Redis is out of reach'),
    );
    expect(said.lines.filter(({ level }) => level === 'error')).toEqual([]);
    stop[Symbol.dispose]();
    await redis[Symbol.asyncDispose]();
  });

  test('what is told to one replica goes on a connection without replies, which comes back', async () => {
    await using server = await startRedis();
    const { tell, close, wait } = await twoReplicas(server);
    const used = async (): Promise<void> =>
      eventually('it is used', async () => {
        await tell();
        return (await quietLines(server)).includes('publish');
      });
    await used();
    for (let times = 0; times < 100; times += 1) await tell();
    await used();
    expect(await quietLines(server)).toHaveLength(1);

    await server.killClients();
    await eventually('it is gone', async () => (await quietLines(server)).length === 0);
    wait(1_000);
    await used();
    await close();
  });

  test('connections whose server went away without a word are replaced, those without replies too', async () => {
    await using server = await startRedis();
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port: server.port });
    const { tell, close } = await twoReplicas({ url: `redis://127.0.0.1:${proxy.port}` });
    try {
      await eventually('it is used', async () => {
        await tell();
        return (await quietLines(server)).includes('publish');
      });

      proxy.strand();

      await expect(tell()).resolves.toBeUndefined();
    } finally {
      await close();
      await proxy.down();
    }
  });

  test('a server that does not let itself be silenced is told in the usual way', async () => {
    await using server = await startRedis();
    await server.admin.call('ACL', 'SETUSER', 'default', '-client|reply');
    const { tell, close, wait } = await twoReplicas(server);
    await tell();
    await eventually('it was refused', async () => {
      const log = await server.admin.call('ACL', 'LOG');
      return (
        JSON.stringify(log).includes('client|reply') && (await quietLines(server)).length === 0
      );
    });
    wait(60_000);
    for (let times = 0; times < 10; times += 1) await tell();
    expect(await quietLines(server)).toEqual([]);
    await close();
  });
});
