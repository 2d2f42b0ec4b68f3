import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint';
import type { Checkpoints } from '../../src/agent/checkpoints.ts';

const CALLS = new Set<string | symbol>(['put', 'putWrites', 'getTuple']);

/** Checkpoints of which one call to the saver, and no other, is refused with an error. */
export class FailingCheckpoints implements Checkpoints {
  readonly saver: BaseCheckpointSaver;
  /** Names of the saver's calls so far. */
  readonly calls: string[] = [];
  readonly #inner: Checkpoints;
  readonly #fails: (nth: number, call: string) => Error | undefined;

  constructor(inner: Checkpoints, fails: (nth: number, call: string) => Error | undefined) {
    this.#inner = inner;
    this.#fails = fails;
    this.saver = new Proxy(inner.saver, {
      get: (target, key): unknown => {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        if (!CALLS.has(key)) return value.bind(target);
        return async (...args: unknown[]): Promise<unknown> => {
          this.calls.push(String(key));
          const error = this.#fails(this.calls.length, String(key));
          // As over a network: the refusal comes a while after the call.
          await new Promise((resolve) => setImmediate(resolve));
          if (error) throw error;
          return Reflect.apply(value, target, args);
        };
      },
    });
  }

  latestFenceBelow: Checkpoints['latestFenceBelow'] = (attempt) =>
    this.#inner.latestFenceBelow(attempt);
  fork: Checkpoints['fork'] = (from, attempt) => this.#inner.fork(from, attempt);
  deleteGeneration: Checkpoints['deleteGeneration'] = (id) => this.#inner.deleteGeneration(id);
}
