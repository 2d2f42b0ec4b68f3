import type { mongo } from 'mongoose';
import { z } from 'zod';
import type { Clock } from '../../lib/clock.ts';
import { generationOf, threadRange } from '../checkpoint-rules.ts';
import type { CheckpointCollections } from './checkpoint-collections.ts';
import type { MongoConnection } from './connection.ts';
import type { IndexSpec } from './indexes.ts';

/** Which generations are deleted: one document each, for as long as somebody might still write into one. */
export const DELETIONS = 'checkpoint_deletions';

export const DELETION_INDEXES: readonly IndexSpec[] = [
  { collection: DELETIONS, name: 'sweep', keys: { sweep_at: 1 } },
  { collection: DELETIONS, name: 'expiry', keys: { expires_at: 1 }, expireAfterSeconds: 0 },
];

/** A driver that was fenced off knows it by then: what it left in spite of everything is found then. */
const SWEEP_AFTER = 10 * 60_000;
/** How long a deletion is remembered after that. */
const REMEMBERED = 30 * 24 * 3_600_000;
/** Every so many deletions of a process look for older ones to sweep, at most so many at once. */
const SWEEP_EVERY = 16;
const SWEEP_MOST = 32;

interface Deletion {
  _id: string;
  sweep_at?: Date;
  expires_at?: Date;
}

const deletionId = z.object({ _id: z.string() }).transform(({ _id: id }) => id);

export interface DeletionsDeps {
  mongo: MongoConnection;
  collections: CheckpointCollections;
  clock: Clock;
}

/**
 * Deletes generations for good. The deletion is noted first, and whoever writes looks for the note after its write:
 * either the deletion comes after the write and takes it, or the writer finds the note and takes it back. What a
 * writer leaves that dies between the two is deleted when the same generations are swept once more, later.
 */
export class CheckpointDeletions {
  readonly #deps: DeletionsDeps;
  #count = 0;

  constructor(deps: DeletionsDeps) {
    this.#deps = deps;
  }

  get #notes(): mongo.Collection<Deletion> {
    return this.#deps.mongo.db.collection<Deletion>(DELETIONS);
  }

  async delete(generationId: string): Promise<void> {
    const { mongo, clock } = this.#deps;
    const note = { $set: { sweep_at: new Date(clock.now() + SWEEP_AFTER) } };
    await mongo.run(() =>
      this.#notes.updateOne(
        { _id: generationId },
        { ...note, $unset: { expires_at: '' } },
        { upsert: true },
      ),
    );
    await this.#deleteThreads([generationId]);
    this.#count += 1;
    if (this.#count % SWEEP_EVERY === 0) await this.sweep();
  }

  /** Takes back what was written into a thread of a deleted generation. */
  async takeBack(threadId: string): Promise<void> {
    const { mongo, collections } = this.#deps;
    const at = { _id: generationOf(threadId) };
    const noted = await mongo.run(() => this.#notes.findOne(at, { projection: { _id: 1 } }));
    if (noted) await collections.deleteThreads(threadId);
  }

  /** Deletes once more what was deleted a while ago. */
  async sweep(): Promise<void> {
    const { mongo, clock } = this.#deps;
    const now = clock.now();
    const due = await mongo.run(() =>
      this.#notes
        .find({ sweep_at: { $lte: new Date(now) } })
        .project({ _id: 1 })
        .limit(SWEEP_MOST)
        .toArray(),
    );
    const ids = due.map((found) => deletionId.parse(found));
    if (ids.length === 0) return;
    await this.#deleteThreads(ids);
    const swept = {
      $set: { expires_at: new Date(now + REMEMBERED) },
      $unset: { sweep_at: '' as const },
    };
    await mongo.run(() => this.#notes.updateMany({ _id: { $in: ids } }, swept));
  }

  async #deleteThreads(generationIds: string[]): Promise<void> {
    for (const generationId of generationIds) {
      const [from, below] = threadRange(generationId);
      await this.#deps.collections.deleteThreads({ $gte: from, $lt: below });
    }
  }
}
