import { connect, type Socket } from 'node:net';
import { ClientFold } from './client-fold.ts';
import { type Head, ResponseReader } from './http-wire.ts';
import { EventStreamParser, type Frame } from './sse-parser.ts';
import { ConnectionRules, describe, type Entry } from './stream-rules.ts';

/**
 * How a connection ended. `clean`: the response was complete by its own framing. `truncated`: it was not, whatever
 * the socket said (a FIN inside a chunked body is a cut like a reset is). `left`: the reader went.
 */
export type Ending = 'clean' | 'truncated' | 'refused' | 'left';

export interface Target {
  baseUrl: string;
  path: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export interface ConnectOptions extends Target {
  entry: Entry;
  cursor?: { seq: number; id: string };
  /** `false` leaves. */
  onFrame?: (frame: Frame) => boolean | void;
}

export interface Connection {
  head: Head | undefined;
  frames: Frame[];
  comments: number;
  ending: Ending;
  /** Of an answer that is no stream. */
  body: string;
}

function requestOf({ baseUrl, path, headers = {}, entry, cursor }: ConnectOptions): string {
  const { host } = new URL(baseUrl);
  const query = entry === 'snapshot' ? `${path.includes('?') ? '&' : '?'}snapshot=1` : '';
  const all = {
    Host: host,
    Accept: 'text/event-stream',
    ...(entry === 'cursor' && cursor && { 'Last-Event-ID': cursor.id }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path}${query} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** Checks what every stream must send before its first frame. */
function checkHead({ status, headers }: Head, framing: string | undefined): void {
  if (status !== 200) return;
  const type = headers.get('content-type') ?? '';
  if (!type.startsWith('text/event-stream')) throw new Error(`content-type ${type}`);
  if (headers.get('cache-control') !== 'no-cache, no-transform') {
    throw new Error(`cache-control ${headers.get('cache-control')}`);
  }
  if (headers.has('content-encoding')) throw new Error('a live stream must not be compressed');
  if (framing === 'until_close') throw new Error('a cut could not be told from the end');
}

/** One connection, read strictly: rejects where the server breaks the protocol, resolves however the network ends it. */
export function readConnection(options: ConnectOptions): Promise<Connection> {
  const { hostname, port } = new URL(options.baseUrl);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const reading = new Reading(options, socket);
    const leave = (): void => reading.leave();
    options.signal?.addEventListener('abort', leave, { once: true });
    if (options.signal?.aborted) leave();
    socket.on('connect', () => socket.write(requestOf(options)));
    socket.on('data', (bytes) => reading.push(bytes));
    // A reset is one way to be cut; `close` follows and tells.
    socket.on('error', () => {});
    socket.on('close', () => {
      options.signal?.removeEventListener('abort', leave);
      if (reading.fault) reject(reading.fault);
      else resolve(reading.result());
    });
  });
}

class Reading {
  fault: Error | undefined;
  readonly #options: ConnectOptions;
  readonly #socket: Socket;
  readonly #rules: ConnectionRules;
  readonly #http = new ResponseReader((bytes) => this.#body(bytes));
  readonly #events = new EventStreamParser((frame) => this.#frame(frame));
  readonly #frames: Frame[] = [];
  #text = '';
  #left = false;

  constructor(options: ConnectOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#rules = new ConnectionRules(options.entry, options.cursor);
  }

  leave(): void {
    this.#left = true;
    this.#socket.destroy();
  }

  push(bytes: Uint8Array): void {
    if (this.#left || this.fault) return;
    try {
      this.#http.push(bytes);
      if (this.#http.complete && !this.#left) this.#completed();
    } catch (error) {
      this.fault = error instanceof Error ? error : new Error(String(error));
      this.#socket.destroy();
    }
  }

  #completed(): void {
    this.#socket.end();
    if (this.#isStream && !this.#rules.done) {
      throw new Error(`a clean end before done, after ${this.#frames.length} frames`);
    }
  }

  get #isStream(): boolean {
    return this.#http.head?.status === 200;
  }

