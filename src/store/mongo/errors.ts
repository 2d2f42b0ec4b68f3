import { mongo, Error as MongooseErrors } from 'mongoose';
import { AppError, unavailable } from '../../errors.ts';
import { OperatorError } from '../../lib/operator-error.ts';

/** MongoDB can't be used as it is configured; the message is one sentence for the operator, without credentials. */
export class MongoConfigError extends OperatorError {
  override name = 'MongoConfigError';
}

/** Driver errors that say that no server took the command, or that its answer never came. */
const OUT_OF_REACH = [
  mongo.MongoNetworkError,
  mongo.MongoSystemError,
  mongo.MongoOperationTimeoutError,
  mongo.MongoNotConnectedError,
  mongo.MongoTopologyClosedError,
  mongo.MongoServerClosedError,
  mongo.MongoClientClosedError,
  mongo.MongoExpiredSessionError,
  mongo.MongoStalePrimaryError,
  mongo.MongoUnexpectedServerResponseError,
  mongo.MongoWriteConcernError,
  MongooseErrors.MongooseServerSelectionError,
];

/** Errors of the driver's pool, whose classes it does not export. */
const POOL_ERRORS = new Set([
  'MongoPoolClosedError',
  'MongoPoolClearedError',
  'MongoWaitQueueTimeoutError',
]);

/**
 * Numbers of a server that is there and can't serve now: shutting down, not primary, over a time limit, a write
 * concern not reached in time, a cursor that is gone, out of disk or memory.
 */
const SERVER_CODES = new Set([
  6, 7, 24, 43, 50, 63, 64, 79, 89, 91, 100, 112, 133, 134, 146, 150, 189, 202, 225, 234, 237, 262,
  290, 317, 358, 384, 402, 462, 9001, 10058, 10107, 11600, 11601, 11602, 13388, 13435, 13436, 14031,
]);

/** A socket that breaks under a write: the driver lets Node's own error through. */
const SOCKET_CODES = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTCONN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ERR_SOCKET_CLOSED',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
]);

export const DUPLICATE_KEY = 11_000;

const LABELS = ['RetryableWriteError', 'TransientTransactionError', 'SystemOverloadedError'];

/** The fields of the unique index that refused a write; undefined: it was something else. */
export function duplicateFields(error: unknown): string[] | undefined {
  if (!(error instanceof mongo.MongoServerError) || error.code !== DUPLICATE_KEY) return undefined;
  const pattern: unknown = error['keyPattern'];
  return typeof pattern === 'object' && pattern !== null ? Object.keys(pattern) : [];
}

/**
 * Which writes of a bulk write failed by themselves, by place, and how many of the others found their document;
 * undefined: it failed as a whole, or is not acknowledged.
 */
export function failedWrites(error: unknown): { failed: Set<number>; matched: number } | undefined {
  if (!(error instanceof mongo.MongoBulkWriteError)) return undefined;
  const { result, writeErrors } = error;
  const each = Array.isArray(writeErrors) ? writeErrors : [writeErrors];
  if (each.length === 0 || result.getWriteConcernError()) return undefined;
  return { failed: new Set(each.map(({ index }) => index)), matched: result.matchedCount };
}

/**
 * A bulk write that failed as a whole: the driver makes this one error of every other, and keeps only the code, which
 * those of the network do not have.
 */
function isBulkOutOfReach(error: unknown): boolean {
  if (!(error instanceof mongo.MongoBulkWriteError)) return false;
  return error.code === undefined || error.result.getWriteConcernError() !== undefined;
}

/** Is it the server's or the network's state that failed, and not what was asked of it? */
export function isOutOfReach(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const code: unknown = 'code' in error ? error.code : undefined;
  if (typeof code === 'string' && SOCKET_CODES.has(code)) return true;
  if (!(error instanceof Error)) return false;
  if (POOL_ERRORS.has(error.name) || OUT_OF_REACH.some((kind) => error instanceof kind)) {
    return true;
  }
  if (!(error instanceof mongo.MongoError)) return false;
  if (typeof code === 'number' && SERVER_CODES.has(code)) return true;
  return LABELS.some((label) => error.hasErrorLabel(label));
}

/** What an adapter throws for what the driver threw. Programming errors stay what they are. */
export function asStoreError(error: unknown): unknown {
  if (error instanceof AppError) return error;
  return isOutOfReach(error) || isBulkOutOfReach(error) ? unavailable(error) : error;
}
