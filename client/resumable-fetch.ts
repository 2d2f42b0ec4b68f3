import { surroundings } from './surroundings.ts';

export interface ResumableFetchOptions {
  /** Makes the requests; the global one by default. One that adds fresh credentials may be given here. */
  fetch?: typeof fetch | undefined;
  /** Reconnects in a row that bring nothing (no event, no heartbeat) before the body fails; 12. */
  attempts?: number | undefined;
  /**
   * Milliseconds that a reconnect is waited for at most; 30,000. The first waits as long as the server's `retry:` says,
   * the next ones twice as long each. Only a `Retry-After` is obeyed beyond it.
   */
  maxRetryMs?: number | undefined;
  /** A connection that says nothing for so many milliseconds, not even a heartbeat, is broken; 45,000. */
  silenceMs?: number | undefined;
  /** Told before each wait. */
  onReconnect?: ((reconnect: Reconnect) => void) | undefined;
}

export interface Reconnect {
  /** From 1, and from 1 again once a connection brought something. Does not rise while the browser is offline. */
  attempt: number;
  waitMs: number;
  /** Of the last whole frame that the app was given; '' before the first one. */
  lastEventId: string;
  error: unknown;
}

/** The stream can't be gone on with: by this answer, or because the connection fell silent or was cut. */
export class ResumeError extends Error {
  override name = 'ResumeError';
  readonly response: Response | undefined;

  constructor(why: string, response?: Response) {
    super(why);
    this.response = response;
  }
}

/**
 * A `fetch` whose event streams outlive their connections. Where the body of a `text/event-stream` breaks, or ends
 * without the comment `: eos` or the event `done`, it is gone on with by a GET of the response's `Location` (of the
 * same URL if it was a GET) with `Last-Event-ID`. The app reads one body of whole frames, each once, that fails only
 * where there is no way on. Everything else is as with the `fetch` beneath; nothing but that GET is ever repeated.
 */
export function resumableFetch(options: ResumableFetchOptions = {}): typeof fetch {
  return async (input, init) => {
    const response = await (options.fetch ?? fetch)(input, init);
    const again = isStream(response) && nextRequest(response, input, init);
    return again ? new Response(wholeFrames(options, response, again), response) : response;
  };
}

type Again = RequestInit & { headers: Headers; url: URL };

/** The GET that goes on; none where it would go to another than who answered, as it has the request's credentials. */
function nextRequest(
  response: Response,
  input: string | URL | Request,
  init: RequestInit | undefined,
): Again | false {
  const request: Partial<Request> = input instanceof Request ? input : { url: String(input) };
  const { url: asked = '', method = 'get', credentials = 'same-origin', signal = null } = request;
  const given = { method, credentials, signal, headers: request.headers ?? {}, ...init };
  const headers = new Headers(given.headers);
  headers.set('accept', 'text/event-stream');
  headers.delete('content-type');
  const base = response.url || asked;
  // `none:` is of no origin.
  const fallback = /^get$/i.test(given.method) ? base : 'none:';
  const url = new URL(response.headers.get('location') ?? fallback, base);
  return (
    url.origin === new URL(base).origin && { ...given, method: 'GET', body: null, headers, url }
  );
}

const isStream = (answer: Response): answer is Response & { body: ReadableStream<Uint8Array> } =>
  answer.ok && `${answer.headers.get('content-type')}`.startsWith('text/event-stream');

