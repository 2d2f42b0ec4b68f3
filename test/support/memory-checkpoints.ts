import { MemorySaver } from '@langchain/langgraph-checkpoint';
import { threadId } from '../../src/agent/checkpoints.ts';
import { exactly } from '../../src/store/checkpoint-serde.ts';
import type { Checkpoints } from '../../src/agent/checkpoints.ts';

/** Checkpoints in memory, for tests of the runner. */
export function createMemoryCheckpoints(): Checkpoints & { saver: MemorySaver } {
  const saver = new MemorySaver();
  saver.serde = exactly(saver.serde);
  const fences = (generationId: string): number[] =>
    Object.keys(saver.storage)
      .filter((thread) => thread.startsWith(`${generationId}:`))
      .map((thread) => Number(thread.slice(generationId.length + 1)));
  const writesOf = (thread: string): string[] =>
    Object.keys(saver.writes).filter((key) =>
      key.startsWith(`${JSON.stringify([thread]).slice(0, -1)},`),
    );
  return {
    saver,
    async latestFenceBelow({ generationId, fence }) {
      return fences(generationId)
        .filter((each) => each < fence)
        .toSorted((a, b) => b - a)[0];
    },
    async fork(fromFence, attempt) {
      const from = threadId({ ...attempt, fence: fromFence });
      const to = threadId(attempt);
      saver.storage[to] = structuredClone(saver.storage[from] ?? {});
      for (const key of writesOf(from)) {
        const writes = saver.writes[key];
        if (writes) saver.writes[key.replace(from, to)] = structuredClone(writes);
      }
    },
    async deleteGeneration(generationId) {
      for (const fence of fences(generationId))
        await saver.deleteThread(threadId({ generationId, fence }));
    },
  };
}
