import type { Cluster } from 'ioredis';

/** How often a client asks who has which slots, ms. */
const SLOTS_REFRESH_MS = 5_000;

/**
 * Asks again and again who has which slots. The client's own `slotsRefreshInterval` outlives it where it is closed while
 * an answer is under way: the answer sets the next timer, and the process never ends.
 */
export function refreshSlots(client: Cluster, everyMs = SLOTS_REFRESH_MS): Disposable {
  const timer = setInterval(() => {
    if (client.status === 'ready') client.refreshSlotsCache();
  }, everyMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
