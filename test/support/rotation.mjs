/**
 * Suites of real replicas and real faults, which take longest. Where a run must be short (ROTATE=1, as in .ci/run) half of
 * them run on one day and half on the next; without it, as `npm test` is meant, all do.
 */
const HALVES = [
  ['kill', 'redis-faults', 'races', 'skew', 'torture'],
  ['zombie', 'mongo-faults', 'expiry', 'rolling', 'abort', 'core-races'],
];

const DAY_MS = 86_400_000;

/** Patterns of the suites that have to wait until tomorrow, said aloud. */
export function notToday() {
  if (process.env.ROTATE !== '1') return [];
  const names = HALVES[Math.floor(Date.now() / DAY_MS) % 2];
  // Workers read the configuration too.
  if (process.env.JEST_WORKER_ID === undefined) {
    process.stderr.write(`!!! ROTATE=1, so not today: test/e2e/cluster/{${names.join(',')}}\n`);
  }
  return names.map((name) => `/test/e2e/cluster/${name}\\.test`);
}
