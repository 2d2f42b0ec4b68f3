import { afterAll, expect, test } from '@jest/globals';
import { setMaxListeners } from 'node:events';
import { activeOf, type Turn } from '../../support/api.ts';
import { type Cluster, describeCluster } from '../../support/cluster.ts';
import { type CuttingProxy, startCuttingProxy } from '../../support/proxy.ts';
import { seeded } from '../../support/random.ts';
import { Records } from '../../support/records.ts';
import { eventually } from '../../support/services.ts';
import { text, type Shape } from '../../support/shape.ts';
import type { ReadResult } from '../../support/sse-client.ts';
import { most, saying } from '../../support/tally.ts';
import { checkReader, truthOf } from '../../support/truth.ts';
import { send, WatchedTurn } from '../../support/watched-turn.ts';

/**
 * All replicas are restarted by SIGTERM, one after the other, under live streams and new turns that go through a
 * balancer which knows nothing of them but who listens. ROLLINGS=20 STREAMS=100 is the long run.
 */

const ROLLINGS = Number(process.env['ROLLINGS'] ?? 1);
const STREAMS = Number(process.env['STREAMS'] ?? 12);
/** Readers of each conversation. */
const READERS = 2;

interface Talk {
  text: string;
  says: string;
}

function talk(words: number, pause: number): Talk {
  return { text: `say ${words} ${pause} w`, says: saying('w', words) };
}

/** 6 s is longer than the grace time, so each restart finds runs to hand over; the others come and go. */
const TALKS = [talk(60, 100), talk(30, 40), talk(15, 40)];

/** So rarely that only hints can move in time what was handed over. */
const SCAN_MS = 100_000;

const quit = new AbortController();
setMaxListeners(0, quit.signal);

interface Answered {
  turn: Turn;
  says: string;
  readers: { read: ReadResult; silence: number }[];
}

/** One conversation: turn after turn until it is told to stop, each read to its end by all readers. */
async function converse(
  baseUrl: string,
  { lane, going }: { lane: number; going: () => boolean },
): Promise<Answered[]> {
  const all: Answered[] = [];
  const { text: command, says } = TALKS[lane % TALKS.length] ?? talk(1, 1);
  let conversation: Shape = {};
  for (let n = 0; going() || n === 0; n += 1) {
    const messageId = `rolling-${lane}-${n}`;
    const turn = await send(baseUrl, { text: command, messageId, ...conversation });
    conversation = { conversationId: turn.conversationId };
    const watched = Array.from(
      { length: READERS },
      () => new WatchedTurn(baseUrl, turn, quit.signal),
    );
    const reads = await Promise.all(watched.map(({ read }) => read));
    const readers = reads.map((read, index) => ({
      read,
      silence: watched[index]?.longestSilence ?? 0,
    }));
    all.push({ turn, says, readers });
  }
  return all;
}

interface Restarts {
  /** SIGTERM to exit, and spawn to ready, ms. */
  drained: number[];
  started: number[];
}

async function restartAll({ replicas }: Cluster, times: number): Promise<Restarts> {
  const restarts: Restarts = { drained: [], started: [] };
  for (let n = 0; n < times; n += 1) {
    for (const replica of replicas) {
      const begun = Date.now();
      const exit = await replica.stop();
      expect(exit).toEqual({ code: 0, signal: null });
      restarts.drained.push(Date.now() - begun);
      const spawned = Date.now();
      await replica.restart();
      restarts.started.push(Date.now() - spawned);
    }
  }
  return restarts;
}

async function finished(
  talking: Promise<Answered[][]>,
  balancer: CuttingProxy,
): Promise<Answered[]> {
  try {
    return (await talking).flat();
  } finally {
    quit.abort();
    await balancer.close();
  }
}

interface Tally {
  resets: number;
  connections: number;
  handedOver: number;
}

async function checkAnswer(
  { turn, says, readers }: Answered,
  at: { baseUrl: string; records: Records },
): Promise<Tally> {
  const truth = await truthOf(at.baseUrl, turn);
  expect(truth.message).toMatchObject({
    status: 'complete',
    content: [{ type: 'text', text: says }],
  });
  const record = await at.records.job(turn.generationId);
  // A deployment is no crash: whatever number of them a generation meets, it is not given up.
  expect({ turn, attempts: record['attempts'] }).toEqual({ turn, attempts: 0 });
  for (const { read } of readers) checkReader(truth, read);
  const handedOver = [...truth.log.values()].filter(({ event }) => event === 'segment').length;
  const reads = readers.map(({ read }) => read);
  return {
    handedOver,
    resets: reads.reduce((sum, read) => sum + read.resets, 0),
    connections: reads.reduce((sum, read) => sum + read.endings.length, 0),
  };
}

describeCluster('rolling restarts', (clusters) => {
  afterAll(() => quit.abort());

  test(`${ROLLINGS} of all replicas under ${STREAMS} streams: no reader and no sender sees an error`, async () => {
    const env = { DRAIN_GRACE: '1500ms', SCAN_INTERVAL: `${SCAN_MS}ms`, LEASE_TTL: '300s' };
    const cluster = await clusters.start({ env });
    await using records = new Records(text(cluster.env['MONGODB_URI']));
    const balancer = await startCuttingProxy({
      baseUrl: cluster.urls,
      random: seeded(1),
      budget: () => Number.POSITIVE_INFINITY,
    });
    let going = true;
    const lanes = Array.from({ length: STREAMS / READERS }, (_, lane) =>
      converse(balancer.baseUrl, { lane, going: () => going }),
    );
    const talking = Promise.all(lanes);
    talking.catch(() => (going = false));

    const restarts = await restartAll(cluster, ROLLINGS).finally(() => (going = false));
    const answers = await finished(talking, balancer);

    const [baseUrl = ''] = cluster.urls;
    const tallies: Tally[] = [];
    for (const answer of answers) tallies.push(await checkAnswer(answer, { baseUrl, records }));
    const sum = (of: keyof Tally): number => tallies.reduce((total, it) => total + it[of], 0);
    const silences = answers.flatMap(({ readers }) => readers.map(({ silence }) => silence));
    console.info(
      `${ROLLINGS * cluster.replicas.length} restarts (drained in ${most(restarts.drained)} ms at most, ` +
        `ready in ${Math.min(...restarts.started)} to ${most(restarts.started)} ms), ${answers.length} answers, ` +
        `${sum('handedOver')} times handed over, ${sum('connections')} connections, ${sum('resets')} resets, ` +
        `longest silence ${most(silences)} ms`,
    );
    // With few restarts it is chance whether one of them meets a run between two steps.
    expect(sum('handedOver')).toBeGreaterThan(ROLLINGS < 5 ? -1 : 0);
    // Nothing had to wait for a scan.
    expect(most(silences)).toBeLessThan(SCAN_MS - 10_000);
    // What a reader of the driver saw last is durable before that one goes.
    expect(sum('resets')).toBe(0);
    await eventually('all is over', async () => (await activeOf(baseUrl)).length === 0, 30_000);
    for (const replica of cluster.replicas)
      expect(replica.output()).not.toContain('"level":"error"');
  }, 3_600_000);
});
