import type { JsonObject } from './lib/json.ts';

/** Every code a client can meet, with its HTTP status (docs/PROTOCOL.md). */
export const ERROR_STATUS = {
  INVALID_REQUEST: 400,
  INVALID_JSON: 400,
  AGENT_REQUIRES_APPROVAL: 400,
  UNDECIDED: 400,
  UNKNOWN_TOOL_CALL: 400,
  DUPLICATE_DECISION: 400,
  INCOMPLETE_DECISION: 400,
  UNAUTHENTICATED: 401,
  BUDGET_EXCEEDED: 402,
  FORBIDDEN_ORIGIN: 403,
  FORBIDDEN: 403,
  DECISION_NOT_ALLOWED: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  NOT_ACCEPTABLE: 406,
  REQUEST_TIMEOUT: 408,
  CONVERSATION_BUSY: 409,
  IDEMPOTENCY_CONFLICT: 409,
  ANSWER_COMPLETE: 409,
  STALE_ACTION: 409,
  NO_PENDING_ACTION: 409,
  ACTION_ALREADY_RESOLVED: 409,
  AGENT_CHANGED: 409,
  ACTION_EXPIRED: 410,
  PAYLOAD_TOO_LARGE: 413,
  FILE_TOO_LARGE: 413,
  FILE_QUOTA_EXCEEDED: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  RANGE_NOT_SATISFIABLE: 416,
  CONTENT_REFUSED: 422,
  EDITED_ARGS_INVALID: 422,
  FILE_NOT_ACCEPTED: 422,
  RESPONSE_INVALID: 422,
  TOO_MANY_GENERATIONS: 429,
  TOO_MANY_STREAMS: 429,
  TOO_MANY_FILES: 429,
  INTERNAL: 500,
  GENERATION_FAILED: 502,
  UNAVAILABLE: 503,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** How an answer to a pending action can be refused, in whatever protocol (docs/PROTOCOL.md section 4). */
export const ANSWER_REFUSALS: readonly ErrorCode[] = [
  'FORBIDDEN',
  'UNDECIDED',
  'UNKNOWN_TOOL_CALL',
  'DUPLICATE_DECISION',
  'INCOMPLETE_DECISION',
  'DECISION_NOT_ALLOWED',
  'STALE_ACTION',
  'NO_PENDING_ACTION',
  'ACTION_ALREADY_RESOLVED',
  'AGENT_CHANGED',
  'ACTION_EXPIRED',
  'CONTENT_REFUSED',
  'EDITED_ARGS_INVALID',
  'RESPONSE_INVALID',
];

export interface ErrorExtras {
  details?: JsonObject;
  cause?: unknown;
  /** Response headers that belong to this refusal, e.g. `Retry-After`. */
  headers?: Record<string, string>;
}

/** A refusal that a client may see: code, true status, a message without secrets. */
export class AppError extends Error {
  override name = 'AppError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly details: JsonObject | undefined;
  readonly headers: Record<string, string>;

  constructor(code: ErrorCode, message: string, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.code = code;
    this.status = ERROR_STATUS[code];
    this.details = extras.details;
    this.headers = extras.headers ?? {};
  }
}

/** One sentence for everything that does not exist or is not yours: the bytes must not tell which. */
export function notFound(
  what:
    | 'conversation'
    | 'stream'
    | 'generation'
    | 'agent'
    | 'message'
    | 'approval'
    | 'rule'
    | 'file'
    | 'response',
): AppError {
  return new AppError('NOT_FOUND', `No such ${what}.`);
}

/** A store is out of reach: nothing is known to be lost, and the same request may be sent again in a moment. */
export function unavailable(cause: unknown): AppError {
  return new AppError('UNAVAILABLE', 'A store can not be reached at the moment.', {
    cause,
    headers: { 'Retry-After': '2' },
  });
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof AppError && error.code === 'UNAVAILABLE';
}
