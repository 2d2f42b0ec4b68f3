interface Waiter {
  have: ReadonlyMap<string, number>;
  ready: Set<string>;
  finish: (ids: string[]) => void;
}

/**
 * `wait` within one process: whoever appends tells whoever waits, nothing polls. The caller of `wait` checks the heads
 * and registers in one go, without giving up the thread in between, so no append falls into a gap.
 */
export class LogWaiters {
  readonly #byLog = new Map<string, Set<Waiter>>();

  wait(
    have: ReadonlyMap<string, number>,
    signal: AbortSignal,
    headOf: (generationId: string) => number,
  ): Promise<string[]> {
    if (signal.aborted) return Promise.resolve([]);
    const ahead = [...have].filter(([id, head]) => headOf(id) > head).map(([id]) => id);
    if (ahead.length > 0) return Promise.resolve(ahead);
    return new Promise((resolve) => {
      // The caller's map may move on while this waits.
      const waiter: Waiter = { have: new Map(have), ready: new Set(), finish: () => {} };
      const onAbort = (): void => waiter.finish([]);
      waiter.finish = (ids) => {
        signal.removeEventListener('abort', onAbort);
        this.#remove(waiter);
        resolve(ids);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      for (const id of have.keys()) this.#of(id).add(waiter);
    });
  }

  notify(generationId: string, head: number): void {
    for (const waiter of this.#byLog.get(generationId) ?? []) {
      if (head <= (waiter.have.get(generationId) ?? 0)) continue;
      // Logs that one commit moved are reported together.
      if (waiter.ready.size === 0) queueMicrotask(() => waiter.finish([...waiter.ready]));
      waiter.ready.add(generationId);
    }
  }

  #of(generationId: string): Set<Waiter> {
    const known = this.#byLog.get(generationId);
    if (known) return known;
    const waiters = new Set<Waiter>();
    this.#byLog.set(generationId, waiters);
    return waiters;
  }

  #remove(waiter: Waiter): void {
    for (const id of waiter.have.keys()) {
      const waiters = this.#byLog.get(id);
      waiters?.delete(waiter);
      if (waiters?.size === 0) this.#byLog.delete(id);
    }
  }
}
