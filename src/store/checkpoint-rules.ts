import type { RunnableConfig } from '@langchain/core/runnables';
import type { CheckpointListOptions, CheckpointMetadata } from '@langchain/langgraph-checkpoint';
import { z } from 'zod';

/** What all stores of checkpoints have in common. Pure. */

/** Names one checkpoint. */
export interface CheckpointKey {
  threadId: string;
  namespace: string;
  checkpointId: string;
}

/** `configurable` of a call: where it reads or writes. */
export const place = z.object({
  thread_id: z.string({ error: 'a checkpoint needs configurable.thread_id' }).min(1),
  checkpoint_ns: z.string().default(''),
});

export function configOf({ threadId, namespace, checkpointId }: CheckpointKey): RunnableConfig {
  return {
    configurable: {
      thread_id: threadId,
      checkpoint_ns: namespace,
      checkpoint_id: checkpointId,
    },
  };
}

export function matches(
  metadata: CheckpointMetadata | undefined,
  filter: CheckpointListOptions['filter'] = {},
): boolean {
  const held = new Map<string, unknown>(Object.entries(metadata ?? {}));
  return Object.entries(filter).every(([name, value]) => held.get(name) === value);
}

/** A delta channel is read back by replaying the writes of the ancestors since its last snapshot. */
export function needsAncestors(metadata: CheckpointMetadata): boolean {
  return Object.keys(metadata.counters_since_delta_snapshot ?? {}).length > 0;
}

/** Bounds of all thread ids of a generation, the upper one excluded: `;` is the character after `:`. */
export function threadRange(generationId: string): [from: string, below: string] {
  return [`${generationId}:`, `${generationId};`];
}

export function generationOf(thread: string): string {
  return thread.slice(0, thread.lastIndexOf(':'));
}

export function fenceOf(thread: string): number {
  return Number(thread.slice(thread.lastIndexOf(':') + 1));
}
