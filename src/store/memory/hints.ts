import type { Hint, Hints } from '../../stream/hints.ts';

/** Hints between the hearts of one process: a test's replicas, or a single one that has nobody to tell. */
export class LocalHintBus {
  readonly #replicas = new Set<Set<(hint: Hint) => void>>();

  /** One replica's end. */
  connect(): Hints {
    const listeners = new Set<(hint: Hint) => void>();
    this.#replicas.add(listeners);
    return {
      publish: (hint) => {
        for (const replica of this.#replicas) {
          if (replica === listeners) continue;
          for (const listener of replica) queueMicrotask(() => listener(hint));
        }
      },
      listen: (listener) => {
        listeners.add(listener);
        return { [Symbol.dispose]: () => void listeners.delete(listener) };
      },
    };
  }
}
