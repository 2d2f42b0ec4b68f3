import { systemClock } from '../../src/lib/clock.ts';
import type { Log } from '../../src/lib/log.ts';
import {
  connectRedis,
  createRedisEventTransport,
  type RedisConnection,
} from '../../src/store/redis/index.ts';
import type { EventTransport, LogNews, LogWatch } from '../../src/stream/event-transport.ts';
import { eventually } from './services.ts';

export const silent: Log = { info() {}, warn() {}, error() {} };

/** Remembers what was said. */
export class Said implements Log {
  readonly lines: { level: string; fields: object; message: string }[] = [];

  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', fields, message });
  }

  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', fields, message });
  }

  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', fields, message });
  }
}

export const EXPIRY = { open: 3_600_000, closed: 60_000 };

/** Another replica: connection and transport of its own. */
export interface Replica extends AsyncDisposable {
  redis: RedisConnection;
  log: EventTransport;
}

export async function replicaOn(
  url: string,
  { pollMs = 200, log = silent }: { pollMs?: number; log?: Log } = {},
): Promise<Replica> {
  const redis = await connectRedis({ url, log });
  return {
    redis,
    log: createRedisEventTransport({ redis, clock: systemClock, expiry: EXPIRY, pollMs }),
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  };
}

/** A listener that keeps what it was told. */
export class Ear {
  readonly told: { id: string; news: LogNews | undefined }[] = [];
  readonly watch: LogWatch;

  constructor(log: EventTransport) {
    this.watch = log.watch((id, news) => this.told.push({ id, news }));
  }

  /** Sequences that came without a reading. */
  get seqs(): number[] {
    return this.told.flatMap(({ news }) => news?.events.map(({ seq }) => seq) ?? []);
  }

  /** How often it was told to read for itself. */
  get bare(): number {
    return this.told.filter(({ news }) => !news).length;
  }

  until(what: string, done: (ear: this) => boolean): Promise<void> {
    return eventually(what, () => done(this));
  }

  async close(): Promise<void> {
    await this.watch[Symbol.asyncDispose]();
  }
}
