import { NO_FILE } from '../../src/config/file/live.ts';
import { createUsageReports, type UsageReports } from '../../src/usage/usage-report.ts';

/** The reports of users who used nothing. */
export function fakeUsage(now: () => number): UsageReports {
  return createUsageReports({
    store: { of: async () => ({ tokens: 0, cost: 0 }), list: async () => [] },
    file: { current: NO_FILE },
    now: async () => now(),
  });
}
