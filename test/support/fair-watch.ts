const TICK_MS = 10;
/** A turn that takes longer was kept waiting by the machine, or by its own work, which a bound on waiting is not about. */
const LONGEST_MS = 25;

/**
 * A stopwatch for bounds on how long something waits: it goes slower where this process gets no processor, so that a
 * busy machine fails no test, and a wait that is really too long still does. In milliseconds.
 */
export class FairWatch {
  #elapsed = 0;
  #last = performance.now();
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** What it shows; it goes on. */
  read(): number {
    this.#tick();
    return this.#elapsed;
  }

  /** Once: what it shows. */
  stop(): number {
    clearInterval(this.#timer);
    return this.read();
  }

  #tick(): void {
    const now = performance.now();
    this.#elapsed += Math.min(now - this.#last, LONGEST_MS);
    this.#last = now;
  }
}
