import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint';
import type { AttemptRef } from './agent-runner.ts';

/** Port: LangGraph checkpoints, one thread per (generation, fence). */
export interface Checkpoints {
  /** LangGraph's own contract; passes its validation suite. */
  readonly saver: BaseCheckpointSaver;
  /** The highest fence below `attempt.fence` whose thread has a checkpoint. */
  latestFenceBelow(attempt: AttemptRef): Promise<number | undefined>;
  /** Copies the newest checkpoint of every namespace, with its pending writes, into the attempt's own thread. */
  fork(fromFence: number, attempt: AttemptRef): Promise<void>;
  /** Deletes every thread of the generation; later puts of a zombie into them are dropped. Idempotent. */
  deleteGeneration(generationId: string): Promise<void>;
}

/** Port: of which generations there are checkpoints, for whoever looks for what nobody needs. */
export interface CheckpointIndex {
  /** Ids behind `after` (empty: from the first), in their order, at most `limit`; [] only where there are no more. */
  generations(after: string, limit: number): Promise<string[]>;
}

/** Thread id of an attempt. */
export function threadId(attempt: AttemptRef): string {
  return `${attempt.generationId}:${attempt.fence}`;
}
