import { integer } from './shape.ts';
import type { Frame } from './sse-parser.ts';

/** How a connection was asked for. */
export type Entry = 'cursor' | 'fresh' | 'snapshot';

const DELTAS = new Set(['text_delta', 'reasoning_delta', 'tool_args_delta']);

/** PROTOCOL.md section 3, one connection: throws at the first frame that breaks it. */
export class ConnectionRules {
  readonly #entry: Entry;
  #last: number;
  #lastId: string | undefined;
  #frames = 0;
  #done = false;

  constructor(entry: Entry, cursor?: { seq: number; id: string }) {
    this.#entry = entry;
    this.#last = cursor?.seq ?? 0;
    this.#lastId = cursor?.id;
  }

  get done(): boolean {
    return this.#done;
  }

  check(frame: Frame): void {
    if (this.#done) throw new Error(`a frame after done: ${describe(frame)}`);
    if (frame.id === this.#lastId && frame.event !== 'reset') {
      throw new Error(`the id does not advance: ${describe(frame)}`);
    }
    if (frame.event === 'sync' || frame.event === 'reset') this.#snapshot(frame);
    else this.#follows(frame);
    this.#frames += 1;
    this.#last = frame.seq;
    this.#lastId = frame.id;
    this.#done = frame.event === 'done';
  }

  #snapshot(frame: Frame): void {
    // Later only where the log went back: its end was withdrawn, or it was lost with its store.
    const later = frame.event === 'reset' && frame.data['reason'] === 'epoch';
    if (this.#frames > 0 && !later) throw new Error(`not the first frame: ${describe(frame)}`);
    if (frame.event === 'sync' && this.#entry !== 'snapshot') {
      throw new Error(`nobody asked for a snapshot: ${describe(frame)}`);
    }
    if (integer(frame.data['upTo'], 'upTo') !== frame.seq) {
      throw new Error(`upTo is not seq: ${describe(frame)}`);
    }
  }

  #follows(frame: Frame): void {
    if (this.#entry === 'snapshot' && this.#frames === 0) {
      throw new Error(`a snapshot was asked for: ${describe(frame)}`);
    }
    if (this.#entry === 'fresh' && this.#frames === 0 && frame.event !== 'created') {
      throw new Error(`a log begins with created: ${describe(frame)}`);
    }
    const coalesced = this.#entry === 'fresh' && DELTAS.has(frame.event);
    if (coalesced ? frame.seq <= this.#last : frame.seq !== this.#last + 1) {
      throw new Error(`seq ${frame.seq} after ${this.#last}: ${describe(frame)}`);
    }
  }
}

export function describe(frame: Frame): string {
  return `${frame.id} ${frame.event} ${frame.raw.slice(0, 200)}`;
}
