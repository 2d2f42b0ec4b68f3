import type { RunnableConfig } from '@langchain/core/runnables';
import {
  BaseCheckpointSaver,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointTuple,
  type PendingWrite,
} from '@langchain/langgraph-checkpoint';

import { withAskedAfter } from './asked-after.ts';

/**
 * LangGraph hears of a failed write at the end of its step. A step may take long, and what nobody has heard by the
 * next tick passes for a fault of the whole process: what follows from this promise counts as heard.
 */
class Heard extends Promise<void> {
  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise
  override then<A = void, B = never>(
    done?: ((value: void) => A | PromiseLike<A>) | null,
    failed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    // oxlint-disable-next-line promise/no-callback-in-promise -- they are what this very method is given
    const next = super.then(done, failed);
    void Promise.prototype.then.call(next, undefined, () => undefined);
    return next;
  }
}

/**
 * The saver of one run: it remembers that a write failed. LangGraph loses that where the step of a sub-graph ends in
 * an interrupt, and would take a question for asked that no checkpoint has. It also marks what is asked.
 */
export class WatchedSaver extends BaseCheckpointSaver {
  readonly #inner: BaseCheckpointSaver;
  #failure: Error | undefined;

  constructor(inner: BaseCheckpointSaver) {
    super(inner.serde);
    this.#inner = inner;
  }

  /** What the first write that failed threw. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  override getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    return this.#inner.getTuple(config);
  }

  override list(
    config: RunnableConfig,
    options?: CheckpointListOptions,
  ): AsyncGenerator<CheckpointTuple> {
    return this.#inner.list(config, options);
  }

  // eslint-disable-next-line max-params -- LangGraph's signature
  override put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<RunnableConfig> {
    return this.#watch(() => this.#inner.put(config, checkpoint, metadata, newVersions));
  }

  override putWrites(
    config: RunnableConfig,
    writes: PendingWrite[],
    taskId: string,
  ): Promise<void> {
    const written = this.#watch(() =>
      this.#inner.putWrites(config, withAskedAfter(writes), taskId),
    );
    return new Heard((resolve, reject) => void written.then(resolve, reject));
  }

  override deleteThread(threadId: string): Promise<void> {
    return this.#inner.deleteThread(threadId);
  }

  override getDeltaChannelHistory(
    options: Parameters<BaseCheckpointSaver['getDeltaChannelHistory']>[0],
  ): ReturnType<BaseCheckpointSaver['getDeltaChannelHistory']> {
    return this.#inner.getDeltaChannelHistory(options);
  }

  override getNextVersion(current: number | undefined): number {
    return this.#inner.getNextVersion(current);
  }

  async #watch<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      this.#failure ??=
        error instanceof Error ? error : new Error('a checkpoint write failed', { cause: error });
      throw error;
    }
  }
}
