import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import { eventually, type RedisServer, startRedis } from './services.ts';

/** What is done to the Redis under two replicas. */
export interface Harm {
  name: string;
  /** Entries of logs are lost, so readers must be told. */
  loses: boolean;
  /** About how long, ms. */
  lasts: number;
  /** What takes its time and does no harm, before anything is under way. */
  prepare?(at: Cluster): Promise<void>;
  /** Does it, and `meanwhile` as long as it lasts. Resolves with the moment at which it was over, epoch ms. */
  strike(at: Cluster, meanwhile: () => Promise<void>): Promise<number>;
}

/** It is not there for a second at least. */
async function downFor(redis: RedisServer, meanwhile: () => Promise<void>): Promise<number> {
  await Promise.all([meanwhile(), sleep(1_000)]);
  await redis.start();
  return Date.now();
}

export const RESTART: Harm = {
  loses: false,
  lasts: 1000,
  name: 'SIGTERM, and a start with the AOF',
  async strike({ redis }, meanwhile) {
    await redis.stop();
    return downFor(redis, meanwhile);
  },
};

export const KILL: Harm = {
  loses: false,
  lasts: 1000,
  name: 'kill -9, and a start with the AOF',
  async strike({ redis }, meanwhile) {
    await redis.kill();
    return downFor(redis, meanwhile);
  },
};

export const CLIENT_KILL: Harm = {
  loses: false,
  lasts: 0,
  name: 'CLIENT KILL of every connection',
  async strike({ redis }, meanwhile) {
    if ((await redis.killClients()) < 4) throw new Error('two replicas have four connections');
    const over = Date.now();
    await meanwhile();
    return over;
  },
};

export const SCRIPT_FLUSH: Harm = {
  loses: false,
  lasts: 0,
  name: 'SCRIPT FLUSH',
  async strike({ redis }, meanwhile) {
    await redis.admin.script('FLUSH');
    const over = Date.now();
    await meanwhile();
    return over;
  },
};

const PAUSE_MS = 2_000;
export const CLIENT_PAUSE: Harm = {
  loses: false,
  lasts: PAUSE_MS,
  name: 'CLIENT PAUSE for 2 s',
  async strike({ redis }, meanwhile) {
    const over = Date.now() + PAUSE_MS;
    await redis.admin.call('CLIENT', 'PAUSE', PAUSE_MS, 'ALL');
    await Promise.all([meanwhile(), sleep(PAUSE_MS)]);
    return over;
  },
};

const FROZEN_MS = 3_000;
export const FROZEN: Harm = {
  loses: false,
  lasts: FROZEN_MS,
  name: 'SIGSTOP for 3 s',
  async strike({ redis }, meanwhile) {
    redis.freeze();
    await Promise.all([meanwhile(), sleep(FROZEN_MS)]);
    redis.thaw();
    return Date.now();
  },
};

const FULL_MS = 2_000;
export const FULL: Harm = {
  loses: false,
  lasts: FULL_MS,
  name: 'out of memory for 2 s',
  async strike({ redis }, meanwhile) {
    await redis.admin.config('SET', 'maxmemory', '1mb');
    await Promise.all([meanwhile(), sleep(FULL_MS)]);
    await redis.admin.config('SET', 'maxmemory', '0');
    return Date.now();
  },
};

export const FLUSHALL: Harm = {
  name: 'FLUSHALL',
  loses: true,
  lasts: 0,
  async strike({ redis }, meanwhile) {
    await redis.admin.flushall();
    const over = Date.now();
    await meanwhile();
    return over;
  },
};

const LAG_MS = 1_000;

/** `missed`: what happens while the replica does not hear of it any more. */
export function failover(missed: () => Promise<void>, keep: (held: AsyncDisposable) => void): Harm {
  let replica: RedisServer | undefined;
  return {
    name: 'failover to a replica that lags by 1 s',
    loses: true,
    // What is missed may take longer than that.
    lasts: 2 * LAG_MS,
    async prepare({ redis }) {
      const started = await startRedis({ aof: true, replicaOf: redis.port });
      keep(started);
      await eventually('the replica follows', async () =>
        /master_link_status:up/.test(await started.admin.info('replication')),
      );
      replica = started;
    },
    async strike({ redisFaults }, meanwhile) {
      if (!replica) throw new Error('there is no replica');
      await replica.admin.call('REPLICAOF', 'NO', 'ONE');
      await Promise.all([missed(), sleep(LAG_MS)]);
      redisFaults.retarget({ host: '127.0.0.1', port: replica.port });
      redisFaults.cut();
      const over = Date.now();
      await meanwhile();
      return over;
    },
  };
}
