import type { SchemaDefinition } from 'mongoose';
import { RunError } from '../../agent/agent-runner.ts';
import {
  isLive,
  keysOf,
  usesSlot,
  type Job,
  type Owner,
  type QueuedJob,
} from '../../stream/job.ts';
import { dueAt } from '../job-due.ts';
import { keyText } from '../key-text.ts';
import type { IndexSpec } from './indexes.ts';
import { bytesOf, jsonText, MAX_TEXT_BYTES } from './json-text.ts';

/**
 * A job as a document: the record as JSON text, which keeps every key and every string as it is (BSON refuses NULs in
 * keys, has no lone surrogates, and its queries read dots and dollars), and beside it what the indexes need. A field
 * that does not apply is not there, so each index holds only the documents that its query is about.
 */
export interface JobDocument extends JobIndex {
  _id: string;
  record: string;
  conversation: string;
  /** Place among the jobs of its conversation and its owner: epoch ms, then `_id`. */
  at: number;
  /** Number of the slot that it got when it was inserted; none for a job that came back from a pause. */
  slot?: number;
  logDropped: boolean;
  /** Who wrote it last together with others, and as which of them: a name that no other write has. */
  batch?: string;
}

/** What follows from the record and changes with it. */
export interface JobIndex {
  version: number;
  /**
   * Idempotency keys, its own first, then its steers': one unique index over all of them. Older documents have their one
   * key as a string, which that index and its queries take as well.
   */
  key: string[];
  /** Conversation, while live and active: unique. */
  lane?: string;
  /** Conversation, while live. */
  liveIn?: string;
  /** Owner, while live. */
  liveOf?: string;
  /** Owner, while it counts against the limit. */
  slotOf?: string;
  /** While queued and active. */
  queuedAt?: number;
  /** `queuedAt`, while queued behind another one. */
  waitingSince?: number;
  dueAt?: number;
  finishedAt?: number;
}

export const JOB_FIELDS: SchemaDefinition = {
  _id: String,
  record: String,
  conversation: String,
  key: [String],
  at: Number,
  slot: Number,
  logDropped: Boolean,
  batch: String,
  version: Number,
  lane: String,
  liveIn: String,
  liveOf: String,
  slotOf: String,
  queuedAt: Number,
  waitingSince: Number,
  dueAt: Number,
  finishedAt: Number,
};

export const JOBS = 'jobs';

const index = (name: string, keys: IndexSpec['keys'], partial?: IndexSpec['partial']) => ({
  collection: JOBS,
  name,
  keys,
  ...(partial ? { partial } : {}),
});
const there = { $exists: true };

/**
 * One for each query of the store: its equalities first, then its order. A query that names a field by a value or a
 * range implies that the field is there, so a partial index serves it.
 */
export const JOB_INDEXES: readonly IndexSpec[] = [
  { ...index('key', { key: 1 }), unique: true },
  { ...index('lane', { lane: 1 }, { lane: there }), unique: true },
  { ...index('slot', { slotOf: 1, slot: 1 }, { slot: there }), unique: true },
  index('slots', { slotOf: 1 }, { slotOf: there }),
  index('conversation', { conversation: 1, at: 1, _id: 1 }),
  index('live', { liveIn: 1, at: 1, _id: 1 }, { liveIn: there }),
  index('owner', { liveOf: 1, at: 1, _id: 1 }, { liveOf: there }),
  index('queue', { queuedAt: 1, _id: 1 }, { queuedAt: there }),
  index('waiting', { waitingSince: 1, _id: 1, conversation: 1 }, { waitingSince: there }),
  index('due', { dueAt: 1, at: 1, _id: 1 }, { dueAt: there }),
  index('logs', { finishedAt: 1, at: 1, _id: 1 }, { finishedAt: there, logDropped: false }),
];

/** Two owners never have the same text. */
export function ownerText({ tenantId, userId }: Owner): string {
  return JSON.stringify([tenantId, userId]);
}

export function indexOf(job: Job): JobIndex {
  const conversation = keyText(job.conversationId);
  const owner = ownerText(job.owner);
  const due = dueAt(job);
  const live = isLive(job);
  return {
    version: job.version,
    key: keysOf(job).map(keyText),
    ...(live ? { liveIn: conversation, liveOf: owner } : {}),
    ...(live && job.lane === 'active' ? { lane: conversation } : {}),
    ...(usesSlot(job) ? { slotOf: owner } : {}),
    ...(job.status === 'queued' ? inQueue(job) : {}),
    ...(due === null ? {} : { dueAt: due }),
    ...(job.status === 'finished' ? { finishedAt: job.finishedAt } : {}),
  };
}

function inQueue({ lane, queuedAt }: QueuedJob): Pick<JobIndex, 'queuedAt' | 'waitingSince'> {
  return lane === 'active' ? { queuedAt } : { waitingSince: queuedAt };
}

/** Throws PAYLOAD_TOO_LARGE where MongoDB could not hold it. */
export function newDocument(job: QueuedJob, place: { at: number; slot: number }): JobDocument {
  return {
    _id: keyText(job.generationId),
    record: jsonText(job, 'The request'),
    conversation: keyText(job.conversationId),
    ...place,
    logDropped: false,
    ...indexOf(job),
  };
}

const CHANGING = [
  'lane',
  'liveIn',
  'liveOf',
  'slotOf',
  'queuedAt',
  'waitingSince',
  'dueAt',
  'finishedAt',
] as const satisfies (keyof JobIndex)[];

export interface JobUpdate {
  $set: JobIndex & { record: string; batch?: string };
  $unset: Record<string, ''>;
}

/**
 * Turns the document of any earlier version into that of `next`. A slot's number is kept as long as it is used. Throws
 * a RunError where the record has become too large.
 */
export function updateTo(next: Job): JobUpdate {
  const fields = indexOf(next);
  const gone: string[] = CHANGING.filter((field) => fields[field] === undefined);
  if (fields.slotOf === undefined) gone.push('slot');
  return {
    $set: { ...fields, record: recordText(next) },
    $unset: Object.fromEntries(gone.map((field) => [field, ''])),
  };
}

/** What a record may have at its end; the rest of a document is small. */
const WALL = 16 * 1024 * 1024 - 64 * 1024;

/**
 * A run that would make its record too large ends with a code. It is stopped well before the wall, so that what ends it,
 * or takes it over, can still be written.
 */
function recordText(job: Job): string {
  const text = JSON.stringify(job);
  if (bytesOf(text) <= (job.status === 'running' ? MAX_TEXT_BYTES : WALL)) return text;
  throw new RunError(
    'RECORD_TOO_LARGE',
    'The tool calls of this answer have become too large to be saved.',
    new RangeError(`the record of ${job.generationId} would have ${bytesOf(text)} bytes`),
  );
}

/** The record was written by this program in one write with its fields: it is parsed, not checked again. */
export function jobIn({ record }: { record: string }): Job {
  const job: Job = JSON.parse(record);
  return job;
}
