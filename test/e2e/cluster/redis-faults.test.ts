import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setMaxListeners } from 'node:events';
import { activeGenerations, startTurn, type Turn } from '../../support/api.ts';
import { type Cluster, describeCluster } from '../../support/cluster.ts';
import {
  answeredAfter,
  ledgerOf,
  sendUntilAccepted,
  WaitingScene,
} from '../../support/fault-scene.ts';
import { startCuttingProxy } from '../../support/proxy.ts';
import { seeded } from '../../support/random.ts';
import {
  CLIENT_KILL,
  CLIENT_PAUSE,
  failover,
  FLUSHALL,
  FROZEN,
  FULL,
  type Harm,
  KILL,
  RESTART,
  SCRIPT_FLUSH,
} from '../../support/redis-harm.ts';
import { eventually } from '../../support/services.ts';
import { checkHonest, median, withdrawals, Witness } from '../../support/witness.ts';
import { truthOf } from '../../support/truth.ts';
import { sampled } from '../../support/sampled.ts';

/**
 * Redis fails under a live answer, with readers on both replicas and one that goes from replica to replica, beside a
 * generation that waits for a person. FAULT_WORDS=1000 FAULT_ROUNDS=5 is the long run, FAULT_REPORT=1 prints what
 * readers saw.
 */

const WORDS = Number(process.env['FAULT_WORDS'] ?? 250);
const ROUNDS = Number(process.env['FAULT_ROUNDS'] ?? 1);
const WORD_MS = 10;
/** Words that all readers have when the harm is done. */
const HEARD = 40;
/** From the end of the fault until everything goes on. */
const RECOVERED_MS = 5_000;
/** Until what is over is closed, on a busy machine. */
const AT_REST_MS = 30_000;

const ENV = { DEMO_LEDGER: 'ledger.jsonl', STREAM_RETENTION: '1h' };

/** What one round showed; ms. */
interface Seen {
  live: number;
  pause: number;
  accepted: number;
  answered: number;
  refused: number;
  connections: number;
  resets: number;
  segments: number;
  stall: number;
}

let quit = new AbortController();
const held: AsyncDisposable[] = [];

interface Round {
  cluster: Cluster;
  harm: Harm;
  /** Made in the middle of it: they wait, too. */
  late: WaitingScene[];
  jobsInRedis: boolean;
}

async function readersOf({ urls }: Cluster, turn: Turn): Promise<Witness[]> {
  const roaming = await startCuttingProxy({
    baseUrl: urls,
    random: seeded(1),
    budget: () => Number.POSITIVE_INFINITY,
  });
  held.push({ [Symbol.asyncDispose]: () => roaming.close() });
  const { signal } = quit;
  const at = (name: string, baseUrl: string) => new Witness(name, { baseUrl, turn, signal });
  return [...urls.map((url, index) => at(`reader ${index}`, url)), at('rover', roaming.baseUrl)];
}

/** While Redis is away: nothing but the words of answers under way needs it. */
async function checkMeanwhile(
  round: Round,
  waits: WaitingScene,
): Promise<{ turn: Turn; refused: number; took: number }> {
  const [, other = ''] = round.cluster.urls;
  const began = Date.now();
  if (!round.jobsInRedis) await waits.checkListed();
  const { pid } = process;
  const messageId = `during-${pid}-${began}`;
  const sent = await sendUntilAccepted(other, { text: 'say 5 0 new', messageId });
  if (!round.jobsInRedis) expect(sent.refused).toBe(0);
  return { ...sent, took: Date.now() - began };
}

async function play(round: Round): Promise<Seen> {
  const { cluster, harm, late } = round;
  const [one = ''] = cluster.urls;
  await harm.prepare?.(cluster);
  const waits = await WaitingScene.start(cluster, quit.signal);
  const words = WORDS + harm.lasts / WORD_MS;
  const turn = await startTurn(one, { text: `say ${words} ${WORD_MS} w` });
  const readers = await readersOf(cluster, turn);
  await Promise.all(readers.map((reader) => reader.hears(HEARD)));

  let fresh: Awaited<ReturnType<typeof checkMeanwhile>> | undefined;
  let sending: Promise<void> = Promise.resolve();
  const over = await harm.strike(cluster, async () => {
    sending = checkMeanwhile(round, waits).then((sent) => void (fresh = sent));
    // With its records in Redis nothing is accepted before the end.
    if (!round.jobsInRedis) await sending;
  });
  const live = Promise.all(readers.map((reader) => reader.wordsAfter(over, RECOVERED_MS)));
  const shown = Promise.all([waits, ...late].map((it) => it.shownAfter(over, RECOVERED_MS)));
  await sending;
  if (!fresh) throw new Error('no turn was sent meanwhile');
  const answered = answeredAfter(over, { urls: cluster.urls, turn: fresh.turn });
  const seen = { live: Math.max(...(await live)), pause: Math.max(...(await shown)) };

  for (const each of [waits, ...late]) await each.approve();
  const reads = await Promise.all(readers.map(({ read }) => read));
  await checkTruth(round, { turn, words }, reads);
  const stalls = readers.map(({ longestSilence }) => longestSilence);
  return {
    ...seen,
    accepted: fresh.took,
    refused: fresh.refused,
    answered: await answered,
    connections: Math.max(...reads.map(({ endings }) => endings.length)),
    resets: Math.max(...reads.map(({ resets }) => resets)),
    segments: Math.max(...reads.map((read) => withdrawals(read) - read.resets)),
    stall: Math.max(...stalls),
  };
}

