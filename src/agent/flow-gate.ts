/**
 * LangGraph's stream has no backpressure: a producer may run thousands of chunks ahead of its consumer. Producers
 * count what they send here and wait at the bound; the consumer counts what it took.
 *
 * A chunk that never reaches the consumer (a filter on the way) must not lock the run: while the consumer has been
 * waiting for a whole turn of the event loop, nothing is on its way, and the count starts anew.
 */
export class FlowGate {
  readonly #bound: number;
  #ahead = 0;
  /** Number of the consumer's current wait; 0 while it is busy. */
  #waiting = 0;
  #waits = 0;
  #checking = false;
  #blocked: (() => void)[] = [];

  constructor(bound = 64) {
    this.#bound = bound;
  }

  sent(): void {
    this.#ahead += 1;
  }

  taken(): void {
    if (this.#ahead > 0) this.#ahead -= 1;
    if (this.#ahead < this.#bound) this.#release();
  }

  /** Resolves when the producer may go on. A run that ends releases everyone (`open`). */
  pass(): Promise<void> | undefined {
    if (this.#ahead < this.#bound) return undefined;
    return new Promise((resolve) => {
      this.#blocked.push(resolve);
      this.#check();
    });
  }

  /** The consumer waits for the next chunk until it calls `busy`. */
  waiting(): void {
    this.#waits += 1;
    this.#waiting = this.#waits;
    this.#check();
  }

  busy(): void {
    this.#waiting = 0;
  }

  open(): void {
    this.#ahead = Number.NEGATIVE_INFINITY;
    this.#release();
  }

  #release(): void {
    const blocked = this.#blocked;
    this.#blocked = [];
    for (const resolve of blocked) resolve();
  }

  #check(): void {
    if (this.#checking || this.#waiting === 0 || this.#blocked.length === 0) return;
    this.#checking = true;
    const wait = this.#waiting;
    setImmediate(() => {
      this.#checking = false;
      if (this.#blocked.length === 0) return;
      if (this.#waiting !== wait) return this.#check();
      this.#ahead = 0;
      this.#release();
    });
  }
}
