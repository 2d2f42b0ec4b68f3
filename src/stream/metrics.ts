import type { Outcome, ResetReason } from './events.ts';
import type { Resolution } from './pending-action.ts';

/** What the heart counts. The implementation (prom-client) is chosen in the composition root. */
export interface StreamMetrics {
  generationStarted(): void;
  generationFinished(outcome: Outcome): void;
  /** Milliseconds between queued and claimed. */
  queueWaited(ms: number): void;
  /** Generations this process drives now. */
  inFlight(count: number): void;
  readerOpened(how: 'fresh' | 'resumed'): void;
  readerClosed(): void;
  bytesSent(bytes: number): void;
  reset(reason: ResetReason): void;
  takeover(): void;
  /** A pending action ended. */
  approvalResolved(outcome: Resolution['outcome']): void;
  /** Things that were deleted because their time was over. */
  expired(what: string, count: number): void;
  /** Milliseconds that one durable append took, and how many events it carried. */
  appended(ms: number, events: number): void;
}

const nothing = (): void => {};

export const noMetrics: StreamMetrics = {
  generationStarted: nothing,
  generationFinished: nothing,
  queueWaited: nothing,
  inFlight: nothing,
  readerOpened: nothing,
  readerClosed: nothing,
  bytesSent: nothing,
  reset: nothing,
  takeover: nothing,
  approvalResolved: nothing,
  expired: nothing,
  appended: nothing,
};
