/**
 * One clock for all streams of a server: a tick each 5 ms, every stream at a phase of its own, as the tokens of
 * independent answers come. The same in every server, so that timers cost all of them the same.
 */
const TICK_MS = 5;

export class Pace {
  #streams = new Set();
  #timer;
  #tick = 0;
  #phase = 0;

  /** Calls `emit` each `intervalMs` until it returns false. */
  add(intervalMs, emit) {
    const period = Math.max(1, Math.round(intervalMs / TICK_MS));
    this.#phase += 1;
    this.#streams.add({ period, phase: this.#phase % period, emit });
    this.#timer ??= setInterval(() => this.#run(), TICK_MS);
  }

  #run() {
    this.#tick += 1;
    for (const stream of this.#streams) {
      if (this.#tick % stream.period !== stream.phase) continue;
      if (stream.emit() === false) this.#streams.delete(stream);
    }
    if (this.#streams.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
