const DAY_MS = 86_400_000;

/**
 * A part of a long list of cases, for runs that must be short: one in `every`, other ones each day, so that in a few days
 * all are seen. FULL=1: all of them.
 */
export function sampled<T>(cases: readonly T[], every = 3): T[] {
  if (process.env['FULL'] === '1') return [...cases];
  const step = Math.min(every, cases.length);
  const first = Math.floor(Date.now() / DAY_MS) % step;
  return cases.filter((_case, index) => index % step === first);
}
