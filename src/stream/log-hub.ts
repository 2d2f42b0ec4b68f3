import { KeyedMutex } from '../lib/keyed-mutex.ts';
import type { EventTransport, StoredEvent } from './event-transport.ts';
import { fromStored, frameOf } from './frame.ts';
import { LogView } from './log-view.ts';
import type { Slice } from './slab.ts';

/** Events read from the store in one go. */
const PAGE_EVENTS = 2_000;
const PAGE_BYTES = 256 * 1024;
/** Logs that nobody reads or writes stay in memory up to this many bytes, the longest unused leave first. */
const IDLE_BYTES = 32 * 1024 * 1024;
/** What a log costs besides its frames. */
const VIEW_OVERHEAD = 8 * 1024;

export interface LogHubDeps {
  transport: EventTransport;
  /** Runs `task` soon, after what is going on now: once per tick for all logs that went on. */
  schedule(task: () => void): void;
  /** Told of a failed reading of the store, after which the tail tries again. */
  onTailError(error: unknown): void;
}

/**
 * The logs that this process has in memory. A log is fed by one of two: the local driver, while there is one, or the
 * tail, which follows the store for all other logs that somebody reads.
 */
export class LogHub implements AsyncDisposable {
  readonly #deps: LogHubDeps;
  /** In the order of use, the longest unused first. */
  readonly #views = new Map<string, LogView>();
  readonly #driven = new Set<string>();
  readonly #mutex = new KeyedMutex();
  readonly #dirty = new Set<LogView>();
  readonly #stop = new AbortController();
  #changed = new AbortController();
  #tail: Promise<void> = Promise.resolve();
  #following = false;

  constructor(deps: LogHubDeps) {
    this.#deps = deps;
  }

  /** The log, read to where the store is; undefined: there is none (any more). */
  open(generationId: string): Promise<LogView | undefined> {
    return this.#mutex.run(generationId, async () => {
      const known = this.#views.get(generationId);
      if (known) {
        // In the order of use.
        this.#views.delete(generationId);
        this.#views.set(generationId, known);
        if (known.closed || known.followers.size > 0 || this.#driven.has(generationId))
          return known;
      }
      const view = known ?? new LogView(generationId);
      if (!(await this.#sync(view))) return undefined;
      this.#views.set(generationId, view);
      this.#evict();
      return view;
    });
  }

  /** The log for the finaliser or a new driver: exactly what is durable, nothing of an earlier driver's tail. */
  refresh(generationId: string): Promise<LogView | undefined> {
    return this.#mutex.run(generationId, async () => {
      const view = this.#views.get(generationId) ?? new LogView(generationId);
      if (!(await this.#sync(view))) return undefined;
      this.#views.set(generationId, view);
      return view;
    });
  }

  /** From now on the local driver feeds it. */
  drive(view: LogView): void {
    this.#driven.add(view.generationId);
    this.#views.set(view.generationId, view);
  }

  /** The local driver is done with it; what it showed and the store does not have is withdrawn. */
  async release(generationId: string): Promise<void> {
    this.#driven.delete(generationId);
    await this.#mutex.run(generationId, async () => {
      const view = this.#views.get(generationId);
      if (view) await this.#sync(view);
    });
    this.follow();
  }

  /** Call after a follower came or a driver left: the tail must know what to follow. */
  follow(): void {
    this.#changed.abort();
    this.#changed = new AbortController();
    if (!this.#following) this.#tail = this.#follow();
  }

  /** The view that is in memory now; a view that was evicted since takes its place again. */
  resident(view: LogView): LogView {
    const known = this.#views.get(view.generationId);
    if (known) return known;
    this.#views.set(view.generationId, view);
    return view;
  }

  /** Followers of the log are told once, at the end of this tick. */
  announce(view: LogView): void {
    if (view.followers.size === 0) return;
    if (this.#dirty.size === 0) this.#deps.schedule(() => this.#flush());
    this.#dirty.add(view);
  }

  #flush(): void {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const view of dirty) for (const follower of view.followers) follower.pump();
  }

  /** Frames after `after` that are no longer in memory; undefined: the store does not have them either. */
  async page(generationId: string, after: number): Promise<Slice | undefined> {
    const range = { after, limit: PAGE_EVENTS, maxBytes: PAGE_BYTES };
    const page = await this.#deps.transport.read(generationId, range);
    const last = page?.events.at(-1);
    if (!page || !last || page.events[0]?.seq !== after + 1) return undefined;
    const frames = page.events.map((event) => frameOf(generationId, event)).join('');
    return { bytes: Buffer.from(frames), last: last.seq };
  }

  /** The log is gone: whoever still reads it comes back and finds its durable record. */
  forget(generationId: string): void {
    const view = this.#views.get(generationId);
    this.#views.delete(generationId);
    for (const follower of view?.followers ?? []) {
      // What is in memory may be all that it lacks.
      follower.pump();
      follower.lost();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#changed.abort();
    await this.#tail;
  }

  /** Brings the view to what the store has. False: there is no such log. */
  async #sync(view: LogView): Promise<boolean> {
    if (this.#driven.has(view.generationId)) return true;
    // The last known entry is read again: if another one is in its place, this reading of the log is void.
    let after = Math.max(view.head.seq - 1, 0);
    for (;;) {
      const page = await this.#deps.transport.read(view.generationId, {
        after,
        limit: PAGE_EVENTS,
        maxBytes: PAGE_BYTES,
      });
      if (!page) return false;
      if (this.#driven.has(view.generationId)) return true;
      if (!extend(view, page.events)) {
        // Not from its beginning: the store lost entries for good.
        if (view.head.seq === 0) return false;
        view.clear();
        after = 0;
        continue;
      }
      view.settled(view.head.seq);
      if (view.head.seq >= page.info.head) break;
      after = view.head.seq - 1;
    }
    this.announce(view);
    return true;
  }

  async #follow(): Promise<void> {
    this.#following = true;
    while (!this.#stop.signal.aborted) {
      const have = this.#followed();
      if (have.size === 0) break;
      try {
        const ids = await this.#deps.transport.wait(have, this.#changed.signal);
        for (const id of ids) await this.#advance(id);
      } catch (error) {
        this.#deps.onTailError(error);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    this.#following = false;
  }

  #followed(): Map<string, number> {
    const have = new Map<string, number>();
    for (const [id, view] of this.#views) {
      if (view.followers.size > 0 && !view.closed && !this.#driven.has(id)) {
        have.set(id, view.head.seq);
      }
    }
    return have;
  }

  async #advance(generationId: string): Promise<void> {
    await this.#mutex.run(generationId, async () => {
      const view = this.#views.get(generationId);
      if (!view) return;
      if (!(await this.#sync(view))) this.forget(generationId);
    });
  }

  #evict(): void {
    let size = 0;
    for (const view of this.#views.values()) size += view.size + VIEW_OVERHEAD;
    for (const [id, view] of this.#views) {
      if (size <= IDLE_BYTES) return;
      if (view.followers.size > 0 || this.#driven.has(id)) continue;
      this.#views.delete(id);
      size -= view.size + VIEW_OVERHEAD;
    }
  }
}

/** Appends what the view lacks. False: the entries do not go on from what it has. */
function extend(view: LogView, events: readonly StoredEvent[]): boolean {
  const { head } = view;
  const [first] = events;
  if (head.seq > 0 && !(first?.seq === head.seq && first.fence === head.fence)) return false;
  for (const stored of events) {
    if (stored.seq === head.seq) continue;
    if (stored.seq !== view.head.seq + 1) return false;
    view.append(stored, fromStored(stored));
  }
  return true;
}