async function checkTruth(
  { cluster, harm }: Round,
  { turn, words }: { turn: Turn; words: number },
  reads: readonly Awaited<Witness['read']>[],
): Promise<void> {
  const truths = await Promise.all(cluster.urls.map((url) => truthOf(url, turn)));
  const [truth] = truths;
  if (!truth) throw new Error('no truth');
  for (const other of truths) expect(other).toEqual(truth);
  expect(truth.message).toMatchObject({ status: 'complete' });
  expect(JSON.stringify(truth.message)).toContain(` w${words}"`);
  for (const [index, read] of reads.entries()) {
    checkHonest(truth, read);
    const rover = index === cluster.urls.length;
    if (harm.loses) expect(withdrawals(read)).toBeGreaterThan(0);
    // Who goes to another replica may have words that are not durable yet.
    else if (!rover)
      expect({ index, withdrawn: withdrawals(read) }).toEqual({ index, withdrawn: 0 });
  }
}

function report(name: string, rounds: readonly Seen[]): void {
  if (!process.env['FAULT_REPORT']) return;
  const keys = Object.keys(rounds[0] ?? {});
  const medians = keys.map((key) => {
    const values = rounds.map((seen) =>
      Number(Object.entries(seen).find(([it]) => it === key)?.[1]),
    );
    return `${key} ${median(values)} (${Math.max(...values)})`;
  });
  process.stdout.write(`${name}: ${medians.join(', ')}\n`);
}

async function playAll(round: Round): Promise<void> {
  const rounds: Seen[] = [];
  for (let count = 0; count < ROUNDS; count += 1) rounds.push(await play(round));
  report(round.harm.name, rounds);
}

/** Resolves when nothing is live at any replica. */
async function atRest({ urls }: Cluster): Promise<boolean> {
  const idle = async (): Promise<boolean> => {
    const live = await Promise.all(urls.map((url) => activeGenerations(url)));
    return live.every((each) => Array.isArray(each) && each.length === 0);
  };
  await eventually('nothing is live', idle, AT_REST_MS);
  return true;
}

/** Also where a test failed. */
function cleansUp(): void {
  afterAll(async () => {
    quit.abort();
    for (const each of held.splice(0)) await each[Symbol.asyncDispose]();
  });
}

const LIMIT = 60_000 * ROUNDS;

describeCluster('Redis fails, records in MongoDB', (clusters) => {
  let cluster: Cluster;
  cleansUp();
  beforeAll(async () => {
    quit = new AbortController();
    setMaxListeners(0, quit.signal);
    cluster = await clusters.start({ env: ENV });
  }, 60_000);

  const harms = [RESTART, KILL, CLIENT_KILL, SCRIPT_FLUSH, CLIENT_PAUSE, FROZEN, FULL, FLUSHALL];
  test.each(sampled(harms).map((harm) => [harm.name, harm] as const))(
    '%s: readers have the truth, the pause stays, a turn is accepted meanwhile',
    async (_name, harm) => {
      await playAll({ cluster, harm, late: [], jobsInRedis: false });
      expect(await atRest(cluster)).toBe(true);
    },
    LIMIT,
  );

  // Last: afterwards another server is the cluster's.
  test('failover to a replica that lags: what it lost is told, also of a pause that it never heard of', async () => {
    const late: WaitingScene[] = [];
    const missed = async (): Promise<void> => {
      late.push(await WaitingScene.start(cluster, quit.signal));
    };
    const harm = failover(missed, (replica) => held.push(replica));
    const round = { cluster, harm, late, jobsInRedis: false };
    report(harm.name, [await play(round)]);
    expect(await atRest(cluster)).toBe(true);
  }, 60_000);
});

describeCluster('Redis fails, with the records', (clusters) => {
  let cluster: Cluster;
  cleansUp();
  beforeAll(async () => {
    quit = new AbortController();
    setMaxListeners(0, quit.signal);
    cluster = await clusters.start({ env: { ...ENV, JOB_STORE: 'redis' } });
  }, 60_000);

  test.each(sampled([KILL, CLIENT_KILL, SCRIPT_FLUSH]).map((harm) => [harm.name, harm] as const))(
    '%s: readers have the truth, the pause stays, a turn is accepted after',
    async (_name, harm) => {
      await playAll({ cluster, harm, late: [], jobsInRedis: true });
      expect(await atRest(cluster)).toBe(true);
    },
    LIMIT,
  );

  test('no tool ran twice', () => {
    const ids = ledgerOf(cluster).map(({ toolCallId }) => toolCallId);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
