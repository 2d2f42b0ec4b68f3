import type { FrameSpace } from './frame-space.ts';

/**
 * Finished frames of one log in a few large buffers. A reader is only a cursor into it: any range is a view, never a
 * copy. Keeps at least what is not durable yet and otherwise the newest bytes, as many as its space has room for; older
 * ranges are read from the store.
 */
const FIRST_CHUNK = 4 * 1024;
/** As much as a reader gets in one go, which is never more than one chunk. */
const LAST_CHUNK = 256 * 1024;

interface Chunk {
  /** Sequence of its first frame. */
  first: number;
  /** Byte offset behind each frame. */
  ends: number[];
  bytes: Buffer;
  used: number;
}

export interface Slice {
  bytes: Uint8Array;
  /** Sequence of the last frame in it. */
  last: number;
}

export class Slab {
  #space: FrameSpace;
  #chunks: Chunk[] = [];
  #size = 0;
  #next: number;
  #cached: { after: number; next: number; slice: Slice } | undefined;

  /** `after`: sequence of the event before the first one that will be appended. */
  constructor(space: FrameSpace, after = 0) {
    this.#space = space;
    this.#next = after + 1;
  }

  /** From now on what it holds counts there, and no longer where it did. */
  move(space: FrameSpace): void {
    this.#space.add(-this.#size);
    this.#space = space;
    space.add(this.#size);
  }

  /** Bytes held. */
  get size(): number {
    return this.#size;
  }

  append(frame: string): void {
    const length = Buffer.byteLength(frame);
    const chunk = this.#room(length);
    chunk.used += chunk.bytes.write(frame, chunk.used);
    chunk.ends.push(chunk.used);
    this.#next += 1;
  }

  #room(length: number): Chunk {
    const last = this.#chunks.at(-1);
    if (last && last.bytes.length - last.used >= length) return last;
    const doubled = last ? Math.min(last.bytes.length * 2, LAST_CHUNK) : FIRST_CHUNK;
    const bytes = Buffer.allocUnsafeSlow(Math.max(doubled, length));
    const chunk: Chunk = { first: this.#next, ends: [], bytes, used: 0 };
    this.#chunks.push(chunk);
    this.#grow(bytes.length);
    return chunk;
  }

  #grow(bytes: number): void {
    this.#size += bytes;
    this.#space.add(bytes);
  }

  /** Frames after `after`, about `maxBytes` of them but at least one; undefined: none; `behind`: not kept any more. */
  read(after: number, maxBytes: number): Slice | 'behind' | undefined {
    if (after >= this.#next - 1) return undefined;
    // Readers of a live log stand at the same place: the slice is made once per tick.
    const cached = this.#cached;
    if (cached?.after === after && cached.next === this.#next) return cached.slice;
    const chunk = this.#chunks.findLast((it) => it.first <= after + 1);
    if (!chunk) return 'behind';
    const from = after + 1 - chunk.first;
    const start = from === 0 ? 0 : (chunk.ends[from - 1] ?? 0);
    const count = fitting(chunk.ends, from, start + maxBytes);
    const slice = {
      bytes: chunk.bytes.subarray(start, chunk.ends[from + count - 1]),
      last: after + count,
    };
    this.#cached = { after, next: this.#next, slice };
    return slice;
  }

  /** Lets go of what is durable and older than there is room for. */
  trim(durable: number): void {
    let [oldest] = this.#chunks;
    while (oldest && this.#chunks.length > 1 && this.#size > this.#space.window) {
      if (oldest.first + oldest.ends.length - 1 > durable) return;
      this.#chunks.shift();
      this.#cached = undefined;
      this.#grow(-oldest.bytes.length);
      [oldest] = this.#chunks;
    }
  }
}

/** How many frames from index `from` on end at or before `limit`; at least one. */
function fitting(ends: readonly number[], from: number, limit: number): number {
  if ((ends.at(-1) ?? 0) <= limit) return ends.length - from;
  let low = from;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ends[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return Math.max(low - from, 1);
}
