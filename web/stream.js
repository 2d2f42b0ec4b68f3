import { createSseParser } from './sse.js';
/** @import { Frame, LineState } from './types.d.ts' */

/**
 * A line to one stream that holds on: it comes back with the cursor of the last event it was given, so that nothing is
 * lost and nothing comes twice. connecting → live → (waiting → connecting)* → ended | refused.
 */

/** Nothing, not even a heartbeat, for so long: the connection is dead. */
const SILENCE_MS = 35_000;
const MAX_WAIT_MS = 15_000;
const DEFAULT_RETRY_MS = 2_000;

/**
 * Time to the next try, ms.
 * @param {{ retryMs: number, failures: number, random: () => number }} of
 */
export function backoff({ retryMs, failures, random }) {
  const ceiling = Math.min(MAX_WAIT_MS, retryMs * 2 ** Math.min(failures, 10));
  return Math.round(ceiling * (0.75 + random() * 0.5));
}

/**
 * @typedef {object} FollowOptions
 * @property {string} url of the stream
 * @property {string} [cursor] absent: from the first event on
 * @property {(frame: Frame) => void} onFrame
 * @property {(state: LineState) => void} onState
 * @property {(text: string) => void} [onNote] what happens on the wire, for the inspector
 * @property {typeof fetch} [fetch]
 * @property {() => number} [random]
 */

/** @param {FollowOptions} options */
export function follow(options) {
  const { url, onFrame, onState, onNote = () => {}, random = Math.random } = options;
  // Bound: a browser's fetch refuses any other `this`.
  const get = options.fetch ?? globalThis.fetch.bind(globalThis);
  let cursor = options.cursor ?? '';
  let replica = '';
  let retryMs = DEFAULT_RETRY_MS;
  let failures = 0;
  let over = false;
  let finished = false;
  let waiting = false;
  /** @type {AbortController | undefined} */
  let request;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let watchdog;

  /** @param {LineState['state']} state @param {Partial<LineState>} [more] */
  const tell = (state, more = {}) => {
    if (!over) onState({ state, cursor, replica, ...more });
  };

  const stop = () => {
    over = true;
    clearTimeout(timer);
    clearTimeout(watchdog);
    request?.abort();
    globalThis.removeEventListener?.('online', hurry);
  };

  /** @param {'ended' | 'refused'} state @param {number} [status] */
  const end = (state, status) => {
    if (over) return;
    stop();
    onState({ state, cursor, replica, ...(status === undefined ? {} : { status }) });
  };

  const heard = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => request?.abort(), SILENCE_MS);
  };

  /** @param {number} ms */
  const later = (ms) => {
    if (over) return;
    clearTimeout(watchdog);
    clearTimeout(timer);
    waiting = true;
    timer = setTimeout(connect, ms);
    tell('waiting', { until: Date.now() + ms });
  };

  const retry = () => {
    const wait = backoff({ retryMs, failures, random });
    failures += 1;
    later(wait);
  };

  const parser = () =>
    createSseParser({
      onRetry: (ms) => {
        retryMs = ms;
      },
      onFrame: ({ id, event, data }) => {
        if (over || finished) return;
        cursor = id;
        failures = 0;
        finished = event === 'done';
        onFrame({ id, event, data: JSON.parse(data) });
        if (!finished) tell('live');
      },
    });

  /** @param {Response} response @param {AbortController} own */
  const read = async (response, own) => {
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const { push } = parser();
    for (;;) {
      const step = await reader?.read();
      if (!step || step.done) return;
      // What was read and not yet handled when the line was cut comes again after the cursor.
      if (own.signal.aborted) return;
      heard();
      push(step.value);
      if (finished) return;
    }
  };

  /** @param {Response} response @param {AbortController} own */
  const answered = async (response, own) => {
    onNote(`← ${response.status}${replica === '' ? '' : ` from ${replica}`}`);
    if (response.status === 204) return end('ended');
    if (response.ok) {
      tell('live');
      await read(response, own);
      return finished ? end('ended') : retry();
    }
    if (response.status === 429) {
      return later(Number(response.headers.get('Retry-After') ?? 2) * 1_000);
    }
    if (response.status < 500) return end('refused', response.status);
    return retry();
  };

  async function connect() {
    if (over) return;
    waiting = false;
    const own = new AbortController();
    request = own;
    tell('connecting');
    onNote(`→ GET ${url}${cursor === '' ? '' : `  Last-Event-ID: ${cursor}`}`);
    heard();
    try {
      /** @type {Record<string, string>} */
      const headers = { Accept: 'text/event-stream' };
      if (cursor !== '') headers['Last-Event-ID'] = cursor;
      const response = await get(url, { headers, signal: own.signal, cache: 'no-store' });
      replica = response.headers.get('X-Replica-Id') ?? '';
      await answered(response, own);
    } catch {
      // A network error or our own abort: the cursor says where to go on.
      if (over) return;
      onNote(own.signal.aborted ? '✂ cut' : '× the connection broke');
      retry();
    }
  }

  /** The machine is online again, or somebody is impatient. */
  function hurry() {
    if (over || !waiting) return;
    clearTimeout(timer);
    void connect();
  }

  globalThis.addEventListener?.('online', hurry);
  void connect();
  return { cut: () => request?.abort(), hurry, close: stop };
}
