/**
 * Suites of real replicas, real faults and long models, which take longest. Where a run must be short (ROTATE=1, as in
 * .ci/run) a third of them runs on one day and the next third on the next; without it, as `npm test` is meant, all do.
 */
const THIRDS = [
  [
    ...['kill', 'expiry', 'core-races'].map((name) => `e2e/cluster/${name}`),
    ...['approvals-races', 'readers', 'page/page'].map((name) => `e2e/${name}`),
    ...['mongo-checkpoint-faults', 'redis-connection', 'redis-jobs-model'].map(
      (name) => `integration/store/${name}`,
    ),
    'integration/store/redis-cluster-failover',
  ],
  [
    ...['mongo-faults', 'redis-faults', 'races', 'zombie', 'zombie-effect'].map(
      (name) => `e2e/cluster/${name}`,
    ),
    ...['approvals-kill', 'kill', 'torture', 'examples/use-chat'].map((name) => `e2e/${name}`),
    ...['mongo-records-faults', 'redis-jobs-faults'].map((name) => `integration/store/${name}`),
    'sim/races',
  ],
  [
    ...['torture', 'skew', 'abort', 'rolling', 'redis-failover'].map(
      (name) => `e2e/cluster/${name}`,
    ),
    ...['approvals-malformed', 'drain'].map((name) => `e2e/${name}`),
    ...['mongo-faults', 'mongo-jobs', 'mongo-jobs-model', 'redis-log-faults'].map(
      (name) => `integration/store/${name}`,
    ),
    'integration/agent/pause-crashes',
    'sim/model',
  ],
];

const DAY_MS = 86_400_000;

/** Patterns of the suites that have to wait for their day, said aloud. */
export function notToday() {
  if (process.env.ROTATE !== '1') return [];
  const today = Math.floor(Date.now() / DAY_MS) % THIRDS.length;
  const names = THIRDS.filter((_third, day) => day !== today).flat();
  // Workers read the configuration too.
  if (process.env.JEST_WORKER_ID === undefined) {
    process.stderr.write(`!!! ROTATE=1, so not today: ${names.join(', ')}\n`);
  }
  return names.map((name) => `/test/${name}\\.test`);
}
