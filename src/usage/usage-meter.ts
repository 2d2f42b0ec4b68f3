import { RunError } from '../agent/agent-runner.ts';
import type { Meter, MeteredCall } from '../agent/meter.ts';
import type { LiveFile } from '../config/file/live.ts';
import { AppError } from '../errors.ts';
import type { Log } from '../lib/log.ts';
import type { Owner } from '../stream/owner.ts';
import { exceeded, isLimited, refusalDetails, type Exceeded } from './budget.ts';
import { costOf, dayOf, MICRO } from './pricing.ts';
import type { UsageStore } from './usage-store.ts';

/** Records that wait for their store; what comes beyond is lost, and said. */
const MAX_WAITING = 10_000;
/** Names of models without a price that are remembered, so that each is said once. */
const MAX_NAMED = 1_000;

const MESSAGE = 'The budget for today is used up.';

export interface UsageMetrics {
  used(call: { model: string; input: number; output: number; cost: number }): void;
}

export interface UsageMeterDeps {
  store: UsageStore;
  file: LiveFile;
  /** The store's clock, epoch ms. */
  now(): Promise<number>;
  metrics: UsageMetrics;
  log: Log;
}

/**
 * Counts what calls of models use, and knows who has nothing left. A record that can't be written at this moment waits
 * in memory, and is written before anybody is looked up, so an outage of the store opens no budget and ends no run.
 */
export class UsageMeter implements Meter, AsyncDisposable {
  readonly #deps: UsageMeterDeps;
  readonly #unpriced = new Set<string>();
  readonly #writing = new Set<Promise<void>>();
  #waiting: MeteredCall[] = [];
  #caughtUp: Promise<void> | undefined;

  constructor(deps: UsageMeterDeps) {
    this.#deps = deps;
  }

  /** Rejects with AppError BUDGET_EXCEEDED where the user has nothing left. */
  async admit(owner: Owner): Promise<void> {
    const over = await this.#over(owner);
    if (!over) return;
    const { currency } = this.#deps.file.current;
    throw new AppError('BUDGET_EXCEEDED', MESSAGE, {
      details: refusalDetails(over, { currency, resetsAt: over.resetsAt }),
      headers: { 'Retry-After': String(Math.ceil(over.resetsIn / 1_000)) },
    });
  }

  async check(owner: Owner): Promise<void> {
    if (await this.#over(owner)) throw new RunError('BUDGET_EXCEEDED', MESSAGE);
  }

  async used(call: MeteredCall): Promise<void> {
    const { inputTokens: input, outputTokens: output } = call.tokens;
    const cost = this.#price(call);
    this.#deps.metrics.used({ model: call.model, input, output, cost: cost / MICRO });
    const written = this.#write(call).finally(() => this.#writing.delete(written));
    this.#writing.add(written);
    await written;
  }

  /** Resolves when nothing is on its way any more; what the store still refuses is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#writing);
    try {
      await this.#catchUp();
    } catch (err) {
      this.#deps.log.error({ err, calls: this.#waiting.length }, 'usage is lost');
    }
  }

  async #over(
    owner: Owner,
  ): Promise<(Exceeded & { resetsAt: number; resetsIn: number }) | undefined> {
    const { store, file } = this.#deps;
    const { budget } = file.current;
    if (!isLimited(budget)) return undefined;
    await this.#catchUp();
    const now = await this.#deps.now();
    const { day, endsAt } = dayOf(now);
    const over = exceeded(budget, await store.of(owner, day));
    return over && { ...over, resetsAt: endsAt, resetsIn: endsAt - now };
  }

  async #write(call: MeteredCall): Promise<void> {
    try {
      await this.#add(call);
    } catch (err) {
      const { log } = this.#deps;
      if (this.#waiting.length < MAX_WAITING) {
        log.warn({ err }, 'usage is written later');
        this.#waiting.push(call);
      } else log.error({ err, key: call.key }, 'usage is lost');
    }
  }

  async #add(call: MeteredCall): Promise<void> {
    const { store } = this.#deps;
    const { day } = dayOf(await this.#deps.now());
    await store.add({ ...call, day, cost: this.#price(call) });
  }

  /** Rejects while the store is out of reach. */
  async #catchUp(): Promise<void> {
    if (this.#waiting.length === 0) return;
    this.#caughtUp ??= this.#writeWaiting().finally(() => {
      this.#caughtUp = undefined;
    });
    await this.#caughtUp;
  }

  async #writeWaiting(): Promise<void> {
    for (let [call] = this.#waiting; call; [call] = this.#waiting) {
      await this.#add(call);
      this.#waiting.shift();
    }
  }

  #price({ model, tokens }: MeteredCall): number {
    const { prices, budget } = this.#deps.file.current;
    const cost = costOf(prices, model, tokens);
    if (cost === undefined && budget.cost !== undefined) this.#sayUnpriced(model);
    return cost ?? 0;
  }

  #sayUnpriced(model: string): void {
    if (this.#unpriced.has(model) || this.#unpriced.size >= MAX_NAMED) return;
    this.#unpriced.add(model);
    this.#deps.log.warn({ model }, 'this model has no price: the budget does not count it');
  }
}
