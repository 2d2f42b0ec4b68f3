import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { Log } from '../../lib/log.ts';
import { unavailable } from '../../errors.ts';
import { parseRedisUrl, type RedisAddress } from './address.ts';
import { asStoreError, RedisConfigError } from './errors.ts';
import { observeCluster, observeServer } from './observe.ts';
import { refreshSlots } from './slots-refresh.ts';
import { assertSuitable } from './suitable.ts';

/** How long a call may take before it is given up, ms: over all that the client does for it. */
const DEADLINE = 2_500;
/** How long the first connection and the look at the server may take, ms. */
const START_DEADLINE = 2_800;

const CONNECT_TIMEOUT = 1_000;
/** How long a socket that is closed politely may take, ms. */
const DISCONNECT_TIMEOUT = 200;
/** How long the client may take to say that it has ended, ms. */
const CLOSE_TIMEOUT = 2_000;
/** A socket on which an answer is due for so long is thrown away: a server that hangs gives no error. */
const SOCKET_TIMEOUT = 2_500;

/** Tries again quickly, with jitter, for as long as it takes. */
const retryStrategy = (times: number): number => Math.min(50 * times, 400) + Math.random() * 50;

/**
 * No auto pipelining: measured, it costs more CPU than it saves and lets commands wait for each other.
 *
 * A command whose connection broke is not sent again: it may have been carried out, and the caller knows what a repeat
 * would do. A command that finds no connection waits for the next one, and fails with it.
 */
const LIMITS = {
  connectTimeout: CONNECT_TIMEOUT,
  disconnectTimeout: DISCONNECT_TIMEOUT,
  socketTimeout: SOCKET_TIMEOUT,
  keepAlive: 10_000,
  noDelay: true,
  // 0, or commands that were under way would never be settled.
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  // The server that was asked is a replica (now): where the name leads to after a failover is the primary.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  connectionName: 'holdfast',
} satisfies RedisOptions;

export interface RedisConnectOptions {
  /** One `redis://` or `rediss://` URL, or several with commas between them: seeds of a cluster. */
  url: string;
  log: Log;
  /** How often a cluster is asked who has which slots, ms. */
  slotsRefreshMs?: number;
}

/** One client for everything that is kept in Redis. Every key is `hf:` and what follows, see keys.ts. */
export class RedisConnection {
  readonly #client: Redis | Cluster;
  readonly #log: Log;
  readonly #slots: Disposable | undefined;
  #gathering = false;
  #closed = false;

  /** Use `connectRedis`. */
  constructor(client: Redis | Cluster, { log, slotsRefreshMs }: Omit<RedisConnectOptions, 'url'>) {
    this.#client = client;
    this.#log = log;
    this.#slots = client instanceof Cluster ? refreshSlots(client, slotsRefreshMs) : undefined;
  }

  get log(): Log {
    return this.#log;
  }