/** A body of whole frames over as many connections as it takes: the first one's is `response`. */
function wholeFrames(
  options: ResumableFetchOptions,
  response: Response & { body: ReadableStream<Uint8Array> },
  again: Again,
): ReadableStream<Uint8Array> {
  const { attempts = 12, maxRetryMs = 3e4, silenceMs = 45e3, onReconnect } = options;
  const { headers, signal, url } = again;
  let retryMs = 1e3;
  let lastEventId = headers.get('last-event-id') ?? '';
  let reader: ReadableStreamDefaultReader<Uint8Array>;
  let decoder: InstanceType<typeof TextDecoder>;
  /** What came of a frame that is not whole yet. */
  let rest: string;
  /** Whether this connection said something. */
  let heard: boolean;
  /** Data without an id was passed on: what follows it can't be asked for. */
  let blind = false;
  /** The stream said that this is its end. */
  let over = false;
  let attempt = 0;
  /** Milliseconds that the server asked to be left alone. */
  let after = 0;
  let abort = new AbortController();
  let wake: (() => void) | undefined;
  const gone = new AbortController();

  const open = ({ body }: { body: ReadableStream<Uint8Array> }): true => {
    reader = body.getReader();
    decoder = new TextDecoder();
    rest = '';
    heard = false;
    return true;
  };

  const drop = (): void => {
    abort.abort();
    // It fails where the connection has failed.
    reader.cancel().catch(() => {});
  };

  const leave = (reason?: unknown): void => {
    gone.abort(reason);
    drop();
    wake?.();
  };

  /** The connection is dropped where it takes too long. */
  const timely = <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(drop, silenceMs);
    return work.finally(() => clearTimeout(timer));
  };

  const note = (line: string): void => {
    const [, name, value = ''] = /^(id|event|retry|): ?(.*)/s.exec(line) ?? [];
    if (name === 'retry') retryMs = +value || retryMs;
    else if (name === 'id') {
      if (value !== lastEventId) attempt = 0;
      lastEventId = value;
      over = false;
    } else if (value === (name ? 'done' : 'eos')) over = true;
  };

  const take = (bytes: Uint8Array): string => {
    const fresh = decoder.decode(bytes, { stream: true });
    rest += fresh;
    // A long line comes in many pieces: it is looked through once.
    const [frames = ''] = (fresh.includes('\n') && /.*\n\r?\n/s.exec(rest)) || [];
    if (frames) {
      rest = rest.slice(frames.length);
      // The comment at its beginning is no sign that a connection is good for anything.
      if (heard) attempt = 0;
      heard = true;
      // No ^ of several lines: to it U+2028, which a model may write, ends a line.
      frames.split(/[\r\n]+/).forEach(note);
      blind ||= !lastEventId && frames.includes('data:');
    }
    return frames;
  };

  const pause = async (error: unknown): Promise<void> => {
    const offline = surroundings.navigator?.onLine === false;
    if (blind || (!offline && ++attempt > attempts)) throw error;
    const backoff = Math.min(maxRetryMs, retryMs * 2 ** (attempt - 1)) * (1 + Math.random() / 2);
    const waitMs = Math.max(after, offline ? maxRetryMs : backoff);
    onReconnect?.({ attempt, waitMs, lastEventId, error });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (gone.signal.aborted) wake();
    });
    gone.signal.throwIfAborted();
  };

  /** False: the server says that there is no more. */
  const reconnect = async (error: unknown): Promise<boolean> => {
    await pause(error);
    after = 0;
    drop();
    abort = new AbortController();
    if (lastEventId) headers.set('last-event-id', lastEventId);
    let answer;
    try {
      answer = await timely((options.fetch ?? fetch)(url, { ...again, signal: abort.signal }));
    } catch (thrown) {
      return reconnect(thrown);
    }
    if (isStream(answer)) return open(answer);
    if (answer.status === 204) return false;
    const refusal = new ResumeError(`${answer.status}`, answer);
    if (answer.status !== 429 && answer.status < 500) {
      // The answer is the app's to read.
      abort = new AbortController();
      throw refusal;
    }
    const value = `${answer.headers.get('retry-after')}`;
    after = Math.min(3e5, +value * 1e3 || Date.parse(value) - Date.now() || 0);
    return reconnect(refusal);
  };

  const next = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    let frames = '';
    while (!frames) {
      let error: unknown = new ResumeError('cut');
      const chunk = await timely(reader.read()).catch((thrown) => void (error = thrown));
      if (chunk?.value) frames = take(chunk.value);
      else if (over || !(await reconnect(error))) {
        controller.close();
        return leave();
      }
    }
    controller.enqueue(new TextEncoder().encode(frames));
  };

  open(response);
  signal?.addEventListener('abort', () => leave(signal.reason), gone);
  // A network that is back, or a user who looks again, is not kept waiting, unless the server said how long.
  const hurry = (): void => {
    if (after) return;
    attempt = 0;
    wake?.();
  };
  for (const type of ['online', 'visibilitychange']) {
    surroundings.addEventListener?.(type, hurry, gone);
  }
  return new ReadableStream({
    pull: (controller) =>
      next(controller).catch((error) => {
        leave();
        throw error;
      }),
    cancel: leave,
  });
}
