/** Iterates a source that may ignore an abort: the iteration ends at once with the signal's reason all the same. */
export class Interruptible<T> {
  readonly #source: AsyncIterator<T>;
  readonly #signal: AbortSignal;
  #fail: ((reason: unknown) => void) | undefined;

  constructor(source: AsyncIterable<T>, signal: AbortSignal) {
    this.#source = source[Symbol.asyncIterator]();
    this.#signal = signal;
    signal.addEventListener('abort', this.#aborted, { once: true });
  }

  next(): Promise<IteratorResult<T>> {
    return new Promise((resolve, reject) => {
      if (this.#signal.aborted) return reject(this.#signal.reason);
      this.#fail = reject;
      // After an abort this settles nothing any more, but it is not left unhandled.
      this.#source.next().then(resolve, reject);
    });
  }

  /** The source is told to end, not waited for. */
  close(): void {
    this.#signal.removeEventListener('abort', this.#aborted);
    this.#source.return?.().catch(() => {
      // It was given up.
    });
  }

  readonly #aborted = (): void => this.#fail?.(this.#signal.reason);
}
