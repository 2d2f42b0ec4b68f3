import { loadConfig } from '../../src/config/config.ts';
import type { RawEnv } from '../../src/config/env.ts';
import { createContext } from '../../src/context.ts';
import { createHttpServer } from '../../src/http/server.ts';
import type { Log } from '../../src/lib/log.ts';
import { Releasers } from '../../src/lib/releasers.ts';
import { createLoggers, type Loggers } from '../../src/logger.ts';
import { isShape } from './shape.ts';

export interface TracedService {
  url: string;
  /** Stops as the process does, which sends what is left. */
  stop(): Promise<void>;
}

/** What the process itself says, not its requests or runs. */
function loggersTo(log: Log): Loggers {
  const write = (line: string): void => {
    const said: unknown = JSON.parse(line);
    if (!isShape(said) || said['name'] !== 'app') return;
    const level = said['level'] === 'error' || said['level'] === 'warn' ? said['level'] : 'info';
    log[level]({}, String(said['msg']));
  };
  return createLoggers({ level: 'info', replicaId: 'traced', destination: { write } });
}

/** The service in memory with the demo agent, traced as the environment says. */
export async function startTracedService(env: RawEnv, log: Log): Promise<TracedService> {
  const { MONGODB_URI: _ofTheTests, ...rest } = env;
  const config = loadConfig({ ...rest, PROFILE: 'memory' });
  const releasers = new Releasers();
  const context = await createContext(config, { loggers: loggersTo(log) });
  releasers.add(async () => context[Symbol.asyncDispose]());
  const server = createHttpServer(context.app);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  releasers.add(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  context.start();
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, stop: () => releasers.release() };
}
