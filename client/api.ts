import { sleep } from './sleep.ts';
import { resumableFetch, ResumeError, type ResumableFetchOptions } from './resumable-fetch.ts';
import type { JsonObject } from './types.ts';

export interface ApiOptions extends ResumableFetchOptions {
  /** Where Holdfast is, with the path in front of `/api` if a proxy adds one; '' is the page's own origin. */
  baseUrl: string;
  /** Of every request. Credentials that expire: wrap `fetch`. */
  headers?: Record<string, string> | undefined;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** The server refused: docs/PROTOCOL.md says which code means what. */
export class ApiError extends Error {
  override name = 'ApiError';
  /** SCREAMING_SNAKE; `HTTP_<status>` where the answer is not of Holdfast (a proxy's page). */
  readonly code: string;
  /** Of HTTP. */
  readonly status: number;
  readonly details: JsonObject;
  readonly retryAfterMs: number | undefined;

  constructor(answer: Response, body: string) {
    const { code, message, details } = errorOf(body);
    super(message ?? `HTTP ${answer.status}`);
    this.status = answer.status;
    this.code = code ?? `HTTP_${answer.status}`;
    this.details = details ?? {};
    this.retryAfterMs = retryAfterOf(answer);
  }
}

function errorOf(body: string): { code?: string; message?: string; details?: JsonObject } {
  try {
    return JSON.parse(body).error ?? {};
  } catch {
    // No JSON, or null: not of Holdfast.
    return {};
  }
}

function retryAfterOf({ headers }: Response): number | undefined {
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  const ms = Number(value) * 1e3 || Date.parse(value) - Date.now() || 0;
  return Math.max(0, ms);
}

/** What a proxy or a server says that can't serve for now. */
const PASSING = new Set([502, 503, 504]);
/** Milliseconds that a `Retry-After` is obeyed at most. */
const MAX_RETRY_AFTER_MS = 60e3;

export interface Request extends CallOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below `/api`. */
  path: string;
  body?: object;
  /** Makes a repeat the same request, where no id in the body does. */
  key?: string | undefined;
}

/** The requests of docs/PROTOCOL.md. Each may be repeated: what begins a turn carries its messageId, or a key. */
export class Api {
  readonly baseUrl: string;
  readonly #options: ApiOptions;
  readonly #streams: typeof fetch;

  constructor(options: ApiOptions) {
    this.baseUrl = options.baseUrl.replace(/\/+$/, '');
    this.#options = options;
    this.#streams = resumableFetch(options);
  }

  /**
   * The JSON of the answer. Network errors, answers that break off, and 502 to 504 are asked again, `attempts` times (6)
   * at most, after the wait that the server named, or 0.5 s and twice as long each time with jitter.
   * Throws ApiError, the last network error, or the reason of the signal.
   */
  call<T>(request: Request): Promise<T> {
    return this.#repeated(request.signal, async (again) => {
      const { text, answer } = await this.#once(request);
      // It was removed by the first one, whose answer was lost.
      const gone = again && request.method === 'DELETE' && answer.status === 404;
      if (!answer.ok && !gone) throw new ApiError(answer, text);
      return text === '' || gone ? undefined : JSON.parse(text);
    });
  }

  /** The body of an event stream, whole frames over any number of connections; null where there is no more (204). */
  async stream(
    generationId: string,
    cursor: string,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array> | null> {
    const headers = this.#headers({ accept: 'text/event-stream' });
    if (cursor) headers.set('last-event-id', cursor);
    const url = `${this.baseUrl}/api/chat/stream/${encodeURIComponent(generationId)}`;
    return this.#repeated(signal, async () => {
      const answer = await this.#streams(url, { headers, signal });
      if (!answer.ok) throw new ApiError(answer, await answer.text());
      return answer.body;
    });
  }

  #headers(more: Record<string, string>): Headers {
    const headers = new Headers(this.#options.headers);
    for (const [name, value] of Object.entries(more)) headers.set(name, value);
    return headers;
  }

  /** An answer that takes too long is a broken connection. */
  async #once({ method = 'GET', path, body, key, signal }: Request) {
    const { fetch: fetcher = fetch, silenceMs = 45e3 } = this.#options;
    const abort = new AbortController();
    const late = setTimeout(() => abort.abort(new Error('no answer')), silenceMs);
    const stop = (): void => abort.abort(signal?.reason);
    signal?.addEventListener('abort', stop);
    try {
      const answer = await fetcher(`${this.baseUrl}/api${path}`, {
        method,
        headers: this.#headers({
          accept: 'application/json',
          ...(body && { 'content-type': 'application/json' }),
          ...(key && { 'idempotency-key': key }),
        }),
        signal: abort.signal,
        ...(body && { body: JSON.stringify(body) }),
      });
      return { answer, text: await answer.text() };
    } finally {
      clearTimeout(late);
      signal?.removeEventListener('abort', stop);
    }
  }

  async #repeated<T>(
    signal: AbortSignal | undefined,
    work: (again: boolean) => Promise<T>,
  ): Promise<T> {
    const { attempts = 6, maxRetryMs = 30e3 } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      signal?.throwIfAborted();
      try {
        return await work(attempt > 0);
      } catch (error) {
        signal?.throwIfAborted();
        const refused = error instanceof ApiError;
        if (attempt >= attempts || (refused && !PASSING.has(error.status))) throw error;
        const after = Math.min(MAX_RETRY_AFTER_MS, (refused && error.retryAfterMs) || 0);
        const backoff = Math.min(maxRetryMs, 500 * 2 ** attempt) * (1 + Math.random() / 2);
        await sleep(Math.max(after, backoff), signal);
      }
    }
  }
}

/** A stream that can't be gone on with because the server refused says so as every other call does. */
export async function asApiError(error: unknown): Promise<unknown> {
  if (!(error instanceof ResumeError) || !error.response) return error;
  try {
    return new ApiError(error.response, await error.response.text());
  } catch {
    // Its body broke off.
    return new ApiError(error.response, '');
  }
}
