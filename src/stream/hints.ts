/**
 * Port: hints between replicas. They only make things quicker, and any of them may be lost, late or doubled: what they
 * say is in the job store, where every replica finds it by its regular scan.
 */

export type Hint =
  /** Something became claimable that the sender will not claim itself. */
  | { type: 'queued' }
  /** The generation was taken from every driver below this fence. */
  | { type: 'fenced'; generationId: string; fence: number };

export interface Hints {
  /** Tells the other replicas, not this one. Returns at once and never throws. */
  publish(hint: Hint): void;
  listen(listener: (hint: Hint) => void): Disposable;
}
