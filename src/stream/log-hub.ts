import type { Clock, Timer } from '../lib/clock.ts';
import { KeyedMutex } from '../lib/keyed-mutex.ts';
import { Limiter } from '../lib/limiter.ts';
import { EarlyDeltas } from './early-deltas.ts';
import type { EventTransport, LogNews, LogWatch } from './event-transport.ts';
import { frameOf } from './frame.ts';
import { FrameSpace } from './frame-space.ts';
import type { Preview } from './hints.ts';
import { Lingering } from './lingering.ts';
import { extend, takeUp, type Tail } from './log-extend.ts';
import { LogView } from './log-view.ts';
import type { Slice } from './slab.ts';

/** Events read from the store in one go. */
const PAGE_EVENTS = 2_000;
const PAGE_BYTES = 256 * 1024;
/** Logs that nobody reads or writes stay in memory up to this many bytes, the longest unused leave first. */
const IDLE_BYTES = 32 * 1024 * 1024;
/** What a log costs besides its frames. */
const VIEW_OVERHEAD = 8 * 1024;
/** Readings of the store at once: a storm of reconnects must not become one of queries. */
const MAX_READS = 16;
/** A log whose reading failed is read again after this many ms. */
const RETRY_MS = 500;
/** A log that its last reader left is followed for so long, to twice that, ms: who was cut comes back within 3 s. */
const LINGER_MS = 5_000;

export interface LogHubDeps {
  transport: EventTransport;
  clock: Clock;
  /** Runs `task` soon, after what is going on now: once per tick for all logs that went on. */
  schedule(task: () => void): void;
  /** Told of a failed reading of a followed log, which is tried again. */
  onTailError(error: unknown): void;
  /** Who may send deltas ahead of the store (`preview`). */
  previews?: { follow(generationId: string): void; unfollow(generationId: string): void };
}

type Range = Parameters<EventTransport['read']>[1];
type Page = NonNullable<Awaited<ReturnType<EventTransport['read']>>>;

/** Where a reading goes on behind a page; undefined: that was the last one. */
function rangeAfter(range: Range, { events, info }: Page): Range | undefined {
  const upTo = events.at(-1)?.seq ?? 0;
  if (upTo >= info.head || upTo === 0) return undefined;
  // One entry may be larger than a page.
  const maxBytes = upTo === range.after + 1 ? range.maxBytes * 2 : range.maxBytes;
  return { ...range, after: upTo - 1, maxBytes };
}

/** What became of a reading: `lost`, the store has no longer what it had; the view was read anew. */
type Synced = 'current' | 'lost' | 'missing';

/**
 * The logs that this process has in memory. A log is fed by one of two: the local driver, while there is one, or the
 * watch on the store, which follows all other logs that somebody reads. Either may be ahead of the store by deltas that
 * are not durable yet.
 */
export class LogHub implements AsyncDisposable {
  readonly #deps: LogHubDeps;
  /** In the order of use, the longest unused first. */
  readonly #views = new Map<string, LogView>();
  readonly #driven = new Set<string>();
  readonly #mutex = new KeyedMutex();
  readonly #reads = new Limiter(MAX_READS);
  readonly #dirty = new Set<LogView>();
  readonly #watch: LogWatch;
  readonly #followed = new Set<string>();
  /** Logs that are to be brought up to the store, and are not being read yet. */
  readonly #behind = new Set<string>();
  readonly #retries = new Map<string, Timer>();
  readonly #early = new EarlyDeltas();
  readonly #space = new FrameSpace();
  /** Followed logs that nobody reads just now. */
  readonly #lingering: Lingering;
  #closed = false;

