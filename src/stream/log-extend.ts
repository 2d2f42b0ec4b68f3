import type { LogInfo, LogNews, StoredEvent } from './event-transport.ts';
import { fromStored } from './frame.ts';
import type { LogView } from './log-view.ts';

/**
 * Appends what the view lacks of a run of entries. False, and nothing is changed: the run begins behind what the view has,
 * or has another entry in a place that the view knows.
 */
export function extend(view: LogView, { after, events }: LogNews): boolean {
  const { seq: head } = view.head;
  if (after.seq > head || (after.seq > 0 && !view.contains(after))) return false;
  const known = events.slice(0, head - after.seq);
  if (!known.every((stored) => view.contains(stored))) return false;
  const fresh = events.slice(known.length);
  if (fresh.some(({ seq }, index) => seq !== head + index + 1)) return false;
  for (const stored of fresh) view.append(stored, fromStored(stored));
  return true;
}

/** What becomes of deltas that were shown ahead of the store, where the store does not have them. */
export type Tail = 'kept' | 'withdrawn';

/** What was read of the store, from `after` on. */
export interface Reading {
  after: number;
  events: StoredEvent[];
  info: LogInfo;
}

/** The same with what the store has. False: the view is of something that is no longer so, and must be read anew. */
export function takeUp(view: LogView, { after, events, info }: Reading, tail: Tail): boolean {
  const { head } = view;
  const upTo = events.at(-1)?.seq ?? 0;
  // Nothing was read of what is known or must be there: the store has less than it had.
  if (upTo === 0 && Math.max(head.seq, info.head) > 0) return false;
  const ends = upTo >= info.head;
  const gone = tail === 'withdrawn' || info.fence > head.fence;
  if (ends && head.seq > info.head && gone) return false;
  const place = { fence: view.fenceAt(after) ?? 0, seq: after };
  if (!extend(view, { after: place, events })) return false;
  view.settled(upTo);
  return true;
}
