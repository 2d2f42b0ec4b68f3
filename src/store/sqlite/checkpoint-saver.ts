import type { RunnableConfig } from '@langchain/core/runnables';
import {
  BaseCheckpointSaver,
  TASKS,
  WRITES_IDX_MAP,
  getCheckpointId,
  maxChannelVersion,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointTuple,
  type PendingWrite,
} from '@langchain/langgraph-checkpoint';
import type Database from 'libsql';
import {
  configOf,
  matches,
  needsAncestors,
  place,
  type CheckpointKey,
} from '../checkpoint-rules.ts';
import { exactly } from '../checkpoint-serde.ts';
import type { Sealed, StoredCheckpoint } from './checkpoint-rows.ts';
import { createCheckpointTable, type CheckpointTable, type KeyQuery } from './checkpoint-table.ts';

export interface CheckpointSaverDeps {
  /** Has the tables of `ensureCheckpointTables`. Calls are synchronous, so a put or a read is never interleaved. */
  db: Database.Database;
  /**
   * False: a namespace of a thread holds its newest checkpoint only, so a run costs the space of its state and not
   * of its history. True: everything stays, as LangGraph's time travel wants it.
   */
  keepHistory: boolean;
  /** A put or write into a thread that is not accepted is dropped without a word. */
  accepts?: (threadId: string) => boolean;
}

/** LangGraph checkpoints in SQLite. */
export class SqliteCheckpointSaver extends BaseCheckpointSaver {
  readonly #table: CheckpointTable;
  readonly #keepHistory: boolean;
  readonly #accepts: (threadId: string) => boolean;

  constructor(deps: CheckpointSaverDeps) {
    super();
    this.serde = exactly(this.serde);
    this.#table = createCheckpointTable(deps.db);
    this.#keepHistory = deps.keepHistory;
    this.#accepts = deps.accepts ?? (() => true);
  }

  /**
   * The fraction tells versions of two branches of one thread apart: channel values are stored by version. Only the
   * order of versions means anything to LangGraph.
   */
  override getNextVersion(current: number | undefined): number {
    return Math.floor(current ?? 0) + 1 + Math.random();
  }

  override async getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    const at = place.safeParse(config.configurable ?? {});
    if (!at.success) return undefined;
    const { thread_id: threadId, checkpoint_ns: namespace } = at.data;
    const checkpointId = getCheckpointId(config);
    const stored =
      checkpointId === ''
        ? this.#table.newest(threadId, namespace)
        : this.#table.get({ threadId, namespace, checkpointId });
    return stored && this.#tuple(stored);
  }

  override async *list(
    config: RunnableConfig,
    options: CheckpointListOptions = {},
  ): AsyncGenerator<CheckpointTuple> {
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    // Keys first and one checkpoint at a time: no statement stays open while the caller does something else.
    for (const key of this.#table.keys(keyQuery(config, options.before))) {
      if (left <= 0) return;
      const stored = this.#table.get(key);
      if (stored === undefined) continue;
      const tuple = await this.#tuple(stored);
      if (!matches(tuple.metadata, options.filter)) continue;
      left -= 1;
      yield tuple;
    }
  }

  // eslint-disable-next-line max-params -- LangGraph's signature
  override async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<RunnableConfig> {
    const at = place.parse(config.configurable ?? {});
    const { channel_values: values, ...body } = checkpoint;
    const changed = Object.entries(newVersions).filter(([channel]) =>
      Object.hasOwn(values, channel),
    );
    const [sealedBody, sealedMetadata, ...sealedValues] = await Promise.all([
      this.#seal(body),
      this.#seal(metadata),
      ...changed.map(async ([channel, version]) => ({
        channel,
        version: String(version),
        value: await this.#seal(values[channel]),
      })),
    ]);
    const key = {
      threadId: at.thread_id,
      namespace: at.checkpoint_ns,
      checkpointId: checkpoint.id,
    };
    if (this.#accepts(key.threadId)) {
      const record = {
        ...key,
        parentId: getCheckpointId(config) || undefined,
        body: sealedBody,
        metadata: sealedMetadata,
        versions: asText(checkpoint.channel_versions),
        changed: sealedValues,
      };
      this.#table.put(record, !this.#keepHistory && !needsAncestors(metadata));
    }
    return configOf(key);
  }

  override async putWrites(
    config: RunnableConfig,
    writes: PendingWrite[],
    taskId: string,
  ): Promise<void> {
    const { thread_id: threadId, checkpoint_ns: namespace } = place.parse(
      config.configurable ?? {},
    );
    const checkpointId = getCheckpointId(config);
    if (checkpointId === '') throw new TypeError('pending writes need configurable.checkpoint_id');
    const records = await Promise.all(
      writes.map(async ([channel, value], position) => ({
        taskId,
        idx: WRITES_IDX_MAP[channel] ?? position,
        channel,
        value: await this.#seal(value),
      })),
    );
    if (!this.#accepts(threadId)) return;
    this.#table.putWrites({ threadId, namespace, checkpointId }, records);
  }

  override async deleteThread(threadId: string): Promise<void> {
    this.#table.deleteThread(threadId);
  }

  async #seal(value: unknown): Promise<Sealed> {
    const [type, data] = await this.serde.dumpsTyped(value);
    return { type, data };
  }

  async #tuple(stored: StoredCheckpoint): Promise<CheckpointTuple> {
    const checkpoint: Checkpoint = await this.#open(stored.body);
    const values = stored.values.map(async ({ channel, value }): Promise<[string, unknown]> => [
      channel,
      await this.#open(value),
    ]);
    checkpoint.channel_values = Object.fromEntries(await Promise.all(values));
    const parent =
      stored.parentId === undefined ? undefined : { ...stored, checkpointId: stored.parentId };
    if (parent !== undefined && checkpoint.v < 4) await this.#migrateSends(checkpoint, parent);
    return {
      config: configOf(stored),
      checkpoint,
      metadata: await this.#open(stored.metadata),
      pendingWrites: await Promise.all(
        stored.writes.map(
          async ({ taskId, channel, value }): Promise<[string, string, unknown]> => [
            taskId,
            channel,
            await this.#open(value),
          ],
        ),
      ),
      ...(parent && { parentConfig: configOf(parent) }),
    };
  }

  /** Before format 4 the sends of a checkpoint were pending writes of its parent. */
  async #migrateSends(checkpoint: Checkpoint, parent: CheckpointKey): Promise<void> {
    const sends = this.#table.writesOf(parent).filter((write) => write.channel === TASKS);
    const versions = Object.values(checkpoint.channel_versions);
    checkpoint.channel_values[TASKS] = await Promise.all(
      sends.map(({ value }) => this.#open(value)),
    );
    checkpoint.channel_versions[TASKS] =
      versions.length > 0 ? maxChannelVersion(...versions) : this.getNextVersion(undefined);
  }

  #open(sealed: Sealed): ReturnType<typeof this.serde.loadsTyped> {
    return this.serde.loadsTyped(sealed.type, sealed.data);
  }
}

function keyQuery(config: RunnableConfig, before: RunnableConfig | undefined): KeyQuery {
  return {
    threadId: config.configurable?.['thread_id'],
    namespace: config.configurable?.['checkpoint_ns'],
    checkpointId: getCheckpointId(config) || undefined,
    before: before?.configurable?.['checkpoint_id'],
  };
}

function asText(versions: ChannelVersions): Record<string, string> {
  return Object.fromEntries(
    Object.entries(versions).map(([channel, version]) => [channel, String(version)]),
  );
}