  constructor(deps: LogHubDeps) {
    this.#deps = deps;
    this.#watch = deps.transport.watch((id, news) => this.#moved(id, news));
    this.#lingering = new Lingering({
      clock: deps.clock,
      ms: LINGER_MS,
      over: (id) => this.#unfollow(id),
    });
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
      if ((await this.#sync(view, 'kept')) === 'missing') return undefined;
      this.#keep(view);
      this.#evict();
      return view;
    });
  }

  /** The log as the store has it now; for the finaliser or a new driver, without what an earlier driver showed beyond. */
  refresh(generationId: string, tail: Tail = 'withdrawn'): Promise<LogView | undefined> {
    return this.#mutex.run(generationId, async () => {
      const view = this.#views.get(generationId) ?? new LogView(generationId);
      if ((await this.#sync(view, tail)) === 'missing') return undefined;
      this.#keep(view);
      return view;
    });
  }

  /** Is it fed by a driver in this process? */
  drives(generationId: string): boolean {
    return this.#driven.has(generationId);
  }

  /** From now on the local driver feeds it. */
  drive(view: LogView): void {
    this.#driven.add(view.generationId);
    this.#keep(view);
    this.tune(view);
  }

  /** The local driver is done with it; what it showed and the store does not have is withdrawn. */
  async release(generationId: string): Promise<void> {
    this.#driven.delete(generationId);
    const view = this.#views.get(generationId);
    if (!view) return;
    try {
      await this.#mutex.run(generationId, () => this.#sync(view, 'withdrawn'));
    } finally {
      this.tune(view);
    }
  }

  /** Call after a follower came or left: only what is read here, or was a moment ago, and not fed here, is followed. */
  tune(view: LogView): void {
    const { generationId, followers } = view;
    const feeds = !view.closed && !this.#driven.has(generationId) && !this.#closed;
    if (!feeds) this.#unfollow(generationId);
    else if (followers.size > 0) this.#follow(view);
    else if (this.#followed.has(generationId)) this.#lingering.add(generationId);
  }

  #follow({ generationId, durable }: LogView): void {
    this.#lingering.delete(generationId);
    if (this.#followed.has(generationId)) return;
    this.#followed.add(generationId);
    this.#watch.follow(generationId, durable);
    this.#deps.previews?.follow(generationId);
  }

  #unfollow(generationId: string): void {
    this.#lingering.delete(generationId);
    if (!this.#followed.delete(generationId)) return;
    this.#watch.unfollow(generationId);
    this.#deps.previews?.unfollow(generationId);
    this.#early.forget(generationId);
  }

  /** The view that is in memory now; a view that was evicted since takes its place again. */
  resident(view: LogView): LogView {
    const known = this.#views.get(view.generationId);
    if (known) return known;
    this.#keep(view);
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
    const page = await this.#read(generationId, range);
    const last = page?.events.at(-1);
    if (!page || !last || page.events[0]?.seq !== after + 1) return undefined;
    const frames = page.events.map((event) => frameOf(generationId, event)).join('');
    return { bytes: Buffer.from(frames), last: last.seq };
  }

  /** The log is gone: whoever still reads it comes back and finds what there is instead. */
  forget(generationId: string): void {
    const view = this.#views.get(generationId);
    if (!view) return;
    this.#drop(view);
    for (const follower of view.followers) {
      // What is in memory may be all that it lacks.
      follower.pump();
      follower.lost();
    }
    this.#unfollow(generationId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const retry of this.#retries.values()) retry.cancel();
    this.#retries.clear();
    this.#lingering[Symbol.dispose]();
    await this.#watch[Symbol.asyncDispose]();
  }

  /** A driver elsewhere showed this to its own readers; the store will have it soon. */
  preview(preview: Preview): void {
    const { generationId } = preview;
    const view = this.#views.get(generationId);
    if (!view || !this.#followed.has(generationId)) return;
    if (this.#early.take(view, preview, this.#mutex.busy(generationId))) this.announce(view);
  }

  /** Brings the view to what the store has. */
  async #sync(view: LogView, tail: Tail): Promise<Synced> {
    if (this.#driven.has(view.generationId)) return 'current';
    const known = { fence: view.fenceAt(view.durable) ?? 0, seq: view.durable };
    const read = await this.#readOn(view, tail);
    if (read !== 'read') return read;
    this.#early.catchUp(view);
    this.announce(view);
    return known.seq === 0 || view.contains(known) ? 'current' : 'lost';
  }

  async #readOn(view: LogView, tail: Tail): Promise<'read' | 'missing' | 'current'> {
    const { generationId } = view;
    // The last known entry is read again: if another one is in its place, this reading of the log is void.
    let range: Range | undefined = {
      after: Math.max(view.durable - 1, 0),
      limit: PAGE_EVENTS,
      maxBytes: PAGE_BYTES,
    };
    let coming = this.#read(generationId, range);
    while (range) {
      const page = await coming;
      if (!page) return 'missing';
      const next = rangeAfter(range, page);
      if (next) {
        // The store works at it while this one is taken up, and others have their turn in between.
        coming = this.#read(generationId, next);
        // Where this one is void nobody comes for it.
        coming.catch(() => undefined);
        await this.#turn();
      }
      if (this.#driven.has(generationId)) return 'current';
      if (takeUp(view, { after: range.after, ...page }, tail)) range = next;
      // Not from its beginning: the store lost entries for good.
      else if (view.head.seq === 0) return 'missing';
      else {
        view.clear();
        range = { ...range, after: 0 };
        coming = this.#read(generationId, range);
      }
    }
    return 'read';
  }

  #read(generationId: string, range: Range): Promise<Page | undefined> {
    return this.#reads.run(() => this.#deps.transport.read(generationId, range));
  }

  /** The end of this turn of the loop. */
  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#deps.schedule(resolve);
    });
  }

  /** The store has something else than the view. */
  #moved(generationId: string, news: LogNews | undefined): void {
    const view = this.#views.get(generationId);
    if (!view || !this.#followed.has(generationId)) return;
    const { seq } = view.head;
    if (!news || this.#mutex.busy(generationId) || !extend(view, news)) {
      // Nobody lacks it: whoever comes reads it.
      if (view.followers.size === 0) return this.#unfollow(generationId);
      return this.#advance(generationId);
    }
    view.settled(news.events.at(-1)?.seq ?? 0);
    this.#early.catchUp(view);
    // Most of it came ahead.
    if (view.head.seq > seq) this.announce(view);
    this.tune(view);
  }

  #advance(generationId: string): void {
    if (this.#behind.has(generationId)) return;
    this.#behind.add(generationId);
    const reading = this.#mutex.run(generationId, async () => {
      this.#behind.delete(generationId);
      const view = this.#views.get(generationId);
      if (!view || !this.#followed.has(generationId)) return;
      // Entries that readers were given are no longer there: they come back, and learn what stands instead.
      if ((await this.#sync(view, 'kept')) !== 'current') this.forget(generationId);
      else this.tune(view);
    });
    reading.catch((error: unknown) => {
      this.#deps.onTailError(error);
      this.#retry(generationId);
    });
  }

  #retry(generationId: string): void {
    if (this.#closed || this.#retries.has(generationId)) return;
    const timer = this.#deps.clock.after(RETRY_MS, () => {
      this.#retries.delete(generationId);
      this.#advance(generationId);
    });
    this.#retries.set(generationId, timer);
  }

  #evict(): void {
    let size = 0;
    for (const view of this.#views.values()) size += view.size + VIEW_OVERHEAD;
    for (const [id, view] of this.#views) {
      if (size <= IDLE_BYTES) return;
      if (view.followers.size > 0 || this.#driven.has(id)) continue;
      this.#unfollow(id);
      this.#drop(view);
      size -= view.size + VIEW_OVERHEAD;
    }
  }

  #keep(view: LogView): void {
    const before = this.#views.get(view.generationId);
    if (before === view) return;
    before?.share(undefined);
    this.#views.set(view.generationId, view);
    view.share(this.#space);
  }

  #drop(view: LogView): void {
    this.#views.delete(view.generationId);
    view.share(undefined);
  }
}
