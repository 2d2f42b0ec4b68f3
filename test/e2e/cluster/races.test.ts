import { afterAll, expect, test } from '@jest/globals';
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { activeGenerations, getJson } from '../../support/api.ts';
import { type Cluster, describeCluster } from '../../support/cluster.ts';
import { type Arena, playRaces } from '../../support/pause-races.ts';
import { eventually } from '../../support/services.ts';

/**
 * Answers, stops, new turns and time come to the same pause at once, by way of two replicas. RACE_SEED plays the same
 * races again; CLUSTER_RACES and CLUSTER_TIME_RACES say how many.
 */

const SEED = Number(process.env['RACE_SEED'] ?? 1);
const ROUNDS = Number(process.env['CLUSTER_RACES'] ?? 12);
const TIME_ROUNDS = Number(process.env['CLUSTER_TIME_RACES'] ?? 6);
const AT_ONCE = Number(process.env['CLUSTER_AT_ONCE'] ?? 10);
const LIMIT = 120_000 + 500 * (ROUNDS + TIME_ROUNDS);

const LEDGER = { DEMO_LEDGER: 'ledger.jsonl' };
const SHORT_LIFE = { ...LEDGER, APPROVAL_TTL: '2s', SCAN_INTERVAL: '500ms' };

const quit = new AbortController();
setMaxListeners(0, quit.signal);

function arenaOf({ urls, replicas }: Cluster): Arena {
  const ledgers = replicas.map(({ dataDir }) => join(dataDir, 'ledger.jsonl'));
  return { urls, ledgers, signal: quit.signal, patience: 60_000 };
}

async function nothingIsLeft({ urls }: Cluster): Promise<boolean> {
  await eventually('nothing is live, nothing waits', async () => {
    const [one = '', other = ''] = urls;
    const { items } = await getJson(one, '/api/approvals');
    return JSON.stringify([items, await activeGenerations(other)]) === '[[],[]]';
  });
  return true;
}

const complaints = ({ replicas }: Cluster): string[] =>
  replicas.flatMap((it) =>
    it
      .output()
      .split('\n')
      .filter((line) => line.includes('"level":"error"')),
  );

describeCluster('whoever comes to a pause over two replicas', (clusters) => {
  afterAll(() => quit.abort());

  test(
    `has one winner in ${ROUNDS} races, and every loser is told`,
    async () => {
      const cluster = await clusters.start({ env: LEDGER });
      const rounds = { from: SEED, count: ROUNDS, atOnce: AT_ONCE, expiry: false };
      const won = await playRaces(arenaOf(cluster), rounds);

      if (process.env['FAULT_REPORT']) console.info(won);
      for (const outcome of ['decided', 'aborted', 'superseded'])
        expect(won.get(outcome) ?? 0).toBeGreaterThanOrEqual(Math.floor(ROUNDS / 60));
      expect(await nothingIsLeft(cluster)).toBe(true);
      expect(complaints(cluster)).toEqual([]);
    },
    LIMIT,
  );

  test(
    `has one winner in ${TIME_ROUNDS} races with time`,
    async () => {
      const cluster = await clusters.start({ env: SHORT_LIFE });
      const rounds = { from: SEED + ROUNDS, count: TIME_ROUNDS, atOnce: 2 * AT_ONCE, expiry: true };
      const won = await playRaces(arenaOf(cluster), rounds);

      if (process.env['FAULT_REPORT']) console.info(won);
      expect(won.get('expired') ?? 0).toBeGreaterThanOrEqual(Math.floor(TIME_ROUNDS / 60));
      expect(await nothingIsLeft(cluster)).toBe(true);
      expect(complaints(cluster)).toEqual([]);
    },
    LIMIT,
  );
});
