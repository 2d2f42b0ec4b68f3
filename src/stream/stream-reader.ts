import type { Clock } from '../lib/clock.ts';
import type { Position } from './cursor.ts';
import type { ResetReason } from './events.ts';
import { syncFrame } from './frame.ts';
import type { FrameSink, Reader } from './generations.ts';
import type { LogHub } from './log-hub.ts';
import type { Follower, LogView } from './log-view.ts';
import type { StreamMetrics } from './metrics.ts';

/**
 * Most bytes handed to a socket in one go; it is also what a reader that does not drain has in its buffer. Each write
 * costs a waking of the process when it has drained.
 */
const TURN_BYTES = 256 * 1024;
/** The same of coalesced frames: unlike those of the slab they are a copy of the reader's own. */
const RUN_BYTES = 128 * 1024;

/** Where a reader begins. */
export type Start =
  | { from: 'start' }
  | { from: 'snapshot' }
  | { from: 'cursor'; at: Position }
  | { from: 'reset'; reason: ResetReason };

export interface ReaderDeps {
  hub: LogHub;
  clock: Clock;
  metrics: StreamMetrics;
}

/**
 * One reader of one log. It is only a place in the log: nothing is buffered for it, and while its socket does not
 * drain it costs nothing. What it sends is a contiguous run of the log, or begins anew with an explicit `reset`.
 */
export class StreamReader implements Reader, Follower {
  readonly #view: LogView;
  readonly #sink: FrameSink;
  readonly #deps: ReaderDeps;
  #at: Position = { fence: 0, seq: 0 };
  /** Next run of the coalesced log; undefined: exact frames after `#at`. */
  #run: number | undefined;
  #incarnation: number;
  /** A snapshot is due before anything else. */
  #snapshot: { reason?: ResetReason } | undefined;
  #blocked = false;
  #loading = false;
  #over = false;

  constructor(place: { view: LogView; sink: FrameSink; start: Start }, deps: ReaderDeps) {
    this.#view = place.view;
    this.#sink = place.sink;
    this.#deps = deps;
    this.#incarnation = place.view.incarnation;
    const { start } = place;
    if (start.from === 'start') this.#run = 0;
    else if (start.from === 'snapshot') this.#snapshot = {};
    else if (start.from === 'reset') this.#snapshot = { reason: start.reason };
    else this.#at = start.at;
    this.#view.followers.add(this);
    deps.metrics.readerOpened(
      start.from === 'cursor' || start.from === 'reset' ? 'resumed' : 'fresh',
    );
  }

  drained(): void {
    this.#blocked = false;
    this.pump();
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#view.followers.delete(this);
    this.#deps.hub.tune(this.#view);
    this.#deps.metrics.readerClosed();
  }

  /** What is missing can't be had here: the client comes back with its cursor and is told. */
  lost(): void {
    if (this.#over) return;
    this.close();
    this.#sink.destroy();
  }

  pump(): void {
    while (!this.#blocked && !this.#loading && !this.#over) {
      const bytes = this.#next();
      if (bytes === undefined) return this.#caughtUp();
      if (bytes === 'behind') return void this.#load();
      this.#send(bytes);
    }
  }

  #send(bytes: Uint8Array): void {
    this.#deps.metrics.bytesSent(bytes.length);
    this.#blocked = !this.#sink.write(bytes, this.#at.seq === this.#view.head.seq);
  }

  #caughtUp(): void {
    const { head, closed } = this.#view;
    if (!closed || this.#at.seq !== head.seq || !this.#view.contains(this.#at)) return;
    this.close();
    this.#sink.end();
  }

  #next(): Uint8Array | 'behind' | undefined {
    const view = this.#view;
    // Between the clearing of a void reading and the new one there is nothing to compare with.
    if (view.head.seq === 0) return undefined;
    if (this.#incarnation !== view.incarnation) this.#reread();
    if (this.#snapshot) return this.#sendSnapshot(this.#snapshot.reason);
    if (this.#run !== undefined) {
      const runs = view.readRuns(this.#run, RUN_BYTES);
      if (runs) {
        this.#run = runs.next;
        this.#at = runs.at;
        return runs.bytes;
      }
      this.#run = undefined;
    }
    const slice = view.read(this.#at.seq, TURN_BYTES);
    if (slice === undefined || slice === 'behind') return slice;
    this.#advance(slice.last);
    return slice.bytes;
  }

  #advance(last: number): void {
    this.#at = { fence: this.#view.fenceAt(last) ?? 0, seq: last };
  }

  /** The log was read anew: is what this reader has still a part of it? */
  #reread(): void {
    this.#incarnation = this.#view.incarnation;
    if (this.#at.seq === 0) {
      if (this.#run !== undefined) this.#run = 0;
      return;
    }
    this.#run = undefined;
    if (!this.#view.contains(this.#at)) this.#snapshot = { reason: 'epoch' };
  }

  #sendSnapshot(reason: ResetReason | undefined): Uint8Array {
    const { state, upTo } = this.#view.snapshot();
    this.#snapshot = undefined;
    this.#at = upTo;
    if (reason) this.#deps.metrics.reset(reason);
    const at = new Date(this.#deps.clock.now()).toISOString();
    const payload = { state, at, ...(reason && { reason }) };
    return Buffer.from(syncFrame(this.#view.generationId, upTo, payload));
  }

  async #load(): Promise<void> {
    this.#loading = true;
    const { seq } = this.#at;
    const { incarnation } = this.#view;
    const page = await this.#deps.hub.page(this.#view.generationId, seq).catch(() => undefined);
    this.#loading = false;
    if (this.#over) return;
    if (incarnation === this.#view.incarnation) {
      if (!page) return this.lost();
      this.#advance(page.last);
      this.#send(page.bytes);
    }
    this.pump();
  }
}
