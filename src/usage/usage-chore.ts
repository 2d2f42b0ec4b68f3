import type { Chore } from '../stream/maintenance.ts';
import { daysBefore } from './pricing.ts';
import type { UsageStore } from './usage-store.ts';

/** Days that usage is kept. */
const KEPT = 400;

export function usageChore(store: Pick<UsageStore, 'prune'>): Chore {
  return {
    name: 'usage',
    async run(now, limit) {
      const deleted = await store.prune(daysBefore(now, KEPT), limit);
      return { deleted, more: deleted === limit };
    },
  };
}
