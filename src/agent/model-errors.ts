import { RunError } from './agent-runner.ts';
import { isRecord } from './chunk-content.ts';

/** What became of a model call, told without a key, a URL or a stack. */
export interface ModelFault {
  error: RunError;
  /** The same request may succeed a little later. */
  retryable: boolean;
  /** The provider said how long to wait. */
  retryAfterMs: number | undefined;
}

/** The chain of causes: clients wrap what went wrong. */
function* chain(error: unknown): Generator<Record<string, unknown>> {
  let current = error;
  for (let depth = 0; depth < 6 && isRecord(current); depth += 1) {
    yield current;
    current = current['cause'];
  }
}

function statusOf(error: unknown): number | undefined {
  for (const { status } of chain(error)) if (typeof status === 'number') return status;
  return undefined;
}

/** Code words and message of the whole chain: only compared, never shown. */
function wordsOf(error: unknown): string {
  const words: unknown[] = [];
  for (const { name, code, type, message, lc_error_code: own } of chain(error))
    words.push(name, code, type, own, message);
  return words
    .filter((word) => typeof word === 'string')
    .join(' ')
    .toLowerCase()
    .slice(0, 8_000);
}

function header(error: unknown, name: string): string | undefined {
  for (const { headers } of chain(error)) {
    if (headers instanceof Headers) return headers.get(name) ?? undefined;
    if (isRecord(headers) && typeof headers[name] === 'string') return headers[name];
  }
  return undefined;
}

function retryAfter(error: unknown, now: number): number | undefined {
  const ms = Number(header(error, 'retry-after-ms'));
  if (ms > 0) return ms;
  const value = header(error, 'retry-after');
  if (value === undefined) return undefined;
  const wait = Number.isNaN(Number(value)) ? Date.parse(value) - now : Number(value) * 1_000;
  return wait >= 0 ? wait : undefined;
}

const CONTEXT =
  /context_length_exceeded|contextoverflow|maximum context length|context window|prompt is too long|too many tokens/;
const QUOTA = /insufficient_quota|exceeded your current quota|billing/;

type Verdict = readonly [code: string, message: string, retryable: boolean];

const FAILED = 'The model failed while it was answering.';

function verdict(status: number | undefined, words: string): Verdict {
  if (CONTEXT.test(words))
    return ['CONTEXT_TOO_LONG', 'The conversation is too long for this model.', false];
  if (status === 401 || status === 403)
    return ['MODEL_AUTH', 'The model provider refused the credentials of this server.', false];
  if (QUOTA.test(words))
    return ['MODEL_RATE_LIMITED', 'The quota at the model provider is used up.', false];
  if (status === 429)
    return ['MODEL_RATE_LIMITED', 'The model provider is limiting requests. Try again soon.', true];
  if (status === 404) return ['MODEL_ERROR', 'The provider does not know this model.', false];
  if (status === undefined) return ['MODEL_ERROR', FAILED, true];
  if (status === 408 || status === 409 || status >= 500)
    return ['MODEL_ERROR', 'The model provider is not available.', true];
  return ['MODEL_ERROR', 'The model provider refused the request.', false];
}

export function modelFault(error: unknown, now: number): ModelFault {
  if (error instanceof RunError) return { error, retryable: false, retryAfterMs: undefined };
  const [code, message, retryable] = verdict(statusOf(error), wordsOf(error));
  return {
    error: new RunError(code, message, error),
    retryable,
    retryAfterMs: retryAfter(error, now),
  };
}
