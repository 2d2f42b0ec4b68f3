import { z } from 'zod';
import type { CheckpointKey } from '../checkpoint-rules.ts';

/** A value as LangGraph's serializer made it. */
export interface Sealed {
  type: string;
  data: Uint8Array;
}

/** A checkpoint ready to be stored. */
export interface CheckpointRecord extends CheckpointKey {
  parentId: string | undefined;
  body: Sealed;
  metadata: Sealed;
  /** Every channel of the checkpoint with its version. */
  versions: Record<string, string>;
  /** Channels that this checkpoint changed, at their version in `versions`. */
  changed: { channel: string; version: string; value: Sealed }[];
}

export interface StoredCheckpoint extends CheckpointKey {
  parentId: string | undefined;
  body: Sealed;
  metadata: Sealed;
  values: { channel: string; value: Sealed }[];
  writes: StoredWrite[];
}

export interface StoredWrite {
  taskId: string;
  channel: string;
  value: Sealed;
}

/** libsql hands out a Buffer from `get` and an ArrayBuffer from `all`. */
const blob = z.union([
  z.instanceof(Uint8Array),
  z.instanceof(ArrayBuffer).transform((buffer) => new Uint8Array(buffer)),
]);

export const checkpointRow = z.object({
  thread_id: z.string(),
  checkpoint_ns: z.string(),
  checkpoint_id: z.string(),
  parent_id: z.string().nullable(),
  body_type: z.string(),
  body: blob,
  metadata_type: z.string(),
  metadata: blob,
  versions: z.string(),
});

export const keyRow = checkpointRow
  .pick({ thread_id: true, checkpoint_ns: true, checkpoint_id: true })
  .transform((row): CheckpointKey => ({
    threadId: row.thread_id,
    namespace: row.checkpoint_ns,
    checkpointId: row.checkpoint_id,
  }));

export const valueRow = z
  .object({ channel: z.string(), type: z.string(), value: blob })
  .transform((row) => ({ channel: row.channel, value: { type: row.type, data: row.value } }));

export const writeRow = z
  .object({ task_id: z.string(), channel: z.string(), type: z.string(), value: blob })
  .transform((row): StoredWrite => ({
    taskId: row.task_id,
    channel: row.channel,
    value: { type: row.type, data: row.value },
  }));
