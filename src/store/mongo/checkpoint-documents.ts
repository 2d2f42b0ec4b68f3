import { mongo } from 'mongoose';
import { z } from 'zod';
import { RunError } from '../../agent/agent-runner.ts';
import type { CheckpointKey } from '../checkpoint-rules.ts';

/** How checkpoints look in MongoDB. Field names are those of `MongoDBSaver`, whose indexes they use. */

/** What a document may take: the server's wall is at 16 MiB. */
export const MAX_BYTES = 15 * 1024 * 1024;

const bytes = z.instanceof(mongo.Binary).transform((binary) => binary.value());

const keyFields = {
  thread_id: z.string(),
  checkpoint_ns: z.string(),
  checkpoint_id: z.string(),
};

/** One checkpoint with its whole state. */
export interface CheckpointDocument {
  _id: string;
  thread_id: string;
  checkpoint_ns: string;
  checkpoint_id: string;
  parent_checkpoint_id: string | null;
  /** The serializer's word for both of them. */
  type: string;
  checkpoint: mongo.Binary;
  metadata: mongo.Binary;
  /** Rises with every checkpoint of a namespace, whatever the clocks of those who write them say. */
  order: number;
  /** False: it can only be read together with the checkpoints before it. */
  alone: boolean;
}

export const keyDocument = z.object(keyFields).transform((at): CheckpointKey => ({
  threadId: at.thread_id,
  namespace: at.checkpoint_ns,
  checkpointId: at.checkpoint_id,
}));

export const checkpointDocument = z.object({
  ...keyFields,
  parent_checkpoint_id: z.string().nullable(),
  type: z.string(),
  checkpoint: bytes,
  metadata: bytes,
  order: z.number(),
});

export type StoredCheckpoint = z.output<typeof checkpointDocument>;

const write = z.object({ channel: z.string(), type: z.string(), value: bytes });

/** Pending writes of one task, either the ordinary ones or the special ones. */
export const writesDocument = z.object({
  task_id: z.string(),
  order: z.number(),
  /** Ordinary writes: all of them come with one document, so that no crash leaves a part of them. */
  writes: z.array(write).default([]),
  /** Special writes, each in a slot of its own that the latest one takes. */
  slots: z.record(z.string(), write).default({}),
});

export interface StoredWrite {
  taskId: string;
  channel: string;
  type: string;
  value: Uint8Array;
}

export interface SealedWrite {
  channel: string;
  type: string;
  value: mongo.Binary;
}

/** The keys of a document, told apart by what they are made of. A key decides races: nothing is stored twice. */
export function documentId(...parts: string[]): string {
  return JSON.stringify(parts);
}

export function fieldsOf({ threadId, namespace, checkpointId }: CheckpointKey) {
  return { thread_id: threadId, checkpoint_ns: namespace, checkpoint_id: checkpointId };
}

/** Refuses what the server could not hold: with a code, so that the run ends instead of being driven again. */
export function assertFits(document: object, maxBytes: number): void {
  const size = mongo.BSON.calculateObjectSize(document);
  if (size <= maxBytes) return;
  throw new RunError(
    'CHECKPOINT_TOO_LARGE',
    'The state of this answer has become too large to be saved.',
    new RangeError(`${size} bytes of state, at most ${maxBytes} can be kept`),
  );
}
