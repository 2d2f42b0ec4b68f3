import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint';
import { z } from 'zod';
import type { Checkpoints } from '../../src/agent/checkpoints.ts';

const never = new Promise<never>(() => undefined);

const placeSchema = z.object({ configurable: z.object({ thread_id: z.string() }) });

/** Checkpoints of a process that is killed: from some write on nothing of it reaches the disk, ever. */
export class DyingCheckpoints implements Checkpoints {
  readonly saver: BaseCheckpointSaver;
  readonly #inner: Checkpoints;
  /** Threads of those that were killed. */
  readonly #dead = new Set<string>();
  #left: number;
  #died: () => void = () => undefined;

  /** `writes`: that many succeed before the first kill. */
  constructor(inner: Checkpoints, writes: number) {
    this.#inner = inner;
    this.#left = writes;
    this.saver = new Proxy(inner.saver, {
      get: (target, key): unknown => {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        if (key !== 'put' && key !== 'putWrites') return value.bind(target);
        return (...args: unknown[]): unknown => {
          const { thread_id: thread } = placeSchema.parse(args[0]).configurable;
          return this.#write(thread, () => Reflect.apply(value, target, args));
        };
      },
    });
  }

  /** Called at the write that does not happen. */
  onDeath(died: () => void): void {
    this.#died = died;
  }

  latestFenceBelow: Checkpoints['latestFenceBelow'] = (attempt) =>
    this.#inner.latestFenceBelow(attempt);
  fork: Checkpoints['fork'] = (from, attempt) => this.#inner.fork(from, attempt);
  deleteGeneration: Checkpoints['deleteGeneration'] = (id) => this.#inner.deleteGeneration(id);

  #write(thread: string, how: () => unknown): unknown {
    if (this.#dead.has(thread)) return never;
    this.#left -= 1;
    if (this.#left !== -1) return how();
    this.#dead.add(thread);
    this.#died();
    return never;
  }
}
