import { isUnavailable } from '../errors.ts';
import { delay, type Clock } from '../lib/clock.ts';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

export interface Patience {
  clock: Clock;
  /** Aborted: no more tries. */
  signal: AbortSignal;
}

/**
 * Repeats a task as long as a store is out of reach. The task is idempotent, or guarded by a compare. Rejects with any
 * other error at once, and with the store's own once the signal aborts.
 */
export async function persist<T>(task: () => Promise<T>, { clock, signal }: Patience): Promise<T> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await task();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (!signal.aborted) await delay(clock, pause, signal);
      if (signal.aborted) throw error;
    }
  }
}
