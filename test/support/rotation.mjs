/**
 * Suites of real replicas and real faults, which take longest. Where a run must be short (ROTATE=1, as in .ci/run) half of
 * them run on one day and half on the next; without it, as `npm test` is meant, all do.
 */
const HALVES = [
  [
    ...['kill', 'redis-faults', 'races', 'skew', 'torture'].map((name) => `e2e/cluster/${name}`),
    ...['approvals-races', 'readers', 'examples/use-chat', 'page/page'].map(
      (name) => `e2e/${name}`,
    ),
    ...['mongo-faults', 'mongo-records-faults', 'mongo-checkpoint-faults', 'mongo-jobs-model'].map(
      (name) => `integration/store/${name}`,
    ),
    'sim/races',
  ],
  [
    ...['zombie', 'mongo-faults', 'expiry', 'rolling', 'abort', 'core-races'].map(
      (name) => `e2e/cluster/${name}`,
    ),
    ...['approvals-kill', 'torture', 'drain', 'kill'].map((name) => `e2e/${name}`),
    ...['redis-jobs-faults', 'redis-log-faults', 'redis-jobs-model', 'redis-connection'].map(
      (name) => `integration/store/${name}`,
    ),
    'sim/model',
  ],
];

const DAY_MS = 86_400_000;

/** Patterns of the suites that have to wait until tomorrow, said aloud. */
export function notToday() {
  if (process.env.ROTATE !== '1') return [];
  const names = HALVES[Math.floor(Date.now() / DAY_MS) % 2];
  // Workers read the configuration too.
  if (process.env.JEST_WORKER_ID === undefined) {
    process.stderr.write(`!!! ROTATE=1, so not today: ${names.join(', ')}\n`);
  }
  return names.map((name) => `/test/${name}\\.test`);
}
