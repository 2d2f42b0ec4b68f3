import { CoalescedLog } from './coalesce.ts';
import type { Position } from './cursor.ts';
import type { LogEvent, StreamState } from './events.ts';
import type { StoredEvent } from './event-transport.ts';
import { MessageFold } from './fold.ts';
import { FrameSpace } from './frame-space.ts';
import { frameOf, toStored } from './frame.ts';
import { Slab, type Slice } from './slab.ts';

interface FencedFrom {
  fence: number;
  from: number;
}

/** Somebody who wants to know that the log went on. */
export interface Follower {
  pump(): void;
  /** The log is gone. */
  lost(): void;
}

/**
 * One generation's log as this process sees it: the finished frames, the same coalesced for newcomers, and their fold.
 * Fed by the local driver (deltas a little before they are durable) or by the tail of the store.
 */
export class LogView {
  readonly generationId: string;
  readonly followers = new Set<Follower>();
  /** Rises when the log was read anew because something in it had been withdrawn. */
  incarnation = 0;
  /** Sequence up to which the store has it. */
  durable = 0;
  /** Its own as long as nobody keeps the view: what is let go of need not be counted off. */
  #space = new FrameSpace();
  #slab = new Slab(this.#space);
  #runs = new CoalescedLog();
  /** Of runs, as they were when they ended with `seq`: the last one still grows. */
  #frames = new WeakMap<LogEvent, { seq: number; bytes: Uint8Array }>();
  #fold = new MessageFold();
  #fences: FencedFrom[] = [];
  #head = 0;
  /** UTF-16 units of content: runs, their frames and the fold hold about that many bytes each. */
  #content = 0;
  /** The state just before the terminal event, once that is there: what `sync` and `reset` show. */
  #beforeDone: StreamState | undefined;

  constructor(generationId: string) {
    this.generationId = generationId;
  }

  get head(): Position {
    return { fence: this.#fences.at(-1)?.fence ?? 0, seq: this.#head };
  }

  get closed(): boolean {
    return this.#beforeDone !== undefined;
  }

  get fold(): MessageFold {
    return this.#fold;
  }

  /** About what it holds, in bytes. */
  get size(): number {
    return this.#slab.size + 3 * this.#content;
  }

  append(stored: StoredEvent, event: LogEvent): void {
    if (stored.seq !== this.#head + 1) {
      throw new Error(`log ${this.generationId}: ${stored.seq} after ${this.#head}`);
    }
    if (event.body.type === 'done') this.#beforeDone = this.#fold.state();
    this.#fold.apply(event);
    this.#content += 'text' in event.body ? event.body.text.length : stored.data.length;
    this.#runs.push(event);
    this.#slab.append(frameOf(this.generationId, stored));
    if (this.#fences.at(-1)?.fence !== event.fence) {
      this.#fences.push({ fence: event.fence, from: event.seq });
    }
    this.#head = event.seq;
  }

  /** The store has it up to here. */
  settled(durable: number): void {
    this.durable = Math.max(this.durable, durable);
    this.#slab.trim(this.durable);
  }

  /** Whoever keeps the view says with which others it shares memory; undefined: it is kept no longer. */
  share(space: FrameSpace | undefined): void {
    this.#space = space ?? new FrameSpace();
    this.#slab.move(this.#space);
  }

  /** Forgets everything; what follows is a new reading of the log. */
  clear(): void {
    this.incarnation += 1;
    this.durable = 0;
    // What it held counts no longer.
    this.#slab.move(new FrameSpace());
    this.#slab = new Slab(this.#space);
    this.#runs = new CoalescedLog();
    this.#frames = new WeakMap();
    this.#fold = new MessageFold();
    this.#content = 0;
    this.#fences = [];
    this.#head = 0;
    this.#beforeDone = undefined;
  }

  fenceAt(seq: number): number | undefined {
    return this.#fences.findLast((range) => range.from <= seq)?.fence;
  }

  /** Is this position a prefix of the log? If not, what its holder has seen was withdrawn. */
  contains({ fence, seq }: Position): boolean {
    return seq >= 1 && seq <= this.#head && this.fenceAt(seq) === fence;
  }

  read(after: number, maxBytes: number): Slice | 'behind' | undefined {
    return this.#slab.read(after, maxBytes);
  }

  /** The coalesced log from run `index` on, about `maxBytes` but at least one run; undefined: none left. */
  readRuns(
    index: number,
    maxBytes: number,
  ): { bytes: Uint8Array; next: number; at: Position } | undefined {
    const parts: Uint8Array[] = [];
    let size = 0;
    let next = index;
    let at: Position | undefined;
    for (let run = this.#runs.runs[next]; run && size < maxBytes; run = this.#runs.runs[next]) {
      const bytes = this.#runFrame(run);
      if (parts.length > 0 && size + bytes.length > maxBytes) break;
      parts.push(bytes);
      size += bytes.length;
      next += 1;
      at = { fence: run.fence, seq: run.seq };
    }
    return at && { bytes: Buffer.concat(parts), next, at };
  }

  #runFrame(run: LogEvent): Uint8Array {
    const known = this.#frames.get(run);
    if (known?.seq === run.seq) return known.bytes;
    const bytes = Buffer.from(frameOf(this.generationId, toStored(run)));
    this.#frames.set(run, { seq: run.seq, bytes });
    return bytes;
  }

  /** The fold for a snapshot, which ends before the terminal event; and its place. */
  snapshot(): { state: StreamState; upTo: Position } {
    const seq = this.#beforeDone ? this.#head - 1 : this.#head;
    return {
      state: this.#beforeDone ?? this.#fold.state(),
      upTo: { fence: this.fenceAt(seq) ?? 0, seq },
    };
  }
}
