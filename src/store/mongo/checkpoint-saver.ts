import type { RunnableConfig } from '@langchain/core/runnables';
import {
  TASKS,
  WRITES_IDX_MAP,
  getCheckpointId,
  maxChannelVersion,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointTuple,
  type PendingWrite,
} from '@langchain/langgraph-checkpoint';
import { MongoDBSaver } from '@langchain/langgraph-checkpoint-mongodb';
import { mongo as driver } from 'mongoose';
import type { Clock } from '../../lib/clock.ts';
import {
  configOf,
  matches,
  needsAncestors,
  place,
  type CheckpointKey,
} from '../checkpoint-rules.ts';
import { exactly } from '../checkpoint-serde.ts';
import { CHECKPOINTS, WRITES, type CheckpointCollections } from './checkpoint-collections.ts';
import {
  assertFits,
  documentId,
  fieldsOf,
  type SealedWrite,
  type StoredCheckpoint,
} from './checkpoint-documents.ts';
import type { MongoConnection } from './connection.ts';

export interface MongoCheckpointSaverDeps {
  mongo: MongoConnection;
  collections: CheckpointCollections;
  clock: Clock;
  /** False: a namespace of a thread holds its newest checkpoint only, and what that one needs. */
  keepHistory: boolean;
  /** What one document may take; more is refused as CHECKPOINT_TOO_LARGE. */
  maxBytes: number;
  /** Called after every write into a thread: takes it back if the thread must not exist any more. */
  written: (threadId: string) => Promise<void>;
}

/**
 * LangGraph's saver for MongoDB, where its own way would not do for several replicas:
 *
 *   the newest checkpoint is the last one written, not the one with the highest id: ids come from clocks that differ;
 *   a namespace holds its newest checkpoint only, else a run of n steps costs n copies of its state;
 *   the writes of a task are one document: half of them would pass for all of them;
 *   values without a JSON form, special writes beside ordinary ones and sends of old checkpoints are kept.
 */
export class MongoCheckpointSaver extends MongoDBSaver {
  readonly #deps: MongoCheckpointSaverDeps;
  /** The highest order seen or given. A run reads the newest checkpoint before it writes one, and so is above it. */
  #order = 0;

  constructor(deps: MongoCheckpointSaverDeps) {
    super({
      client: deps.mongo.client,
      dbName: deps.mongo.database,
      checkpointCollectionName: CHECKPOINTS,
      checkpointWritesCollectionName: WRITES,
    });
    this.serde = exactly(this.serde);
    this.#deps = deps;
  }

  /** Told of an order that somebody else gave. */
  saw(order: number): void {
    this.#order = Math.max(this.#order, order);
  }

