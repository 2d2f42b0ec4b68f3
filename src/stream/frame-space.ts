/** Bytes of frames that all logs of the process may hold before each of them keeps only its newest. */
const ROOM = 64 * 1024 * 1024;
/** Newest bytes that a log keeps while there is room, and what it keeps in any case. */
const WIDE = 8 * 1024 * 1024;
const NARROW = 1024 * 1024;

/** What the logs in memory share: a long log is read from the store again and again only where memory is short. */
export class FrameSpace {
  readonly #room: number;
  #held = 0;

  constructor(room: number = ROOM) {
    this.#room = room;
  }

  /** Bytes that the logs hold together. */
  get held(): number {
    return this.#held;
  }

  /** Newest bytes that a log may keep of what is durable. */
  get window(): number {
    return this.#held <= this.#room ? WIDE : NARROW;
  }

  /** A log holds so many bytes more, or fewer. */
  add(bytes: number): void {
    this.#held += bytes;
  }
}
