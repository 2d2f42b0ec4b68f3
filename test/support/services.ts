import { describe, expect, test } from '@jest/globals';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { FairWatch } from './fair-watch.ts';
import { freePort } from './ports.ts';

/** Throw-away Redis servers: real processes on free ports, gone with the test. */

const READY_WITHIN = 20_000;

function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0;
}

/** A suite that needs Redis. Without one it is skipped, loudly; REQUIRE_SERVICES=1 makes it fail. */
export function describeRedis(name: string, fn: () => void): void {
  if (hasRedis()) {
    describe(`Redis: ${name}`, () => {
      fn();
    });
  } else if (process.env['REQUIRE_SERVICES'] === '1') {
    describe(`Redis: ${name}`, () => {
      test('has redis-server on its PATH: REQUIRE_SERVICES=1 wants it', () => {
        expect(hasRedis()).toBe(true);
      });
    });
  } else {
    process.stderr.write(`!!! no redis-server on the PATH: skipping ${name}\n`);
    // oxlint-disable-next-line jest/no-disabled-tests -- counted and named as skipped by the reporter
    describe.skip(`Redis: ${name}`, () => {
      fn();
    });
  }
}

/** Polls until `done` holds. `within`: of time in which this process got a processor, see FairWatch. */
export async function eventually(
  what: string,
  done: () => boolean | Promise<boolean>,
  within: number = READY_WITHIN,
): Promise<void> {
  const watch = new FairWatch();
  try {
    while (!(await done())) {
      if (watch.read() > within) throw new Error(`not within ${within} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  } finally {
    watch.stop();
  }
}

export interface RedisServerOptions {
  /** Keep every write in an append-only file. */
  aof?: boolean;
  /** e.g. `4mb`. */
  maxmemory?: string;
  /** Default noeviction. */
  policy?: string;
  /** Port of the primary of which it is a replica. */
  replicaOf?: number;
  /** More lines of its configuration. */
  config?: Record<string, string | number>;
}

export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #args: string[];
  readonly #dir: string;
  #process: ChildProcess | undefined;
  #admin: Redis | undefined;

  /** Use `startRedis`. */
  constructor(port: number, options: RedisServerOptions) {
    this.port = port;
    this.#dir = mkdtempSync(join(tmpdir(), 'holdfast-redis-'));
    this.#args = Object.entries({
      port,
      bind: '127.0.0.1',
      dir: this.#dir,
      save: '',
      appendonly: options.aof ? 'yes' : 'no',
      appendfsync: 'always',
      'maxmemory-policy': options.policy ?? 'noeviction',
      'repl-diskless-sync-delay': 0,
      ...(options.maxmemory === undefined ? {} : { maxmemory: options.maxmemory }),
      ...(options.replicaOf === undefined ? {} : { replicaof: `127.0.0.1 ${options.replicaOf}` }),
      ...options.config,
    }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Its own connection, for looking at it and doing it harm: not killed by `killClients`. */
  get admin(): Redis {
    if (!this.#admin) throw new Error('redis-server does not run');
    return this.#admin;
  }

  async start(): Promise<void> {
    const child = spawn('redis-server', this.#args, { stdio: 'ignore' });
    this.#process = child;
    const admin = new Redis(this.port, '127.0.0.1', {
      lazyConnect: true,
      retryStrategy: () => 10,
      maxRetriesPerRequest: null,
      connectionName: 'admin',
    });
    // Refused until the server listens, which the retry is for.
    admin.on('error', () => {});
    this.#admin = admin;
    const ended = once(child, 'exit').then(() => {
      throw new Error(`redis-server on ${this.port} ended`);
    });
    // Later on it may.
    ended.catch(() => {});
    // A command that waits for a connection would wait for ever.
    await eventually('redis-server answers', () => Promise.race([answers(admin), ended]));
  }

  /** SIGTERM: what is in the AOF is whole. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** It hangs, with all its sockets open. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  /** Cuts every connection but its own: how many. */
  async killClients(): Promise<number> {
    const lines = String(await this.admin.call('CLIENT', 'LIST')).split('\n');
    const ids = lines
      .filter((line) => line !== '' && !line.includes(' name=admin '))
      .map((line) => /^id=(\d+)/.exec(line)?.[1] ?? '');
    for (const id of ids) await this.admin.call('CLIENT', 'KILL', 'ID', id);
    return ids.length;
  }

  /** A number of INFO commandstats, 0 where the command was never called. */
  async calls(command: string): Promise<number> {
    const text = await this.admin.info('commandstats');
    return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(text)?.[1] ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.thaw();
    await this.#end('SIGKILL');
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#admin?.disconnect();
    this.#admin = undefined;
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }
}

async function answers(admin: Redis): Promise<boolean> {
  try {
    if (admin.status === 'wait') await admin.connect();
    return (await admin.ping()) === 'PONG';
  } catch {
    // Refused: it does not listen yet.
    return false;
  }
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = new RedisServer(await freePort(), options);
  try {
    await server.start();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

export interface RedisCluster extends AsyncDisposable {
  nodes: RedisServer[];
  /** Seeds. */
  url: string;
}

const SLOTS = 16_384;
const CLUSTER_NODE = { 'cluster-enabled': 'yes', 'cluster-node-timeout': 2_000 };

/** Three primaries without replicas. `config`: more lines of the configuration of each. */
export async function startRedisCluster(
  config: RedisServerOptions['config'] = {},
): Promise<RedisCluster> {
  const nodes = await Promise.all(
    [1, 2, 3].map(() => startRedis({ config: { ...CLUSTER_NODE, ...config } })),
  );
  const share = Math.ceil(SLOTS / nodes.length);
  for (const [index, { admin }] of nodes.entries()) {
    const end = Math.min((index + 1) * share, SLOTS) - 1;
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', index * share, end);
    // Only a node that knows no other one takes an epoch.
    await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
  }
  for (const { admin } of nodes) {
    for (const other of nodes) await admin.call('CLUSTER', 'MEET', '127.0.0.1', other.port);
  }
  await eventually('the cluster is whole', async () => {
    const states = await Promise.all(nodes.map(({ admin }) => admin.call('CLUSTER', 'INFO')));
    return states.every((state) => /cluster_state:ok[^]*cluster_known_nodes:3/.test(String(state)));
  });
  return {
    nodes,
    url: nodes.map(({ url }) => url).join(','),
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
    },
  };
}
