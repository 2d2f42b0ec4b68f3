import type { Clock, Timer } from '../lib/clock.ts';

export interface LeaseKeeperDeps {
  clock: Clock;
  /** Length of a lease, ms. */
  ttl: number;
  /** Writes a heartbeat; false: the lease is no longer ours. */
  renew(): Promise<boolean>;
  /** The driver must stop: at most once. */
  lost(): void;
}

/**
 * Renews a driver's lease four times per length. If that is refused, or nothing came through for three fifths of it,
 * the driver is told to stop well before anybody may take over (T3).
 */
export class LeaseKeeper implements Disposable {
  readonly #deps: LeaseKeeperDeps;
  #renewal: Timer | undefined;
  #deadline: Timer | undefined;
  #over = false;

  constructor(deps: LeaseKeeperDeps) {
    this.#deps = deps;
    this.#renewed();
    this.#plan();
  }

  [Symbol.dispose](): void {
    this.#over = true;
    this.#renewal?.cancel();
    this.#deadline?.cancel();
  }

  #plan(): void {
    this.#renewal = this.#deps.clock.after(this.#deps.ttl / 4, () => void this.#renew());
  }

  #renewed(): void {
    this.#deadline?.cancel();
    this.#deadline = this.#deps.clock.after(this.#deps.ttl * 0.6, () => this.#lose());
  }

  async #renew(): Promise<void> {
    const outcome = await this.#deps.renew().then(
      (kept) => (kept ? 'kept' : 'refused'),
      // The store is out of reach: the deadline decides.
      () => 'unknown',
    );
    if (this.#over) return;
    if (outcome === 'refused') return this.#lose();
    if (outcome === 'kept') this.#renewed();
    this.#plan();
  }

  #lose(): void {
    if (this.#over) return;
    this[Symbol.dispose]();
    this.#deps.lost();
  }
}
