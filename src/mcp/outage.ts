import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { McpMetrics } from './metrics.ts';

const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;
/** A connection that lasted so long was a good one. */
const GOOD_AFTER = 60_000;

/** When a server may be tried again, and what the operator hears of it: one line for each outage, not for each call. */
export class Outage {
  readonly #deps: { server: string; clock: Clock; log: Log; metrics: McpMetrics };
  #failures = 0;
  #told = false;
  #retryAt = 0;
  #openedAt = 0;

  constructor(deps: { server: string; clock: Clock; log: Log; metrics: McpMetrics }) {
    this.#deps = deps;
  }

  /** Milliseconds until it may be. */
  get pause(): number {
    return Math.max(0, this.#retryAt - this.#deps.clock.now());
  }

  opened(): void {
    const { clock, metrics, server } = this.#deps;
    this.#openedAt = clock.now();
    metrics.connected(server, 'ok');
    metrics.up(server, true);
  }

  /** It could not be reached. `words`: what its process said. */
  failed(err: unknown, words: string): void {
    const { metrics, server } = this.#deps;
    metrics.connected(server, 'failed');
    metrics.up(server, false);
    this.#fail({ err, ...(words === '' ? {} : { words }) }, 'MCP server can not be reached');
  }

  /** A connection that was there is not any more. */
  ended(): void {
    const { clock } = this.#deps;
    if (clock.now() - this.#openedAt >= GOOD_AFTER) this.over();
    this.#fail({}, 'connection to the MCP server ended');
    // A server that was killed is there again soon, mostly; one that dies at once is not tried in a loop.
    if (this.#failures === 1) this.#retryAt = 0;
  }

  /** It works. */
  over(): void {
    if (this.#told) this.#deps.log.info({ server: this.#deps.server }, 'MCP server is back');
    this.#told = false;
    this.#failures = 0;
  }

  #fail(fields: object, message: string): void {
    const { clock, log, server } = this.#deps;
    this.#failures += 1;
    this.#retryAt = clock.now() + Math.min(FIRST_PAUSE * 2 ** (this.#failures - 1), LONGEST_PAUSE);
    if (!this.#told) log.warn({ server, ...fields }, message);
    this.#told = true;
  }
}
