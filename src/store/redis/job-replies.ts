import { unavailable } from '../../errors.ts';
import type { Job } from '../../stream/job.ts';
import type { InsertResult, StoreResult } from '../../stream/job-store.ts';

/** What the scripts and commands of the job store answer, as values of the port. */

/** First element of what the writing scripts return. */
export const CODE = {
  inserted: 'inserted',
  duplicate: 'duplicate',
  busy: 'busy',
  limit: 'limit',
  used: 'used',
  stored: 'stored',
  stale: 'stale',
  laneTaken: 'lane_taken',
  keyTaken: 'key_taken',
  deleted: 'deleted',
  gone: 'gone',
  steered: 'steered',
} as const;

export type InsertReply =
  | Exclude<InsertResult, { outcome: 'inserted' }>
  | { outcome: 'inserted' }
  /** The id was used before. */
  | { outcome: 'used' };

export function insertReply(reply: unknown): InsertReply {
  const [code, value] = parts(reply);
  switch (code) {
    case CODE.inserted:
    case CODE.used:
      return { outcome: code };
    case CODE.duplicate:
    case CODE.busy:
      return { outcome: code, job: jobIn(value) };
    case CODE.limit:
      return { outcome: code, live: numberIn(value) };
    default:
      throw unexpected(reply);
  }
}

export function storeResult(reply: unknown): StoreResult {
  const [code, value] = parts(reply);
  switch (code) {
    case CODE.stored:
      return { outcome: 'stored' };
    case CODE.stale:
      return { outcome: 'stale', current: jobOrNone(value) };
    case CODE.laneTaken:
    case CODE.keyTaken:
      return { outcome: code };
    default:
      throw unexpected(reply);
  }
}

/** False: the job got another steer since it was read, and is still there. */
export function isDeleted(reply: unknown): boolean {
  const [code] = parts(reply);
  if (code === CODE.steered) return false;
  if (code === CODE.deleted || code === CODE.gone) return true;
  throw unexpected(reply);
}

export function jobOrNone(reply: unknown): Job | undefined {
  return reply === null || reply === undefined ? undefined : jobIn(reply);
}

export function firstJob(reply: unknown): Job | undefined {
  return jobsIn(reply)[0];
}

export function jobsIn(reply: unknown): Job[] {
  return parts(reply).map(jobIn);
}

/**
 * The record was written by this program in one script with its indexes: it is parsed, not checked again. One that an
 * index names and that is not there is on another node: their slot is moving, and its keys go one by one.
 */
function jobIn(reply: unknown): Job {
  if (reply === null) throw unavailable(new Error('a record is not where its index is'));
  if (typeof reply !== 'string') throw unexpected(reply);
  const job: Job = JSON.parse(reply);
  return job;
}

function numberIn(reply: unknown): number {
  if (typeof reply !== 'number') throw unexpected(reply);
  return reply;
}

function parts(reply: unknown): unknown[] {
  if (!Array.isArray(reply)) throw unexpected(reply);
  return reply;
}

/** Not what it says: it may hold what a user wrote. */
function unexpected(reply: unknown): Error {
  return new Error(`a script of the job store answered with ${typeof reply}`);
}