  /**
   * Every call to the server: it ends within `deadline` ms, and throws `unavailable` where the server is out of reach.
   * What was sent may take effect even so, now or when the server goes on.
   */
  async run<T>(
    work: (client: Redis | Cluster) => Promise<T>,
    deadline: number = DEADLINE,
  ): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(unavailable(new Error(`Redis did not answer within ${deadline} ms`)));
      }, deadline);
    });
    this.#gather();
    try {
      return await Promise.race([work(this.#client), late]);
    } catch (error) {
      throw asStoreError(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Like `run`, but for a message that may be lost: nobody waits for it, so it has no deadline. */
  async publish(channel: string, message: string): Promise<void> {
    this.#gather();
    try {
      await this.#client.publish(channel, message);
    } catch (error) {
      throw asStoreError(error);
    }
  }

  /**
   * All commands of one turn of the loop go out in one write: the flush of many logs is one system call here and one
   * there, and so are the answers.
   */
  #gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    const sockets = this.#primaries().map((node) => node.stream);
    // A node that never connected has none.
    for (const socket of sockets) socket?.cork();
    process.nextTick(() => {
      this.#gathering = false;
      for (const socket of sockets) socket?.uncork();
    });
  }

  #primaries(): Redis[] {
    return this.#client instanceof Cluster ? this.#client.nodes('master') : [this.#client];
  }

  /** Rejects if the server, or any primary of the cluster, can't be used. */
  async ping(): Promise<void> {
    await this.run(async () => {
      const nodes = this.#primaries();
      if (nodes.length === 0) throw unavailable(new Error('no primary is known'));
      await Promise.all(nodes.map((node) => node.ping()));
    });
  }

  /**
   * A new connection by this name, not connected yet; undefined: no server is known at the moment. It does not connect
   * again by itself: after its `end` ask for another one, which may lead to another node.
   */
  line(connectionName: string): Redis | undefined {
    if (this.#closed) return undefined;
    const nodes = this.#primaries();
    const node = nodes[Math.floor(Math.random() * nodes.length)];
    return node?.duplicate({
      retryStrategy: null,
      lazyConnect: true,
      autoResubscribe: false,
      enableOfflineQueue: false,
      connectionName,
    });
  }

  /** Closes every socket and stops every timer. Calls that are under way fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#slots?.[Symbol.dispose]();
    await close(this.#client);
  }
}

/** Connects, and looks whether the servers will do. Throws RedisConfigError where they won't, or nobody answers. */
export async function connectRedis(options: RedisConnectOptions): Promise<RedisConnection> {
  const { url, log } = options;
  const address = parseRedisUrl(url);
  const client = address.nodes.length > 1 ? clusterOf(address) : serverOf(address);
  const seen = client instanceof Cluster ? observeCluster(client, log) : observeServer(client, log);
  const redis = new RedisConnection(client, options);
  try {
    await redis.run(async () => {
      await client.connect();
      await assertSuitable(client instanceof Cluster ? client.nodes('all') : [client], log);
    }, START_DEADLINE);
    return redis;
  } catch (error) {
    await redis[Symbol.asyncDispose]();
    if (error instanceof RedisConfigError) throw error;
    const cause = seen.lastError ?? error;
    const where = address.nodes.map(({ host, port }) => `${host}:${port}`).join(', ');
    const why = cause instanceof Error ? reasonOf(cause) : 'no answer';
    throw new RedisConfigError(`Redis at ${where} can't be used: ${why}.`, { cause });
  }
}

/** The innermost reason: what stands around it says only that something failed. */
function reasonOf(error: Error): string {
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return (error.message || error.name).replace(/\.$/, '');
}

function serverOf({ nodes, tls, ...login }: RedisAddress): Redis {
  return new Redis({
    ...LIMITS,
    ...nodes[0],
    ...credentials(login),
    ...(tls ? { tls: {} } : {}),
    db: login.db,
    retryStrategy,
    lazyConnect: true,
  });
}

function clusterOf({ nodes, tls, ...login }: RedisAddress): Cluster {
  return new Cluster(nodes, {
    clusterRetryStrategy: retryStrategy,
    // 0: a command whose connection broke fails, see above.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 100,
    slotsRefreshTimeout: CONNECT_TIMEOUT,
    // See slots-refresh.ts.
    slotsRefreshInterval: 0,
    maxRedirections: 8,
    lazyConnect: true,
    redisOptions: { ...LIMITS, ...credentials(login), ...(tls ? { tls: {} } : {}) },
  });
}

function credentials({ username, password }: Pick<RedisAddress, 'username' | 'password'>) {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

/** Resolves when no socket is left, or the client has not said so for a while: it may have lost its last node before. */
async function close(client: Redis | Cluster): Promise<void> {
  // Between two attempts, or before the first one, there is none, and nothing would tell of its end.
  const idle = ['end', 'wait', 'reconnecting', 'close'].includes(client.status);
  let patience: NodeJS.Timeout | undefined;
  const ended = new Promise<void>((resolve) => {
    if (idle) return resolve();
    client.once('end', () => resolve());
    patience = setTimeout(resolve, CLOSE_TIMEOUT);
  });
  client.disconnect();
  await ended;
  clearTimeout(patience);
}
