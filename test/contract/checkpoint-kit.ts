import type { CheckpointIndex, Checkpoints } from '../../src/agent/checkpoints.ts';

/** What every `Checkpoints` must do (src/agent/checkpoints.ts), whatever keeps them. */

export interface CheckpointsFixture {
  /** As after a restart, or as another replica: nothing but what is stored is shared. */
  fresh(mode: { keepHistory: boolean }): Promise<Checkpoints & CheckpointIndex>;
  /** How many records each thread has, by their kind; checkpoints are the first. Only threads that have any. */
  records(): Promise<Map<string, number[]>>;
  destroy(): void | Promise<void>;
}

export interface CheckpointsSuite {
  name: string;
  create: () => CheckpointsFixture | Promise<CheckpointsFixture>;
}
