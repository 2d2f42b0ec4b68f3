import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { OperatorError } from './lib/operator-error.ts';
import { openService, type Service, type ServiceOptions } from './service.ts';

/** The service as a program of its own: it greets, and goes when told. */

/** LangGraph has a listener on one signal for each call that runs at once: Node takes more than ten for a leak. */
const LISTENERS = 1_000;

/** After the grace time and this many ms more, a shutdown that hangs is cut short. */
const WATCHDOG_MS = 10_000;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Something that an operator can mend: said in a sentence, without a stack. */
function giveUp(error: unknown): never {
  const known = error instanceof OperatorError || (error instanceof Error && 'code' in error);
  const text = error instanceof Error ? (known ? error.message : error.stack) : String(error);
  process.stderr.write(`Holdfast can't start. ${text}\n`);
  // oxlint-disable-next-line unicorn/no-process-exit -- nothing was started that would need to be let go of
  process.exit(1);
}

function greet(url: string): void {
  const json = "-H 'Content-Type: application/json'";
  const message = `{"text":"say 100 50 word","messageId":"try-${randomBytes(3).toString('hex')}"}`;
  say(`
Holdfast listens on ${url}   (docs: ${url}/docs)
Open that in a browser: a page to watch answers, cut the line, and approve.

Start an answer and watch it. Cut it with Ctrl-C and run the line again: you are back in the same answer.
  curl -sN ${url}/api/chat ${json} -H 'Accept: text/event-stream' -d '${message}'

What runs now, and how far it is:
  curl -s ${url}/api/chat/active

Stop it (the partial answer is kept):
  curl -s ${url}/api/chat/abort ${json} -d "{\\"generationId\\":\\"$(curl -s ${url}/api/chat/active | grep -o 'gen_[0-9a-z]*' | head -n 1)\\"}"
`);
}

function onSignals(service: Service): void {
  const { log } = service;
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
    }, service.config.drainGraceMs + WATCHDOG_MS).unref();
    service.close().then(
      () => log.info({}, 'bye'),
      (err: unknown) => {
        log.error({ err }, 'shutdown failed');
        process.exitCode = 1;
      },
    );
  };
  process.on('SIGHUP', () => void service.reload());
  process.on('SIGTERM', go);
  process.on('SIGINT', go);
}

/**
 * Runs Holdfast until SIGTERM or SIGINT, as `npm start` does. Where it can't start, it says why on stderr and the
 * process exits with 1.
 */
export async function runHoldfast(options: ServiceOptions = {}): Promise<void> {
  setMaxListeners(LISTENERS);
  try {
    const service = await openService(options);
    // A stray promise of a library must not take everybody's answers with it; somebody must look, though.
    process.on('unhandledRejection', (err) => service.log.error({ err }, 'unhandled rejection'));
    onSignals(service);
    greet(service.url);
  } catch (error) {
    giveUp(error);
  }
}
