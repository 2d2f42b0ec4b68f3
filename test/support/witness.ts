import type { Turn } from './api.ts';
import { eventually } from './services.ts';
import { type ReadResult, readWithResume } from './sse-client.ts';
import type { Frame } from './sse-parser.ts';
import { checkReader, type Truth } from './truth.ts';

/** What shows that an answer goes on, or is whole. */
const PROGRESS = new Set(['text_delta', 'reasoning_delta', 'done']);

/** A reader that notes when things came, over any number of connections. */
export class Witness {
  readonly read: Promise<ReadResult>;
  readonly #name: string;
  /** Of each frame with words, and of the end; epoch ms. */
  readonly #arrivals: number[] = [];
  #failed: Error | undefined;

  constructor(name: string, at: { baseUrl: string; turn: Turn; signal: AbortSignal }) {
    this.#name = name;
    const { baseUrl, turn, signal } = at;
    this.read = readWithResume({
      baseUrl,
      path: turn.streamPath,
      signal,
      onFrame: (frame) => this.#frame(frame),
    });
    this.read.catch((error: unknown) => {
      this.#failed = new Error(`${name} failed`, { cause: error });
    });
  }

  get words(): number {
    return this.#arrivals.length;
  }

  /** The longest time without words between two of them, ms. */
  get longestSilence(): number {
    const gaps = this.#arrivals.map((at, index) => at - (this.#arrivals[index - 1] ?? at));
    return Math.max(0, ...gaps);
  }

  /** Resolves once so many frames with words have come. */
  async hears(count: number, within?: number): Promise<void> {
    await eventually(
      `${this.#name} hears ${count}`,
      () => this.#alive() && this.words >= count,
      within,
    );
  }

  /** Milliseconds from `moment` (epoch ms) to the first words after it, or the end. */
  async wordsAfter(moment: number, within: number): Promise<number> {
    const first = (): number | undefined => this.#arrivals.find((at) => at >= moment);
    await eventually(
      `words for ${this.#name}`,
      () => this.#alive() && first() !== undefined,
      within,
    );
    return (first() ?? 0) - moment;
  }

  #alive(): boolean {
    if (this.#failed) throw this.#failed;
    return true;
  }

  #frame({ event }: Frame): void {
    if (PROGRESS.has(event)) this.#arrivals.push(Date.now());
  }
}

/**
 * A reader whose log may have been lost and written again meanwhile: it ends with the truth, and what it has of the
 * last connection in which it was told to begin anew is in the log, byte for byte. That each connection went on where
 * the one before ended is checked while it is read (ConnectionRules).
 */
export function checkHonest(truth: Truth, { fold, frames }: ReadResult): void {
  const last = frames.findLastIndex(({ event }) => event === 'reset');
  checkReader(truth, { fold, frames: frames.slice(Math.max(last, 0)) });
}

/** How often it was told that something it had does not hold any more. */
export function withdrawals({ frames }: Pick<ReadResult, 'frames'>): number {
  return frames.filter(
    ({ event, data }) =>
      event === 'reset' || (event === 'segment' && data['reason'] === 'recovered'),
  ).length;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
