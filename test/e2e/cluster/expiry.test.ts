import { expect, test } from '@jest/globals';
import { getJson, startTurn, type Turn } from '../../support/api.ts';
import { type Cluster, describeCluster } from '../../support/cluster.ts';
import { expireTogether, finishedIn } from '../../support/expire-together.ts';
import { eventually } from '../../support/services.ts';
import { list, object, type Shape, text } from '../../support/shape.ts';
import { readAll, type Truth, truthOf } from '../../support/truth.ts';

/** Many pauses that expire in the same moment, on two replicas. EXPIRING=2000 is the long run. */

const PAUSES = Number(process.env['EXPIRING'] ?? 30);
const AT_ONCE = 16;
/** Everybody was told, from the moment on at which they expire. */
const TOLD_MS = 30_000;
/** Of those that somebody reads meanwhile. */
const READ = Math.min(20, PAUSES);

/** Each of `items` through `work`, some at once; results in order. */
async function through<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next;
      next += 1;
      const item = items[index];
      if (item !== undefined) results[index] = await work(item, index);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

async function pausedTurns({ urls }: Cluster): Promise<Turn[]> {
  const numbers = Array.from({ length: PAUSES }, (_, index) => index);
  return through(numbers, (index) => startTurn(urls[index % 2] ?? '', { text: 'approve' }));
}

function eventsOf({ log }: Truth, event: string): Shape[] {
  return [...log.values()].filter((frame) => frame.event === event).map(({ data }) => data);
}

/** How long after `moment` its end is dated, ms, by the clock of the store. */
async function checkTold(
  { urls }: Cluster,
  { turn, moment }: { turn: Turn; moment: number },
): Promise<number> {
  const [one = '', other = ''] = urls;
  const truth = await truthOf(one, turn);
  const [resolved, ...more] = eventsOf(truth, 'action_resolved');
  expect(more).toEqual([]);
  expect(resolved).toMatchObject({ outcome: 'expired', decidedBy: null });
  const [done, ...others] = eventsOf(truth, 'done');
  expect(others).toEqual([]);
  expect(done).toMatchObject({ status: 'expired' });
  const approval = await getJson(other, `/api/approvals/${text(object(resolved)['actionId'])}`);
  const audit = list(approval['audit']).map((entry) => object(entry)['event']);
  expect({ status: approval['status'], audit }).toEqual({
    status: 'expired',
    audit: ['proposed', 'expired'],
  });
  return Date.parse(text(object(done)['at'])) - moment;
}

describeCluster('pauses that expire together', (clusters) => {
  test(
    `${PAUSES}: each is told once, within 30 s`,
    async () => {
      const room = { MAX_GENERATIONS_PER_USER: '10000', LOG_LEVEL: 'warn' };
      const cluster = await clusters.start({ env: room });
      const turns = await pausedTurns(cluster);
      const moment = await expireTogether(cluster, turns);
      const readers = turns
        .slice(0, READ)
        .map((turn, index) => readAll(cluster.urls[index % 2] ?? '', turn));

      await eventually(
        'all are over',
        async () => (await finishedIn(cluster)) === PAUSES,
        Math.max(0, moment - Date.now()) + 4 * TOLD_MS,
      );

      const took = await through(turns, (turn) => checkTold(cluster, { turn, moment }));
      const sorted = took.toSorted((a, b) => a - b);
      const last = sorted.at(-1) ?? 0;
      const half = sorted[Math.floor(sorted.length / 2)] ?? 0;
      console.info(`${PAUSES} expired: half told after ${half} ms, the last after ${last} ms`);
      expect(sorted[0]).toBeGreaterThanOrEqual(0);
      expect(last).toBeLessThan(TOLD_MS);
      for (const { done } of await Promise.all(readers)) {
        expect(done.data['status']).toBe('expired');
      }
      for (const replica of cluster.replicas)
        expect(replica.output()).not.toContain('"level":"error"');
    },
    180_000 + 400 * PAUSES,
  );
});
