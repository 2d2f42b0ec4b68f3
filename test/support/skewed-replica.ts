import { once } from 'node:events';
import { loadConfig } from '../../src/config/config.ts';
import { createContext } from '../../src/context.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createLoggers } from '../../src/logger.ts';
import { FaultProxy } from './fault-proxy.ts';
import { addressOf, atPort } from './mongo-service.ts';

/** A replica in this process whose clock is wrong, with proxies of its own before its stores. */
export interface SkewedReplica extends AsyncDisposable {
  baseUrl: string;
  /** Lines of level error. */
  errors: readonly string[];
  /** It loses its stores, as a machine that loses its network. */
  cutOff(): Promise<void>;
  reconnect(): Promise<void>;
}

export interface SkewOptions {
  /** How far its clock is ahead, ms. */
  skew: number;
  redisPort: number;
  mongoUri: string;
  env: Record<string, string>;
}

export async function startSkewed(options: SkewOptions): Promise<SkewedReplica> {
  const { skew, redisPort, mongoUri, env } = options;
  const redis = await FaultProxy.start({ host: '127.0.0.1', port: redisPort });
  const mongo = await FaultProxy.start(addressOf(mongoUri));
  const config = loadConfig({
    PROFILE: 'cluster',
    REDIS_URL: `redis://127.0.0.1:${redis.port}`,
    MONGODB_URI: atPort(mongoUri, mongo.port),
    REPLICA_ID: `skewed${skew}`,
    ...env,
  });
  const errors: string[] = [];
  const destination = { write: (line: string) => void errors.push(line) };
  const loggers = createLoggers({ level: 'error', replicaId: config.replicaId, destination });
  const clock = { ...systemClock, now: () => Date.now() + skew };
  const context = await createContext(config, { clock, loggers });
  const server = createHttpServer(context.app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.start();
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    errors,
    async cutOff() {
      await Promise.all([redis.down(), mongo.down()]);
    },
    async reconnect() {
      await Promise.all([redis.up(), mongo.up()]);
    },
    async [Symbol.asyncDispose]() {
      context.openStreams.destroyAll();
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      await context[Symbol.asyncDispose]();
      await Promise.all([redis.down(), mongo.down()]);
    },
  };
}
