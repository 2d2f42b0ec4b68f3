import { isoTime, type Clock } from '../lib/clock.ts';
import type { FlushTicker } from './flush-ticker.ts';
import { isDelta, type EventBody, type LogEvent } from './events.ts';
import type { AppendResult, EventTransport, StoredEvent } from './event-transport.ts';
import { toStored } from './frame.ts';
import type { LogHub } from './log-hub.ts';
import type { LogView } from './log-view.ts';
import type { StreamMetrics } from './metrics.ts';
import { persist } from './persist.ts';
import type { Preview } from './hints.ts';
import type { PreviewSource, Previews } from './previews.ts';

/** A flush is made at once when this much waits. */
const FLUSH_BYTES = 64 * 1024;
/** The driver waits when this much does. */
const MAX_PENDING_BYTES = 1024 * 1024;

export interface LogWriterDeps {
  transport: EventTransport;
  hub: LogHub;
  clock: Clock;
  ticker: FlushTicker;
  previews: Pick<Previews, 'wanted' | 'offer' | 'withdraw'>;
  metrics: StreamMetrics;
}

/** The driver may append no more: another one has the log. */
export class FencedError extends Error {
  override name = 'FencedError';
}

/** The store lost entries of the log, or all of it. */
export class LogLostError extends Error {
  override name = 'LogLostError';
}

interface Pending {
  stored: StoredEvent;
  /** Undefined: it was shown. */
  hidden: LogEvent | undefined;
}

/**
 * The pen of a generation's driver. Deltas are shown to local readers at once and stored within one flush window;
 * everything else is shown only once it is stored. One append at a time is under way, with all that gathered meanwhile.
 * While the store is out of reach the append is repeated, and nothing more is shown.
 */
export class LogWriter implements PreviewSource {
  readonly #view: LogView;
  readonly #fence: number;
  readonly #failed: (error: Error) => void;
  readonly #deps: LogWriterDeps;
  #queue: Pending[] = [];
  #queuedBytes = 0;
  #flushing: Promise<void> | undefined;
  #failure: Error | undefined;
  readonly #over = new AbortController();
  /** The same as `#over` says, which is slow to ask: each word asks. */
  #closed = false;
  /** An append failed, and is being repeated. */
  #stalled = false;
  #head: number;
  /** Sequence of the last delta that went to other replicas ahead of the store. */
  #previewed = 0;
  /** Events that wait for a flush hold back the deltas behind them. */
  #hidden = 0;

  /** `failed`: nothing more can be stored; told once, also where nobody waits for a flush. */
  constructor(
    place: { view: LogView; fence: number; failed: (error: Error) => void },
    deps: LogWriterDeps,
  ) {
    this.#failed = place.failed;
    this.#view = place.view;
    this.#fence = place.fence;
    this.#head = place.view.head.seq;
    this.#deps = deps;
  }

  get generationId(): string {
    return this.#view.generationId;
  }

  /** Appends an event. Resolves when it is durable, for a delta at once (or when there is room for more). */
  append(body: EventBody): Promise<void> | undefined {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#closed) return undefined;
    const at = isoTime(this.#deps.clock.now());
    this.#head += 1;
    const event: LogEvent = { seq: this.#head, fence: this.#fence, at, body };
    const stored = toStored(event);
    const delta = isDelta(body.type);
    const shown = delta && this.#hidden === 0 && !this.#stalled;
    this.#queue.push({ stored, hidden: shown ? undefined : event });
    this.#queuedBytes += stored.data.length;
    if (shown) this.#show(stored, event);
    else this.#hidden += 1;
    if (shown && this.#deps.previews.wanted(this.generationId)) this.#deps.previews.offer(this);
    if (!delta || this.#queuedBytes > MAX_PENDING_BYTES) return this.flush();
    if (this.#queuedBytes > FLUSH_BYTES) void this.flush().catch(() => undefined);
    else this.#deps.ticker.add(this);
    return undefined;
  }

  takePreview(fresh: boolean): Preview | undefined {
    if (fresh) this.#previewed = 0;
    const head = (this.#queue[0]?.stored.seq ?? 0) - 1;
    const events: StoredEvent[] = [];
    // What was shown is at the beginning of the queue.
    for (let at = Math.max(this.#previewed - head, 0); at < this.#queue.length; at += 1) {
      const next = this.#queue[at];
      if (!next || next.hidden) break;
      events.push(next.stored);
    }
    const [first] = events;
    if (!first) return undefined;
    const seq = first.seq - 1;
    this.#previewed = seq + events.length;
    const after = { fence: this.#view.fenceAt(seq) ?? 0, seq };
    return { generationId: this.generationId, after, events };
  }

  /** Resolves when all that was appended so far is durable; rejects with FencedError, or the store's error. */
  async flush(): Promise<void> {
    const upTo = this.#head;
    // What is under way is no longer in the queue, and not durable yet. Without it the append is made before this returns:
    // the ticker measures how long its flushes take.
    if (this.#flushing) await this.#flushing;
    while (this.#queue.length > 0 && (this.#queue[0]?.stored.seq ?? Infinity) <= upTo) {
      this.#flushing ??= this.#store().finally(() => {
        this.#flushing = undefined;
      });
      await this.#flushing;
    }
    if (this.#failure) throw this.#failure;
  }

  /**
   * Nothing can be appended any more; what was appended may still be flushed, but no longer waits for a store that is
   * out of reach. Idempotent.
   */
  close(): void {
    this.#closed = true;
    this.#over.abort();
    this.#deps.previews.withdraw(this);
    this.#deps.ticker.remove(this);
  }

  async #store(): Promise<void> {
    const batch = this.#queue;
    const [first] = batch;
    if (!first) return;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#deps.ticker.remove(this);
    try {
      const { clock, metrics } = this.#deps;
      const began = clock.now();
      const patience = { clock, signal: this.#over.signal };
      refuse(await persist(() => this.#append(batch, first.stored.seq - 1), patience));
      metrics.appended(clock.now() - began, batch.length);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#queue = [];
      this.close();
      this.#failed(this.#failure);
      throw this.#failure;
    }
    this.#stored(batch);
  }

  async #append(batch: readonly Pending[], expected: number): Promise<AppendResult> {
    try {
      const result = await this.#deps.transport.append({
        generationId: this.#view.generationId,
        fence: this.#fence,
        expected,
        events: batch.map((pending) => pending.stored),
        final: false,
      });
      this.#stalled = false;
      return result;
    } catch (error) {
      this.#stalled = true;
      throw error;
    }
  }

  #stored(batch: readonly Pending[]): void {
    for (const { stored, hidden } of batch) {
      if (!hidden) continue;
      this.#show(stored, hidden);
      this.#hidden -= 1;
    }
    // Deltas that were held back by what has just become durable.
    for (const pending of this.#queue) {
      const { stored, hidden } = pending;
      if (!hidden || !isDelta(stored.type)) break;
      this.#show(stored, hidden);
      pending.hidden = undefined;
      this.#hidden -= 1;
    }
    this.#view.settled(batch.at(-1)?.stored.seq ?? 0);
  }

  #show(stored: StoredEvent, event: LogEvent): void {
    this.#view.append(stored, event);
    this.#deps.hub.announce(this.#view);
  }
}

function refuse(result: AppendResult): void {
  switch (result.outcome) {
    case 'appended':
      return;
    case 'stale_fence':
    case 'closed':
      throw new FencedError(`the log is no longer this driver's: ${result.outcome}`);
    case 'missing':
    case 'out_of_sequence':
      throw new LogLostError(`the store lost entries of the log: ${result.outcome}`);
    default:
      result satisfies never;
  }
}
