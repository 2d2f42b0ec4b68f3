import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { systemClock } from '../../src/lib/clock.ts';
import {
  connectRedis,
  createRedisHints,
  type RedisConnection,
} from '../../src/store/redis/index.ts';
import type { Hint } from '../../src/stream/hints.ts';
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
});
