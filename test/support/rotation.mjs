/**
 * Suites of real replicas, real faults and long models, which take longest. Where a run must be short (ROTATE=1, as in
 * .ci/run) a quarter of them runs on one day and the next quarter on the next; without it, as `npm test` is meant, all do.
 */
const QUARTERS = [
  ['e2e/page/page', 'e2e/readers', 'e2e/cluster/kill', 'e2e/examples/node-agent'],
  [
    ...['mongo-faults', 'redis-faults', 'zombie', 'zombie-effect'].map(
      (name) => `e2e/cluster/${name}`,
    ),
    ...['approvals-kill', 'kill', 'torture'].map((name) => `e2e/${name}`),
    'integration/store/redis-jobs-faults',
    'integration/mcp/connections',
    'sim/races',
  ],
  [
    ...['torture', 'skew', 'abort', 'rolling', 'redis-failover'].map(
      (name) => `e2e/cluster/${name}`,
    ),
    ...['approvals-malformed', 'drain', 'examples/use-chat'].map((name) => `e2e/${name}`),
    ...['mongo-jobs', 'mongo-jobs-model', 'mongo-records-faults', 'redis-log-faults'].map(
      (name) => `integration/store/${name}`,
    ),
    ...['custom-interrupts', 'nested-pauses'].map((name) => `integration/agent/${name}`),
  ],
  [
    ...['expiry', 'core-races', 'races'].map((name) => `e2e/cluster/${name}`),
    ...['mongo-checkpoint-faults', 'mongo-faults', 'redis-cluster-failover'].map(
      (name) => `integration/store/${name}`,
    ),
    ...['redis-connection', 'redis-jobs-model'].map((name) => `integration/store/${name}`),
    'e2e/approvals-races',
    'integration/agent/pause-crashes',
    'sim/model',
  ],
];

const DAY_MS = 86_400_000;

/** Patterns of the suites that have to wait for their day, said aloud. */
export function notToday() {
  if (process.env.ROTATE !== '1') return [];
  const today = Math.floor(Date.now() / DAY_MS) % QUARTERS.length;
  const names = QUARTERS.filter((_quarter, day) => day !== today).flat();
  // Workers read the configuration too.
  if (process.env.JEST_WORKER_ID === undefined) {
    process.stderr.write(`!!! ROTATE=1, so not today: ${names.join(', ')}\n`);
  }
  return names.map((name) => `/test/${name}\\.test`);
}
