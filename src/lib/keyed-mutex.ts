/** One task at a time per key, in the order of asking. Keys without tasks cost nothing. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Is a task of this key under way? */
  busy(key: string): boolean {
    return this.#tails.has(key);
  }

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const mine = before ? before.then(task, task) : task();
    this.#tails.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === mine) this.#tails.delete(key);
    }
  }
}
