import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Logger } from 'pino';
import type { OwnAgent } from './agent/own-graph.ts';
import type { ToolDefinition } from './agent/tools.ts';
import { loadConfig, type Config } from './config/config.ts';
import { processEnv, type RawEnv } from './config/env.ts';
import type { ContentHook } from './content/hooks.ts';
import { createContext, type Context } from './context.ts';
import { createHttpServer } from './http/server.ts';
import { openConfigFile, reloader } from './live-config.ts';

/** Requests that are under way when the last run has left get this long, ms. */
const LAST_ANSWERS_MS = 3_000;

export interface ServiceOptions {
  /**
   * In place of the built-in agents, beside those of the configuration file; where that names none, the first is the one
   * that answers where a client names none.
   */
  agents?: readonly OwnAgent[];
  /** For agents of the configuration file, which name them. */
  tools?: readonly ToolDefinition[];
  /** Asked of every text that a user writes, after the checks of the file (docs/AGENTS.md section 8). */
  content?: readonly ContentHook[];
  /** The configuration (README.md); `process.env` where not given. */
  env?: RawEnv;
}

export interface Service {
  /** Where it listens, e.g. `http://127.0.0.1:3000`. */
  readonly url: string;
  readonly config: Readonly<Config>;
  readonly log: Logger;
  /**
   * Reads the configuration file again. What is wrong with it is logged, and the one before stays in force. Never
   * rejects; true: the new one is in force.
   */
  reload(): Promise<boolean>;
  /**
   * Takes no more work, and resolves when everything is let go of. Readers are cut, never ended; runs stop at a step
   * boundary, or are handed over after the grace time: another process, or this one after its restart, goes on.
   */
  close(): Promise<void>;
}

async function listen(server: Server, { port, host }: Config['server']): Promise<string> {
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  const actual = typeof address === 'object' && address ? address.port : port;
  return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`;
}

/** Takes no more connections; what was asked is answered before the stores close, or cut. */
async function lastAnswers(server: Server): Promise<void> {
  const over = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const late = setTimeout(() => server.closeAllConnections(), LAST_ANSWERS_MS);
  await over;
  clearTimeout(late);
}

/** Not ready first; then whatever `Service.close` says. */
async function shutDown(
  context: Context,
  { server, grace }: { server: Server; grace: number },
): Promise<void> {
  const { core, openStreams } = context;
  core.beginDrain();
  openStreams.destroyAll();
  await core.drained(grace);
  openStreams.destroyAll();
  await lastAnswers(server);
  await context[Symbol.asyncDispose]();
}

/** Reads the configuration, builds the service and listens. Rejects with a sentence for the operator. */
export async function openService(options: ServiceOptions): Promise<Service> {
  const { agents, tools, content, env: given } = options;
  const env = given ?? processEnv();
  const config = loadConfig(env);
  const file = openConfigFile(config, { env, agents, tools });
  file.use(await file.read());
  const context = await createContext(config, {
    file,
    env,
    ...(agents && { agents }),
    ...(tools && { tools }),
    ...(content && { content }),
  });
  const log = context.loggers.app;
  const server = createHttpServer(context.app);
  let url: string;
  try {
    url = await listen(server, config.server);
  } catch (error) {
    await context[Symbol.asyncDispose]();
    throw error;
  }
  context.start();
  log.info({ url, profile: config.profile }, 'ready');
  const reload = reloader(context, file);
  let closed: Promise<void> | undefined;
  return {
    url,
    config,
    log,
    reload,
    close: () => (closed ??= shutDown(context, { server, grace: config.drainGraceMs })),
  };
}
