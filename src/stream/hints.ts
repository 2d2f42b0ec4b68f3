import type { LogNews } from './event-transport.ts';

/**
 * Port: hints between replicas. They only make things quicker, and any of them may be lost, late or doubled: what they
 * say is in the stores, where every replica finds it by its regular scan, or the next entry of a log.
 */

export type Hint =
  /** Something became claimable that the sender will not claim itself. */
  | { type: 'queued' }
  /** The generation was taken from every driver below this fence. */
  | { type: 'fenced'; generationId: string; fence: number }
  /** The sender has readers of these logs. */
  | { type: 'follows'; generationIds: string[] }
  /** What the sender has shown its own readers, and has not stored yet. */
  | { type: 'previews'; logs: Preview[] };

/** Deltas of one log, ahead of the store. */
export interface Preview extends LogNews {
  generationId: string;
}

export interface Hints {
  /** Tells the other replicas, not this one. Returns at once and never throws. */
  publish(hint: Hint): void;
  /** The same for one replica, by the name that its own hints come from. */
  tell(replica: string, hint: Hint): void;
  listen(listener: (hint: Hint, from: string) => void): Disposable;
}
