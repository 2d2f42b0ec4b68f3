import type { Clock, Timer } from '../lib/clock.ts';
import type { Ids } from '../lib/ids.ts';
import type { Log } from '../lib/log.ts';
import type { Outbox, OutboxItem } from './approval-store.ts';
import { backoff, MAX_ATTEMPTS, webhookMessage } from './webhook-message.ts';

export interface WebhookDeps {
  outbox: Outbox;
  clock: Clock;
  ids: Pick<Ids, 'random'>;
  url: string;
  secret: string;
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  log: Log;
  /** The time by which items are due, epoch ms. */
  now: () => Promise<number>;
}

const MAX_IN_FLIGHT = 4;
const TIMEOUT_MS = 10_000;
const SCAN_INTERVAL_MS = 5_000;
/** Who claims an item and dies has it sent by another one after so many ms. */
const CLAIM_MS = 30_000;

/** Where no webhooks are wanted: nothing is kept, nothing is ever due. */
export const NO_OUTBOX: Outbox = {
  async put() {},
  async due() {
    return [];
  },
  async delivered() {},
  async failed() {},
  async claim() {
    return false;
  },
  async givenUp() {},
};

/**
 * Delivers the outbox, at least once each: what was under way when the process died is sent again under the same id.
 * Of many replicas one claims an item.
 * Items are told to the store one by one, in no promised order, a few at a time.
 */
export class WebhookDispatcher implements AsyncDisposable {
  readonly #deps: WebhookDeps;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  #timer: Timer | undefined;
  #pass: Promise<void> | undefined;
  #again = false;

  constructor(deps: WebhookDeps) {
    this.#deps = deps;
  }

  /** The first look is at once: the process before may have left something. */
  start(): void {
    this.poke();
    // Jitter of a fifth, so that replicas do not look in step.
    const wait = SCAN_INTERVAL_MS * (0.9 + 0.2 * this.#deps.ids.random());
    this.#timer = this.#deps.clock.after(wait, () => this.start());
  }

  /** There may be something to deliver. */
  poke(): void {
    if (this.#stop.signal.aborted) return;
    this.#again = true;
    this.#pass ??= this.#look().finally(() => {
      this.#pass = undefined;
      // Somebody poked after the last look.
      if (this.#again && this.#underWay.size < MAX_IN_FLIGHT) this.poke();
    });
  }

  /** Stops what is under way; it is due again at once, and the attempt does not count. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel();
    this.#stop.abort();
    await this.#pass;
    await Promise.all(this.#underWay.values());
  }

  /** Never rejects: what fails is found again. */
  async #look(): Promise<void> {
    try {
      while (this.#again && this.#underWay.size < MAX_IN_FLIGHT) {
        this.#again = false;
        await this.#beginDue();
      }
    } catch (error) {
      this.#deps.log.error({ err: error }, 'webhooks could not be read');
    }
  }

  async #beginDue(): Promise<void> {
    const { outbox, now } = this.#deps;
    // Those under way are due as well.
    const at = await now();
    const due = await outbox.due(at, MAX_IN_FLIGHT);
    const fresh = due.filter(({ id }) => !this.#underWay.has(id));
    const until = at + CLAIM_MS;
    for (const item of fresh.slice(0, MAX_IN_FLIGHT - this.#underWay.size)) {
      if (this.#stop.signal.aborted) return;
      if (await outbox.claim(item, until)) this.#begin({ ...item, nextAt: until });
    }
  }

  #begin(item: OutboxItem): void {
    this.#underWay.set(item.id, this.#see(item));
  }

  async #see(item: OutboxItem): Promise<void> {
    const settled = await this.#handle(item);
    this.#underWay.delete(item.id);
    // What could not be noted is due still, and waits for the timer: sending it again at once would not end.
    if (settled) this.poke();
  }

  /** Whether the outbox knows how it went. */
  async #handle(item: OutboxItem): Promise<boolean> {
    try {
      const fault = await this.#send(item);
      if (fault === undefined) await this.#deps.outbox.delivered(item.id);
      else if (this.#stop.signal.aborted) return await this.#giveBack(item);
      else await this.#failed(item, fault);
      return true;
    } catch (error) {
      this.#deps.log.error({ err: error, webhook: item.id }, 'a webhook could not be noted');
      return false;
    }
  }

  async #giveBack(item: OutboxItem): Promise<boolean> {
    await this.#deps.outbox.claim(item, item.createdAt);
    return false;
  }

  /** Undefined: delivered. Else what went wrong, without anything of the receiver's answer. */
  async #send(item: OutboxItem): Promise<string | undefined> {
    const { clock, url, secret, now, fetch } = this.#deps;
    const { headers, body } = webhookMessage(item, { secret, now: await now() });
    const timeout = new AbortController();
    const timer = clock.after(TIMEOUT_MS, () => timeout.abort());
    const signal = AbortSignal.any([timeout.signal, this.#stop.signal]);
    try {
      // A redirect could lead anywhere, with a signed message: it is a failure like any other status.
      const init = { method: 'POST', headers, body, redirect: 'manual', signal } as const;
      const response = await fetch(url, init);
      // What it says is of no use; that it answered is known already.
      await response.body?.cancel().catch(() => undefined);
      return response.ok ? undefined : `status ${response.status}`;
    } catch (error) {
      return timeout.signal.aborted ? 'timeout' : reasonOf(error);
    } finally {
      timer.cancel();
    }
  }

  async #failed({ id, attempts }: OutboxItem, fault: string): Promise<void> {
    const { outbox, ids, log, now } = this.#deps;
    const attempt = attempts + 1;
    if (attempt >= MAX_ATTEMPTS) {
      await outbox.givenUp(id);
      log.error({ webhook: id, attempt, fault }, 'a webhook was given up');
      return;
    }
    await outbox.failed(id, (await now()) + backoff(attempt, ids.random()));
    log.warn({ webhook: id, attempt, fault }, 'a webhook was not delivered');
  }
}

/** The code of a network error alone: messages may hold the URL, and that a token. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'network error';
}
