import type { Hint, Hints } from '../../stream/hints.ts';

type Listener = (hint: Hint, from: string) => void;

/** Hints between the hearts of one process: a test's replicas, or a single one that has nobody to tell. */
export class LocalHintBus {
  readonly #replicas = new Map<string, Set<Listener>>();

  /** One replica's end. */
  connect(replicaId = `replica-${this.#replicas.size + 1}`): Hints {
    const listeners = new Set<Listener>();
    this.#replicas.set(replicaId, listeners);
    const send = (to: ReadonlySet<Listener>, hint: Hint): void => {
      for (const listener of to) queueMicrotask(() => listener(hint, replicaId));
    };
    return {
      publish: (hint) => {
        for (const [id, replica] of this.#replicas) if (id !== replicaId) send(replica, hint);
      },
      tell: (replica, hint) => send(this.#replicas.get(replica) ?? new Set(), hint),
      listen: (listener) => {
        const own: Listener = (hint, from) => listener(hint, from);
        listeners.add(own);
        return { [Symbol.dispose]: () => void listeners.delete(own) };
      },
    };
  }
}
