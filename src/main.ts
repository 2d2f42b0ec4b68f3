import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { ConfigError, loadConfig, type Config } from './config/config.ts';
import { createContext, type Context } from './context.ts';
import { createHttpServer } from './http/server.ts';
import { MongoConfigError } from './store/mongo/index.ts';
import { RedisConfigError } from './store/redis/index.ts';
import { DatabaseInUseError, DatabaseTooNewError } from './store/sqlite/index.ts';

/** Reads the environment, builds the service, listens, and goes when told. */

/** After the grace time and this many ms more, a shutdown that hangs is cut short. */
const WATCHDOG_MS = 10_000;

/** Requests that are under way when the last run has left get this long, ms. */
const LAST_ANSWERS_MS = 3_000;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const MENDABLE = [
  ConfigError,
  DatabaseInUseError,
  DatabaseTooNewError,
  MongoConfigError,
  RedisConfigError,
];

/** Something that an operator can mend: said in a sentence, without a stack. */
function giveUp(error: unknown): never {
  const known =
    MENDABLE.some((kind) => error instanceof kind) || (error instanceof Error && 'code' in error);
  const text = error instanceof Error ? (known ? error.message : error.stack) : String(error);
  process.stderr.write(`Holdfast can't start. ${text}\n`);
  // oxlint-disable-next-line unicorn/no-process-exit -- nothing was started that would need to be let go of
  process.exit(1);
}

async function listen(server: Server, { port, host }: Config['server']): Promise<string> {
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  const actual = typeof address === 'object' && address ? address.port : port;
  return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`;
}

function greet(url: string): void {
  const json = "-H 'Content-Type: application/json'";
  const message = `{"text":"say 100 50 word","messageId":"try-${randomBytes(3).toString('hex')}"}`;
  say(`
Holdfast listens on ${url}   (docs: ${url}/docs)

Start an answer and watch it. Cut it with Ctrl-C and run the line again: you are back in the same answer.
  curl -sN ${url}/api/chat ${json} -H 'Accept: text/event-stream' -d '${message}'

What runs now, and how far it is:
  curl -s ${url}/api/chat/active

Stop it (the partial answer is kept):
  curl -s ${url}/api/chat/abort ${json} -d "{\\"generationId\\":\\"$(curl -s ${url}/api/chat/active | grep -o 'gen_[0-9a-z]*' | head -n 1)\\"}"
`);
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

/** Not ready first; readers are cut, never ended; runs stop at a step boundary, or are handed over after the grace time. */
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

function onSignals(context: Context, { server, grace }: { server: Server; grace: number }): void {
  const log = context.loggers.app;
  let going = false;
  const go = (signal: NodeJS.Signals): void => {
    if (going) {
      log.warn({ signal }, 'forced');
      // oxlint-disable-next-line unicorn/no-process-exit -- a second signal means now
      process.exit(1);
    }
    going = true;
    log.info({ signal }, 'shutting down');
    setTimeout(() => {
      log.error({}, 'shutdown hangs');
      // oxlint-disable-next-line unicorn/no-process-exit -- the watchdog of a shutdown that hangs
      process.exit(1);
    }, grace + WATCHDOG_MS).unref();
    shutDown(context, { server, grace }).then(
      () => log.info({}, 'bye'),
      (err: unknown) => {
        log.error({ err }, 'shutdown failed');
        process.exitCode = 1;
      },
    );
  };
  process.on('SIGTERM', go);
  process.on('SIGINT', go);
}

async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const context = await createContext(config);
  const log = context.loggers.app;
  // A stray promise of a library must not take everybody's answers with it; somebody must look, though.
  process.on('unhandledRejection', (err) => log.error({ err }, 'unhandled rejection'));
  const server = createHttpServer(context.app);
  const url = await listen(server, config.server);
  onSignals(context, { server, grace: config.drainGraceMs });
  context.start();
  log.info({ url, profile: config.profile }, 'ready');
  greet(url);
}

main().catch(giveUp);
