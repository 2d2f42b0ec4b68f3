import type { mongo } from 'mongoose';
import type { CheckpointKey } from '../checkpoint-rules.ts';
import type { MongoConnection } from './connection.ts';
import {
  checkpointDocument,
  documentId,
  fieldsOf,
  keyDocument,
  writesDocument,
  type CheckpointDocument,
  type SealedWrite,
  type StoredCheckpoint,
  type StoredWrite,
} from './checkpoint-documents.ts';

export const CHECKPOINTS = 'checkpoints';
export const WRITES = 'checkpoint_writes';

export interface KeyQuery {
  threadId: string | undefined;
  namespace: string | undefined;
  checkpointId: string | undefined;
  /** Only ids below this one. */
  before: string | undefined;
}

export interface TaskWrites {
  taskId: string;
  order: number;
  /** The first ones that a task stores stay. */
  ordinary: SealedWrite[];
  /** By slot; the latest one stays. */
  special: ReadonlyMap<string, SealedWrite>;
}

interface Keyed {
  _id: string;
}

/** The commands of checkpoints. Every one resolves or rejects in a bounded time. */
export class CheckpointCollections {
  readonly #mongo: MongoConnection;

  constructor(mongo: MongoConnection) {
    this.#mongo = mongo;
  }

  get checkpoints(): mongo.Collection<CheckpointDocument> {
    return this.#mongo.db.collection<CheckpointDocument>(CHECKPOINTS);
  }

  get writes(): mongo.Collection<Keyed> {
    return this.#mongo.db.collection<Keyed>(WRITES);
  }

  async put(document: CheckpointDocument): Promise<void> {
    const { _id, ...rest } = document;
    await this.#mongo.run(() => this.checkpoints.replaceOne({ _id }, rest, { upsert: true }));
  }

  /**
   * Deletes what a newer checkpoint of the namespace replaces. Writes of ids below it are found even where their
   * checkpoint had gone before they came; those of higher ids may be early ones, which wait for their checkpoint.
   */
  async dropOthers(key: CheckpointKey, parentId: string | null): Promise<void> {
    const { threadId, namespace, checkpointId } = key;
    const at = { thread_id: threadId, checkpoint_ns: namespace };
    const older = [
      { checkpoint_id: { $lt: checkpointId } },
      ...(parentId === null || parentId === checkpointId ? [] : [{ checkpoint_id: parentId }]),
    ];
    await Promise.all([
      this.#mongo.run(() =>
        this.checkpoints.deleteMany({ ...at, checkpoint_id: { $ne: checkpointId } }),
      ),
      this.#mongo.run(() => this.writes.deleteMany({ ...at, $or: older })),
    ]);
  }

  async putWrites(key: CheckpointKey, batch: TaskWrites): Promise<void> {
    const { taskId, order, ordinary, special } = batch;
    const own = fieldsOf(key);
    const id = (kind: string): Keyed => ({
      _id: documentId(...Object.values(own), taskId, kind),
    });
    const first = { ...own, task_id: taskId };
    const slots = [...special].map(([slot, write]) => [`slots.${slot}`, write]);
    if (ordinary.length > 0) {
      await this.#upsertWrites(id('writes'), {
        $setOnInsert: { ...first, idx: 0, order, writes: ordinary },
      });
    }
    if (slots.length > 0) {
      await this.#upsertWrites(id('slots'), {
        $setOnInsert: { ...first, idx: -1 },
        $set: { order, ...Object.fromEntries(slots) },
      });
    }
  }

  async #upsertWrites(at: Keyed, update: mongo.UpdateFilter<Keyed>): Promise<void> {
    await this.#mongo.run(() => this.writes.updateOne(at, update, { upsert: true }));
  }

  async get(key: CheckpointKey): Promise<StoredCheckpoint | undefined> {
    const found = await this.#mongo.run(() => this.checkpoints.findOne(fieldsOf(key)));
    return found ? checkpointDocument.parse(found) : undefined;
  }

  async newest(threadId: string, namespace: string): Promise<StoredCheckpoint | undefined> {
    const at = { thread_id: threadId, checkpoint_ns: namespace };
    const found = await this.#mongo.run(() =>
      this.checkpoints.findOne(at, { sort: { order: -1 } }),
    );
    return found ? checkpointDocument.parse(found) : undefined;
  }

  /** Newest first. */
  async keys(query: KeyQuery): Promise<CheckpointKey[]> {
    const { threadId, namespace, checkpointId, before } = query;
    const filter: mongo.Filter<CheckpointDocument> = {
      ...(threadId === undefined ? {} : { thread_id: threadId }),
      ...(namespace === undefined ? {} : { checkpoint_ns: namespace }),
      ...(checkpointId === undefined ? {} : { checkpoint_id: checkpointId }),
    };
    const below = before === undefined ? {} : { $and: [{ checkpoint_id: { $lt: before } }] };
    const found = await this.#mongo.run(() =>
      this.checkpoints
        .find({ ...filter, ...below })
        .project({ thread_id: 1, checkpoint_ns: 1, checkpoint_id: 1, order: 1 })
        .sort({ order: -1 })
        .toArray(),
    );
    return found.map((document) => keyDocument.parse(document));
  }

  async writesOf(key: CheckpointKey): Promise<StoredWrite[]> {
    const found = await this.#mongo.run(() => this.writes.find(fieldsOf(key)).toArray());
    return found
      .map((document) => writesDocument.parse(document))
      .toSorted((a, b) => a.order - b.order)
      .flatMap(({ task_id: taskId, writes, slots }) =>
        [...writes, ...Object.values(slots)].map((write) => ({ taskId, ...write })),
      );
  }

  /** Threads with a checkpoint of the root graph, of which a thread id is within the bounds. */
  async rootThreads([from, below]: readonly [string, string]): Promise<string[]> {
    const found = await this.#mongo.run(() =>
      this.checkpoints
        .find({ thread_id: { $gte: from, $lt: below }, checkpoint_ns: '' })
        .project({ thread_id: 1, checkpoint_ns: 1, checkpoint_id: 1 })
        .toArray(),
    );
    return [...new Set(found.map((document) => keyDocument.parse(document).threadId))];
  }

  /** Threads of checkpoints from a bound on, in their order; one with several of them is there several times. */
  async threadsFrom(from: string, limit: number): Promise<string[]> {
    const found = await this.#mongo.run(() =>
      this.checkpoints
        .find({ thread_id: { $gte: from } })
        .project({ thread_id: 1, checkpoint_ns: 1, checkpoint_id: 1 })
        .sort({ thread_id: 1 })
        .limit(limit)
        .toArray(),
    );
    return found.map((document) => keyDocument.parse(document).threadId);
  }

  /** Deletes threads; the root checkpoints first, without which a thread is not seen. */
  async deleteThreads(threads: mongo.Condition<string>): Promise<void> {
    const at = { thread_id: threads };
    await this.#mongo.run(() => this.checkpoints.deleteMany({ ...at, checkpoint_ns: '' }));
    await Promise.all([
      this.#mongo.run(() => this.checkpoints.deleteMany(at)),
      this.#mongo.run(() => this.writes.deleteMany(at)),
    ]);
  }
}