  #nextOrder(): number {
    this.#order = Math.max(this.#order + 1, this.#deps.clock.now() * 1_000);
    return this.#order;
  }

  override async getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    const at = place.safeParse(config.configurable ?? {});
    if (!at.success) return undefined;
    const { thread_id: threadId, checkpoint_ns: namespace } = at.data;
    const { collections } = this.#deps;
    const checkpointId = getCheckpointId(config);
    const stored =
      checkpointId === ''
        ? await collections.newest(threadId, namespace)
        : await collections.get({ threadId, namespace, checkpointId });
    return stored && this.#tuple(stored);
  }

  override async *list(
    config: RunnableConfig,
    options: CheckpointListOptions = {},
  ): AsyncGenerator<CheckpointTuple> {
    const { collections } = this.#deps;
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    const query = {
      threadId: config.configurable?.['thread_id'],
      namespace: config.configurable?.['checkpoint_ns'],
      checkpointId: getCheckpointId(config) || undefined,
      before: options.before?.configurable?.['checkpoint_id'],
    };
    // Keys first and one checkpoint at a time: no cursor stays open while the caller does something else.
    for (const key of await collections.keys(query)) {
      if (left <= 0) return;
      const stored = await collections.get(key);
      if (stored === undefined) continue;
      const tuple = await this.#tuple(stored);
      if (!matches(tuple.metadata, options.filter)) continue;
      left -= 1;
      yield tuple;
    }
  }

  override async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
  ): Promise<RunnableConfig> {
    const { collections, maxBytes, keepHistory, written } = this.#deps;
    const at = place.parse(config.configurable ?? {});
    const key = {
      threadId: at.thread_id,
      namespace: at.checkpoint_ns,
      checkpointId: checkpoint.id,
    };
    const parentId = getCheckpointId(config) || null;
    const [[type, state], [metadataType, meta]] = await Promise.all([
      this.serde.dumpsTyped(checkpoint),
      this.serde.dumpsTyped(metadata),
    ]);
    if (type !== metadataType) throw new TypeError('checkpoint and metadata differ in their type');
    const document = {
      _id: documentId(key.threadId, key.namespace, key.checkpointId),
      ...fieldsOf(key),
      parent_checkpoint_id: parentId,
      type,
      checkpoint: new driver.Binary(state),
      metadata: new driver.Binary(meta),
      order: this.#nextOrder(),
      alone: !needsAncestors(metadata),
    };
    assertFits(document, maxBytes);
    await collections.put(document);
    await Promise.all([
      keepHistory || !document.alone ? undefined : collections.dropOthers(key, parentId),
      written(key.threadId),
    ]);
    return configOf(key);
  }

  override async putWrites(
    config: RunnableConfig,
    writes: PendingWrite[],
    taskId: string,
  ): Promise<void> {
    const at = place.parse(config.configurable ?? {});
    const checkpointId = getCheckpointId(config);
    if (checkpointId === '') throw new TypeError('pending writes need configurable.checkpoint_id');
    const ordinary: SealedWrite[] = [];
    const special = new Map<string, SealedWrite>();
    for (const [channel, value] of writes) {
      const [type, data] = await this.serde.dumpsTyped(value);
      const sealed = { channel, type, value: new driver.Binary(data) };
      const slot = WRITES_IDX_MAP[channel];
      if (slot === undefined) ordinary.push(sealed);
      else special.set(`at${-slot}`, sealed);
    }
    assertFits({ ordinary, special: [...special.values()] }, this.#deps.maxBytes);
    const { thread_id: threadId, checkpoint_ns: namespace } = at;
    await this.#deps.collections.putWrites(
      { threadId, namespace, checkpointId },
      { taskId, order: this.#nextOrder(), ordinary, special },
    );
    await this.#deps.written(threadId);
  }

  override async deleteThread(threadId: string): Promise<void> {
    await this.#deps.collections.deleteThreads(threadId);
  }

  async #tuple(stored: StoredCheckpoint): Promise<CheckpointTuple> {
    this.saw(stored.order);
    const key: CheckpointKey = {
      threadId: stored.thread_id,
      namespace: stored.checkpoint_ns,
      checkpointId: stored.checkpoint_id,
    };
    const parentId = stored.parent_checkpoint_id;
    const parent = parentId === null ? undefined : { ...key, checkpointId: parentId };
    const checkpoint: Checkpoint = await this.serde.loadsTyped(stored.type, stored.checkpoint);
    const writes = await this.#deps.collections.writesOf(key);
    if (parent !== undefined && checkpoint.v < 4) await this.#migrateSends(checkpoint, parent);
    const pendingWrites = writes.map(
      async ({ taskId, channel, type, value }): Promise<[string, string, unknown]> => [
        taskId,
        channel,
        await this.serde.loadsTyped(type, value),
      ],
    );
    return {
      config: configOf(key),
      checkpoint,
      metadata: await this.serde.loadsTyped(stored.type, stored.metadata),
      pendingWrites: await Promise.all(pendingWrites),
      ...(parent && { parentConfig: configOf(parent) }),
    };
  }

  /** Before format 4 the sends of a checkpoint were pending writes of its parent. */
  async #migrateSends(checkpoint: Checkpoint, parent: CheckpointKey): Promise<void> {
    const writes = await this.#deps.collections.writesOf(parent);
    const sends = writes.filter((write) => write.channel === TASKS);
    const versions = Object.values(checkpoint.channel_versions);
    checkpoint.channel_values[TASKS] = await Promise.all(
      sends.map(({ type, value }) => this.serde.loadsTyped(type, value)),
    );
    checkpoint.channel_versions[TASKS] =
      versions.length > 0 ? maxChannelVersion(...versions) : this.getNextVersion(undefined);
  }
}
