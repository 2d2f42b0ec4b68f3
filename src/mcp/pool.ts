import type { McpServerEntry } from '../config/file/schema.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { hashOf } from '../lib/json.ts';
import type { Log } from '../lib/log.ts';
import type { Owner } from '../stream/owner.ts';
import { McpConnection } from './connection.ts';
import type { McpMetrics } from './metrics.ts';
import { isPersonal, openTransport } from './open-transport.ts';

export interface PoolDeps {
  /** Of the file as it is now, by name. */
  servers: () => Readonly<Record<string, McpServerEntry>>;
  env: (name: string) => string | undefined;
  clock: Clock;
  log: Log;
  metrics: McpMetrics;
}

/** How often connections are looked through. */
const SWEEP = 60_000;
/** A user's own connection that nobody needs for so long is closed. */
const IDLE = 5 * 60_000;
const MOST_PERSONAL = 200;

interface Held {
  server: string;
  personal: boolean;
  connection: McpConnection;
}

/** The connections of this process: one for each server, and for each user where its headers name the user. */
export class McpPool implements AsyncDisposable {
  readonly #deps: PoolDeps;
  /** In the order of their last use. */
  readonly #held = new Map<string, Held>();
  readonly #closing = new Set<Promise<void>>();
  #sweep: Timer | undefined;
  #closed = false;

  constructor(deps: PoolDeps) {
    this.#deps = deps;
  }

  /** Undefined: there is no such server, or too many users need theirs at once. */
  connection(server: string, owner: Owner): McpConnection | undefined {
    const entry = this.entry(server);
    if (!entry || this.#closed) return undefined;
    const personal = isPersonal(entry);
    const key = JSON.stringify(personal ? [server, owner.tenantId, owner.userId] : [server]);
    const found = this.#held.get(key);
    if (found && isSame(found.connection.entry, entry)) {
      this.#held.delete(key);
      this.#held.set(key, found);
      return found.connection;
    }
    if (found) this.#letGo(key, found);
    if (personal && !this.#makeRoom()) return undefined;
    const { clock, log, metrics, env } = this.#deps;
    const open = () => openTransport(entry, { owner, env });
    const connection = new McpConnection({ server, entry, open, clock, log, metrics });
    this.#held.set(key, { server, personal, connection });
    this.#sweep ??= clock.after(SWEEP, () => this.#look());
    return connection;
  }

  entry(server: string): McpServerEntry | undefined {
    const servers = this.#deps.servers();
    return Object.hasOwn(servers, server) ? servers[server] : undefined;
  }

  /** Closes what is not in the file any more, or is there in another form, and what nobody needs. */
  tidy(): void {
    for (const [key, held] of this.#held) {
      const entry = this.entry(held.server);
      const idle = held.personal && held.connection.idleFor >= IDLE;
      if (!entry) this.#deps.metrics.gone(held.server);
      if (!entry || idle || !isSame(held.connection.entry, entry)) this.#letGo(key, held);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#sweep?.cancel();
    const open = [...this.#held.values()].map(({ connection }) => connection.close());
    this.#held.clear();
    await Promise.allSettled([...open, ...this.#closing]);
  }

  #look(): void {
    this.tidy();
    this.#sweep =
      this.#held.size > 0 ? this.#deps.clock.after(SWEEP, () => this.#look()) : undefined;
  }

  /** Of the connections of users the one that was not needed for longest goes. */
  #makeRoom(): boolean {
    const personal = [...this.#held].filter(([, held]) => held.personal);
    if (personal.length < MOST_PERSONAL) return true;
    const free = personal.find(([, { connection }]) => !connection.busy);
    if (free) this.#letGo(...free);
    return free !== undefined;
  }

  #letGo(key: string, { server, connection }: Held): void {
    this.#held.delete(key);
    const closing = connection
      .retire()
      .catch((err: unknown) => this.#deps.log.warn({ server, err }, 'MCP server was not left'))
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

function isSame(a: McpServerEntry, b: McpServerEntry): boolean {
  return a === b || hashOf(a) === hashOf(b);
}
