import { describe, expect } from '@jest/globals';
import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint';
import { deltaChannelHistoryTests, validate } from '@langchain/langgraph-checkpoint-validation';
import type { CheckpointsFixture, CheckpointsSuite } from './checkpoint-kit.ts';

// The suite is written for vitest, whose soft expectations collect failures; failing at the first is as good here.
Object.assign(expect, { soft: expect });

/** LangGraph's own validation of a saver. `known`: the name by which the suite knows what a saver does not do. */
export function describeCheckpointSaver(suite: CheckpointsSuite & { known?: string }): void {
  const { name, create, known = name } = suite;
  const open = new Map<BaseCheckpointSaver, CheckpointsFixture>();
  const initializer = {
    checkpointerName: known,
    async createCheckpointer(): Promise<BaseCheckpointSaver> {
      const fixture = await create();
      const { saver } = await fixture.fresh({ keepHistory: true });
      open.set(saver, fixture);
      return saver;
    },
    async destroyCheckpointer(saver: BaseCheckpointSaver): Promise<void> {
      await open.get(saver)?.destroy();
      open.delete(saver);
    },
  };
  describe(`Checkpoints: ${name}: LangGraph's validation`, () => {
    validate(initializer);
    deltaChannelHistoryTests(initializer);
  });
}
