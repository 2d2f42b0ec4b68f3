import { ALL_JOBS } from '../../src/store/redis/job-keys.ts';
import { logKeys } from '../../src/store/redis/keys.ts';
import {
  eventually,
  startRedis,
  startRedisCluster,
  type RedisCluster,
  type RedisServer,
} from './services.ts';

/** The others are sure after this that a node is dead; its replica takes over a second after that at most, ms. */
const NODE_TIMEOUT = 1_000;
const TAKEN_OVER_WITHIN = 20_000;

const CONFIG = {
  'cluster-node-timeout': NODE_TIMEOUT,
  // However long it heard nothing: what it does not have is what these tests are about.
  'cluster-replica-validity-factor': 0,
};

const roleOf = async ({ admin }: RedisServer): Promise<unknown> => {
  const role = await admin.call('ROLE');
  return Array.isArray(role) ? role[0] : undefined;
};

/** Three primaries; the one that has the records of jobs has a replica, with which it changes places. */
export class FailoverCluster implements AsyncDisposable {
  readonly #cluster: RedisCluster;
  #primary: RedisServer;
  #standby: RedisServer;
  #mend: (() => Promise<void>) | undefined;

  private constructor(cluster: RedisCluster, primary: RedisServer, standby: RedisServer) {
    this.#cluster = cluster;
    this.#primary = primary;
    this.#standby = standby;
  }

  static async start(): Promise<FailoverCluster> {
    const cluster = await startRedisCluster(CONFIG);
    const primary = await ownerOf(cluster.nodes, ALL_JOBS.queue);
    const standby = await startRedis({ config: { 'cluster-enabled': 'yes', ...CONFIG } });
    const failover = new FailoverCluster(cluster, primary, standby);
    await failover.#join();
    return failover;
  }

  /** Seeds: the primaries that stay, and the one that dies. */
  get url(): string {
    return this.#cluster.url;
  }

  /** The one that can fail. */
  get primary(): RedisServer {
    return this.#primary;
  }

  get standby(): RedisServer {
    return this.#standby;
  }

  /** Is the log in the slots of the one that can fail? */
  async isAtRisk(generationId: string): Promise<boolean> {
    const owner = await ownerOf([this.#primary, ...this.#steady()], logKeys(generationId).state);
    return owner === this.#primary;
  }

  /** From now on the replica hears nothing; what there was before this it has. */
  async cutReplication(): Promise<void> {
    const { written } = await this.#replication();
    await eventually('the replica has it', async () => (await this.#replication()).has >= written);
    // A password where none is asked for is refused, so it does not come back.
    await this.#standby.admin.config('SET', 'masterauth', 'nobody');
    await this.#primary.admin.call('CLIENT', 'KILL', 'TYPE', 'replica');
    await eventually('the replica is cut off', async () =>
      /master_link_status:down/.test(await this.#standby.admin.info('replication')),
    );
  }

  /** The replica asks for its place, and gets it without a loss. */
  async handOver(): Promise<void> {
    await this.#standby.admin.call('CLUSTER', 'FAILOVER');
  }

  /** The primary dies, or hangs with all its sockets open, until `rejoined`. */
  async strike(how: 'dies' | 'hangs'): Promise<void> {
    const struck = this.#primary;
    this.#mend = async () => (how === 'dies' ? struck.start() : struck.thaw());
    if (how === 'dies') await struck.kill();
    else struck.freeze();
  }

  /** Resolves once the replica has the slots, and all the others know it; they have changed places then. */
  async takenOver(): Promise<void> {
    const { port } = this.#standby;
    const nodes = [this.#standby, ...this.#steady()];
    await eventually(
      'the replica takes over',
      async () => {
        if ((await roleOf(this.#standby)) !== 'master') return false;
        const owners = await Promise.all(nodes.map((node) => portOf(node, ALL_JOBS.queue)));
        return owners.every((owner) => owner === port);
      },
      TAKEN_OVER_WITHIN,
    );
    [this.#primary, this.#standby] = [this.#standby, this.#primary];
  }

  /** The one that failed is there again, as the replica of the other, and has all it has. */
  async rejoined(): Promise<void> {
    await this.#mend?.();
    this.#mend = undefined;
    for (const { admin } of [this.#primary, this.#standby]) {
      await admin.config('SET', 'masterauth', '');
    }
    await eventually('the replica follows', () => this.#follows(), TAKEN_OVER_WITHIN);
  }

  async #join(): Promise<void> {
    const { admin } = this.#standby;
    const id = String(await this.#primary.admin.call('CLUSTER', 'MYID'));
    for (const { port } of this.#cluster.nodes) {
      await admin.call('CLUSTER', 'MEET', '127.0.0.1', port);
    }
    await eventually('it knows its primary', async () => {
      try {
        await admin.call('CLUSTER', 'REPLICATE', id);
        return true;
      } catch {
        // Unknown node
        return false;
      }
    });
    await eventually('the replica follows', () => this.#follows(), TAKEN_OVER_WITHIN);
    await eventually('all know it', async () => {
      const states = await Promise.all(
        this.#cluster.nodes.map((node) => node.admin.call('CLUSTER', 'REPLICAS', id)),
      );
      return states.every((replicas) => Array.isArray(replicas) && replicas.length === 1);
    });
  }

  async #follows(): Promise<boolean> {
    const { written, has } = await this.#replication();
    return has > 0 && has >= written;
  }

  /**
   * How far the primary has written, and the replica has said that it is. After a whole copy it is `online`, and its link
   * `up`, for as much as a second before it is sent anything.
   */
  async #replication(): Promise<{ written: number; has: number }> {
    const text = await this.#primary.admin.info('replication');
    const written = Number(/^master_repl_offset:(\d+)/m.exec(text)?.[1]);
    return { written, has: Number(/^slave0:.*state=online,offset=(\d+)/m.exec(text)?.[1] ?? 0) };
  }

  #steady(): RedisServer[] {
    const changing = [this.#primary, this.#standby];
    return this.#cluster.nodes.filter((node) => !changing.includes(node));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
    await Promise.all([this.#primary, this.#standby].map((node) => node[Symbol.asyncDispose]()));
  }
}

/** By what the first of them says. */
async function ownerOf(nodes: readonly RedisServer[], key: string): Promise<RedisServer> {
  const [first] = nodes;
  const port = first && (await portOf(first, key));
  const owner = nodes.find((node) => node.port === port);
  if (!owner) throw new Error(`nobody has ${key}`);
  return owner;
}

/** Port of the primary that has the slot of this key, as this node has it. */
async function portOf({ admin }: RedisServer, key: string): Promise<number | undefined> {
  const slot = Number(await admin.call('CLUSTER', 'KEYSLOT', key));
  const ranges = await admin.call('CLUSTER', 'SLOTS');
  if (!Array.isArray(ranges)) return undefined;
  for (const range of ranges) {
    const [from, to, primary]: unknown[] = Array.isArray(range) ? range : [];
    if (Number(from) > slot || Number(to) < slot) continue;
    return Array.isArray(primary) ? Number(primary[1]) : undefined;
  }
  return undefined;
}