  #body(bytes: Uint8Array): void {
    if (this.#left) return;
    if (!this.#isStream) {
      this.#text += Buffer.from(bytes).toString('utf8');
      return;
    }
    if (this.#text === '' && this.#http.head) {
      checkHead(this.#http.head, this.#http.framing);
      this.#text = 'checked';
    }
    this.#events.push(bytes);
  }

  #frame(frame: Frame): void {
    if (this.#left) return;
    this.#rules.check(frame);
    this.#frames.push(frame);
    if (this.#options.onFrame?.(frame) === false) this.leave();
  }

  result(): Connection {
    const { head } = this.#http;
    return {
      head,
      frames: this.#frames,
      comments: this.#events.comments,
      ending: this.#ending(),
      body: this.#isStream ? '' : this.#text,
    };
  }

  #ending(): Ending {
    if (this.#left) return 'left';
    if (this.#http.complete) return 'clean';
    return this.#socket.bytesRead === 0 && this.#http.head === undefined ? 'refused' : 'truncated';
  }
}

/** What a reader does when it was cut: come back with its cursor, or begin anew. */
export type Strategy = (attempt: number) => Entry;

export interface ResumeOptions extends Target {
  strategy?: Strategy;
  onFrame?: (frame: Frame) => boolean | void;
  /** Statuses that a restarting or draining server may answer; the reader comes back. */
  retryOn?: readonly number[];
}

export interface ReadResult {
  fold: ClientFold;
  /** Frames in the order of arrival over all connections. */
  frames: Frame[];
  /** One per connection that was opened. */
  endings: Ending[];
  resets: number;
  done: Frame;
}

const PAUSE_MS = 20;
/** About 20 s of nobody there: the server is gone for good. */
const GIVE_UP = 1000;

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}

/** Reads until `done`, however often it is cut. `signal` ends it with a rejection. */
export async function readWithResume(options: ResumeOptions): Promise<ReadResult> {
  const progress = { fold: new ClientFold(), frames: [], endings: [], resets: 0 };
  const reader = new ResumingReader(options, progress);
  for (let attempt = 0; ; attempt += 1) {
    const done = await reader.attempt(attempt);
    if (done) return { ...progress, done };
  }
}

type Progress = Omit<ReadResult, 'done'>;

class ResumingReader {
  readonly #options: ResumeOptions;
  readonly #progress: Progress;
  /** Connections in a row that got no byte. */
  #refused = 0;

  constructor(options: ResumeOptions, progress: Progress) {
    this.#options = options;
    this.#progress = progress;
  }

  /** One connection. The terminal event counts once the response ended, or a later request says that it is the end. */
  async attempt(attempt: number): Promise<Frame | undefined> {
    const { fold, endings } = this.#progress;
    const before = fold.done;
    const connection = await this.#connect(before ? 'cursor' : this.#entry(attempt));
    endings.push(connection.ending);
    if (connection.ending === 'left') throw new Error(`left after ${this.#where()}`);
    const status = connection.head?.status;
    if (fold.done && connection.ending === 'clean') {
      if (before && status !== 204) throw new Error(`at the end ${status}, not 204`);
      return fold.done;
    }
    if (status === 200) return undefined;
    if (status !== undefined && !this.#options.retryOn?.includes(status)) {
      throw new Error(`${this.#options.path}: ${status} ${connection.body.slice(0, 300)}`);
    }
    await this.#backOff(connection.ending);
    return undefined;
  }

  async #backOff(ending: Ending): Promise<void> {
    this.#refused = ending === 'refused' ? this.#refused + 1 : 0;
    if (this.#refused > GIVE_UP) throw new Error(`nobody answers, after ${this.#where()}`);
    await pause();
  }

  #entry(attempt: number): Entry {
    const wanted = this.#options.strategy?.(attempt) ?? 'cursor';
    return wanted === 'cursor' && !this.#progress.fold.cursor ? 'fresh' : wanted;
  }

  #connect(entry: Entry): Promise<Connection> {
    const { fold } = this.#progress;
    if (entry !== 'cursor') fold.clear();
    return readConnection({
      ...this.#options,
      entry,
      ...(fold.cursor && { cursor: fold.cursor }),
      onFrame: (frame) => this.#frame(frame),
    });
  }

  #frame(frame: Frame): boolean | void {
    const { frames, fold } = this.#progress;
    if (fold.done) throw new Error(`a frame after done: ${describe(frame)}`);
    frames.push(frame);
    if (frame.event === 'reset') this.#progress.resets += 1;
    fold.apply(frame);
    return this.#options.onFrame?.(frame);
  }

  #where(): string {
    const { frames, endings, fold } = this.#progress;
    const at = fold.cursor?.id ?? 'none';
    return `${frames.length} frames, ${endings.length} connections, cursor ${at}`;
  }
}
