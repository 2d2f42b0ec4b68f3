import type { CallOptions } from './api.ts';
import { Bell } from './bell.ts';
import type { Place } from './frames.ts';
import type { StreamState } from './types.ts';

/** Every place behind `from`, or at least the latest ones; ends where the generation ended, or with the signal. */
export type Source = (from: Place, signal: AbortSignal) => AsyncIterable<Place>;

interface Connection {
  readers: number;
  abort: AbortController;
  failure?: { error: unknown };
}

/** A generation as it goes on: one source for all who read it, open only while somebody does. */
export class Live {
  readonly #source: Source;
  readonly #bell = new Bell();
  #place: Place;
  #over: boolean;
  #connection: Connection | undefined;

  constructor(source: Source, { place, over }: { place: Place; over: boolean }) {
    this.#source = source;
    this.#place = place;
    this.#over = over;
  }

  /**
   * The latest state at each time that one is asked for, each at most once; the last one is what the generation ended
   * with. Throws where the stream can't be gone on with; states() again tries it from the same place.
   */
  async *states({ signal }: CallOptions = {}): AsyncGenerator<StreamState, void> {
    const connection = this.#join();
    let seen: StreamState | undefined;
    try {
      for (;;) {
        signal?.throwIfAborted();
        const { state } = this.#place;
        if (state !== seen && state) {
          seen = state;
          yield state;
        } else if (connection.failure) throw connection.failure.error;
        else if (this.#over) return;
        else await this.#bell.next(signal);
      }
    } finally {
      this.#leave(connection);
    }
  }

  #join(): Connection {
    if (this.#connection) this.#connection.readers += 1;
    else {
      this.#connection = { readers: 1, abort: new AbortController() };
      if (!this.#over) void this.#run(this.#connection);
    }
    return this.#connection;
  }

  #leave(connection: Connection): void {
    connection.readers -= 1;
    if (connection.readers > 0) return;
    this.#forget(connection);
    connection.abort.abort();
  }

  #forget(connection: Connection): void {
    if (this.#connection === connection) this.#connection = undefined;
  }

  async #run(connection: Connection): Promise<void> {
    const { signal } = connection.abort;
    try {
      for await (const place of this.#source(this.#place, signal)) {
        // Another one may have begun behind this one's back.
        if (signal.aborted) return;
        this.#place = place;
        this.#bell.ring();
      }
      if (!signal.aborted) this.#over = true;
    } catch (error) {
      connection.failure = { error };
      this.#forget(connection);
    }
    this.#bell.ring();
  }
}
