import { isDelta } from './events.ts';
import type { Preview } from './hints.ts';
import { extend } from './log-extend.ts';
import type { LogView } from './log-view.ts';

/** Most deltas that are kept of one log. */
const MOST_KEPT = 1_000;

/**
 * Deltas that came ahead of the store. What comes ahead even of the entry before it, on its way from Redis on another
 * connection, is kept until that is there.
 */
export class EarlyDeltas {
  readonly #kept = new Map<string, Preview>();

  /** True: the view went on. `busy`: the view is being read anew, nothing may be appended to it now. */
  take(view: LogView, preview: Preview, busy: boolean): boolean {
    if (view.closed || !preview.events.every(({ type }) => isDelta(type))) return false;
    if (!busy && extend(view, preview)) {
      this.catchUp(view);
      return true;
    }
    if (preview.after.seq >= view.head.seq) this.#keep(preview);
    return false;
  }

  /** The view went on: perhaps to where kept deltas begin. */
  catchUp(view: LogView): void {
    const kept = this.#kept.get(view.generationId);
    if (!kept) return;
    const went = extend(view, kept);
    // Else they go on from something that never came, or were withdrawn.
    if (went || kept.after.seq <= view.head.seq) this.forget(view.generationId);
  }

  forget(generationId: string): void {
    this.#kept.delete(generationId);
  }

  #keep(preview: Preview): void {
    const { generationId, after, events } = preview;
    const known = this.#kept.get(generationId);
    const last = known?.events.at(-1);
    const goesOn = last?.seq === after.seq && last.fence === after.fence;
    const next = known && goesOn ? { ...known, events: [...known.events, ...events] } : preview;
    if (next.events.length <= MOST_KEPT) this.#kept.set(generationId, next);
    else this.#kept.delete(generationId);
  }
}
