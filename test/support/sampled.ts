const DAY_MS = 86_400_000;

/**
 * A part of a long list of cases, for runs that must be short: one in `every`, other ones each day, so that in a few days
 * all are seen. FULL=1: all of them.
 */
export function sampled<T>(cases: readonly T[], every = 3): T[] {
  if (process.env['FULL'] === '1') return [...cases];
  const step = Math.min(every, cases.length);
  const day = Math.floor(Date.now() / DAY_MS);
  // Also where a suite itself has its turn only every third day (rotation.mjs), it is another part each time.
  const first = (Math.floor(day / 3) + (day % 3)) % step;
  return cases.filter((_case, index) => index % step === first);
}
