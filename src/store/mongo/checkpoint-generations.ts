import type { AttemptRef } from '../../agent/agent-runner.ts';
import { threadId, type CheckpointIndex, type Checkpoints } from '../../agent/checkpoints.ts';
import type { Clock } from '../../lib/clock.ts';
import { fenceOf, generationOf, threadRange } from '../checkpoint-rules.ts';
import { CheckpointCollections } from './checkpoint-collections.ts';
import { CheckpointDeletions, DELETION_INDEXES } from './checkpoint-deletions.ts';
import { MAX_BYTES } from './checkpoint-documents.ts';
import { copyThread } from './checkpoint-fork.ts';
import { MongoCheckpointSaver } from './checkpoint-saver.ts';
import type { MongoConnection } from './connection.ts';
import { asStoreError, MongoConfigError } from './errors.ts';
import { ensureIndexes } from './indexes.ts';

export interface MongoCheckpointsDeps {
  mongo: MongoConnection;
  clock: Clock;
  /** See `MongoCheckpointSaverDeps`. Only debugging needs more than the newest. */
  keepHistory?: boolean;
  maxBytes?: number;
}

/** Building an index on a collection that is large already takes longer than an answer may, ms. */
const SETUP_DEADLINE = 60_000;
/** Replicas that start together may make the same index at the same moment; the second try finds it. */
const SETUP_ATTEMPTS = 5;
const SETUP_PAUSE = 200;

/** Throws MongoConfigError, or UNAVAILABLE, for the errors that `setup` returns. */
async function setUp(mongo: MongoConnection, saver: MongoCheckpointSaver): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const [error] = await mongo.run(() => saver.setup(), SETUP_DEADLINE);
    if (error === undefined) return;
    if (attempt >= SETUP_ATTEMPTS) {
      const known = asStoreError(error);
      if (known !== error) throw known;
      throw new MongoConfigError(
        `MongoDB, checkpoints: an index can't be made: ${error.message}.`,
        {
          cause: error,
        },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, SETUP_PAUSE));
  }
}

/**
 * Checkpoints of generations, through LangGraph's `MongoDBSaver` on the connection's own client. A thread holds only
 * what going on needs (see `keepHistory`). Makes and checks its indexes; throws MongoConfigError where it can't.
 */
export async function createMongoCheckpoints(
  deps: MongoCheckpointsDeps,
): Promise<Checkpoints & CheckpointIndex> {
  const { mongo, clock, keepHistory = false, maxBytes = MAX_BYTES } = deps;
  const collections = new CheckpointCollections(mongo);
  const deletions = new CheckpointDeletions({ mongo, collections, clock });
  const saver = new MongoCheckpointSaver({
    mongo,
    collections,
    clock,
    keepHistory,
    maxBytes,
    written: (thread) => deletions.takeBack(thread),
  });
  await setUp(mongo, saver);
  await ensureIndexes(mongo, DELETION_INDEXES);
  await deletions.sweep();

  async function threadsBelow(attempt: AttemptRef): Promise<string[]> {
    const threads = await collections.rootThreads(threadRange(attempt.generationId));
    return threads.filter((thread) => fenceOf(thread) < attempt.fence);
  }

  return {
    saver,
    async latestFenceBelow(attempt) {
      const fences = (await threadsBelow(attempt)).map(fenceOf);
      return fences.length > 0 ? Math.max(...fences) : undefined;
    },
    async fork(fromFence, attempt) {
      const from = { generationId: attempt.generationId, fence: fromFence };
      const orders = await copyThread(
        { mongo, collections, keepHistory },
        threadId(from),
        threadId(attempt),
      );
      for (const order of orders) saver.saw(order);
      if (!keepHistory) {
        // Nobody goes back behind the source: a generation that pauses often holds two copies of its state, not all.
        const old = await threadsBelow(from);
        if (old.length > 0) await collections.deleteThreads({ $in: old });
      }
      await deletions.takeBack(threadId(attempt));
    },
    async generations(after, limit) {
      const [, behind] = threadRange(after);
      const threads = await collections.threadsFrom(after === '' ? '' : behind, limit);
      return [...new Set(threads.map(generationOf))];
    },
    deleteGeneration: (generationId) => deletions.delete(generationId),
  };
}
