import type { Cluster, Redis } from 'ioredis';
import type { Log } from '../../lib/log.ts';

/** What was seen of a client's health. */
export interface Seen {
  /** Why the last connection failed, if one did. */
  readonly lastError: Error | undefined;
}

/** Says once that something is lost, and once that it is back. */
class Health implements Seen {
  lastError: Error | undefined;
  readonly #log: Log;
  readonly #fields: object;
  #up = true;

  constructor(log: Log, fields: object = {}) {
    this.#log = log;
    this.#fields = fields;
  }

  down(error?: Error): void {
    this.lastError = error ?? this.lastError;
    if (!this.#up) return;
    this.#up = false;
    this.#log.warn({ ...this.#fields, err: error }, 'Redis is out of reach');
  }

  up(): void {
    if (this.#up) return;
    this.#up = true;
    this.#log.info(this.#fields, 'Redis is back');
  }
}

/** Without a listener an `error` event would be printed to the console. */
export function observeServer(client: Redis, log: Log): Seen {
  const health = new Health(log);
  client.on('error', (error: Error) => health.down(error));
  client.on('reconnecting', () => health.down());
  client.on('ready', () => health.up());
  return health;
}

export function observeCluster(client: Cluster, log: Log): Seen {
  const health = new Health(log);
  /** By address: a node that comes back is another client of the same address. Bounded by the size of the cluster. */
  const nodes = new Map<string, Health>();
  const of = (address: string): Health => {
    const known = nodes.get(address);
    if (known) return known;
    const fresh = new Health(log, { node: address });
    nodes.set(address, fresh);
    return fresh;
  };
  client.on('error', (error: Error) => health.down(error));
  client.on('reconnecting', () => health.down());
  client.on('ready', () => health.up());
  client.on('node error', (error: Error, address: string) => {
    health.lastError = error;
    of(address).down(error);
  });
  client.on('+node', (node: Redis) => {
    const address = `${node.options.host}:${node.options.port}`;
    node.on('ready', () => of(address).up());
  });
  return health;
}
