import { expect, test } from '@jest/globals';
import { setMaxListeners } from 'node:events';
import { activeOf, request, startTurn, type Turn, turnOf } from '../../support/api.ts';
import { describeCluster } from '../../support/cluster.ts';
import { type CuttingProxy, startCuttingProxy } from '../../support/proxy.ts';
import { type Random, seeded } from '../../support/random.ts';
import { eventually } from '../../support/services.ts';
import { type ReadResult, readWithResume, type Strategy } from '../../support/sse-client.ts';
import { checkReader, readAll, type Truth, truthOf } from '../../support/truth.ts';

/**
 * Readers who are cut at random bytes and come back on another replica each time. TORTURE_SEED plays the same cuts
 * again, TORTURE_RECONNECTS=5000 makes them more.
 */

const SEED = Number(process.env['TORTURE_SEED'] ?? 20_261_121);
const RECONNECTS = Number(process.env['TORTURE_RECONNECTS'] ?? 200);
const CONVERSATIONS = 2;
const WORDS = 900;
/** A token every ms: more than 200 a second also where timers are late. */
const TEXT = `say ${WORDS} 1 w`;

/** Cuts anywhere from the first byte of the head to far behind a whole replay; most of them soon. */
const budget = (random: Random): number =>
  random.logBetween(1, random.next() < 0.8 ? 6_000 : 60_000);

function strategies(random: Random): Strategy[] {
  const mostly = (rare: 'fresh' | 'snapshot', share: number): Strategy => {
    return () => (random.next() < share ? rare : 'cursor');
  };
  return [
    () => 'cursor',
    () => 'cursor',
    () => 'cursor',
    () => 'fresh',
    () => 'snapshot',
    mostly('fresh', 0.2),
    mostly('snapshot', 0.2),
  ];
}

interface Torture {
  urls: readonly string[];
  proxy: CuttingProxy;
  random: Random;
  signal: AbortSignal;
}

interface Run {
  turn: Turn;
  /** One on each replica, never cut. */
  calm: ReadResult[];
  cut: ReadResult[];
}

/** A start through the cutting proxy: the client repeats itself until it gets a whole answer. */
async function startThroughCuts(baseUrl: string, messageId: string): Promise<Turn> {
  for (let tries = 0; tries < 200; tries += 1) {
    const body = { text: TEXT, messageId };
    const answer = await request(baseUrl, { path: '/api/chat', body }).catch(() => undefined);
    if (answer?.status === 202) return turnOf(answer.json);
    if (answer) throw new Error(`${answer.status} ${answer.text}`);
  }
  throw new Error('never a whole answer');
}

async function converse(torture: Torture, messageId: string): Promise<Run> {
  const { urls, proxy, random, signal } = torture;
  const turn = await startThroughCuts(proxy.baseUrl, messageId);
  const path = turn.streamPath;
  const calm = Promise.all(urls.map((url) => readAll(url, turn, signal)));
  const cut = Promise.all(
    strategies(random.fork()).map((strategy) =>
      readWithResume({ baseUrl: proxy.baseUrl, path, strategy, signal }),
    ),
  );
  const again = await Promise.all(urls.map((url) => startTurn(url, { text: TEXT, messageId })));
  for (const { generationId } of again) expect(generationId).toBe(turn.generationId);
  return { turn, calm: await calm, cut: await cut };
}

/** The first failure ends all readers, so that nothing outlives the test. */
async function converseAll(torture: Omit<Torture, 'signal'>, round: number): Promise<Run[]> {
  const quit = new AbortController();
  setMaxListeners(0, quit.signal);
  try {
    return await Promise.all(
      Array.from({ length: CONVERSATIONS }, (_, n) =>
        converse({ ...torture, signal: quit.signal }, `torture-${round}-${n}`),
      ),
    );
  } finally {
    quit.abort();
  }
}

function timeOf(truth: Truth, which: 0 | -1): number {
  const deltas = [...truth.log.values()].filter(({ event }) => event === 'text_delta');
  return Date.parse(String(deltas.at(which)?.data['at']));
}

/** Deltas per second, as the driver wrote them. */
function rateOf(truth: Truth): number {
  return (truth.log.size * 1000) / (timeOf(truth, -1) - timeOf(truth, 0));
}

/** Both replicas tell the same, and every reader has it. */
async function checkRun({ turn, calm, cut }: Run, urls: readonly string[]): Promise<Truth> {
  const [truth, ...others] = await Promise.all(urls.map((url) => truthOf(url, turn)));
  if (!truth) throw new Error('no replicas');
  for (const other of others) expect(other).toEqual(truth);
  expect(truth.message).toMatchObject({ status: 'complete' });
  expect(JSON.stringify(truth.message)).toContain(` w${WORDS}"`);
  for (const reader of [...calm, ...cut]) checkReader(truth, reader);
  for (const reader of calm) expect(reader.endings).toEqual(['clean']);
  return truth;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

describeCluster('torture', (clusters) => {
  test(`after ${RECONNECTS} cuts and changes of the replica every reader has the truth`, async () => {
    const { urls } = await clusters.start({ env: { HEARTBEAT_INTERVAL: '1s' } });
    const random = seeded(SEED);
    const proxy = await startCuttingProxy({ baseUrl: urls, random, budget, split: true });
    let reconnects = 0;
    let resets = 0;
    const rates: number[] = [];

    try {
      for (let round = 0; reconnects < RECONNECTS; round += 1) {
        const runs = await converseAll({ urls, proxy, random }, round);
        for (const run of runs) rates.push(rateOf(await checkRun(run, urls)));
        const readers = runs.flatMap(({ calm, cut }) => [...calm, ...cut]);
        reconnects += sum(
          readers.map(({ endings }) => endings.filter((ending) => ending !== 'clean').length),
        );
        resets += sum(readers.map((reader) => reader.resets));
      }
    } finally {
      await proxy.close();
    }

    const { reset, clean } = proxy.cuts;
    console.info(
      `seed ${SEED}: ${reconnects} reconnects, cuts by ${reset} resets and ${clean} ends, ` +
        `${resets} readers told to begin anew, ${rates.map(Math.round).join(' ')} tokens/s`,
    );
    // Nobody died: what the driver showed its own readers a moment early came true, wherever they came back.
    expect(resets).toBe(0);
    expect(reset).toBeGreaterThanOrEqual(RECONNECTS / 4);
    expect(clean).toBeGreaterThanOrEqual(RECONNECTS / 4);
    const [url = ''] = urls;
    await eventually('all is over', async () => (await activeOf(url)).length === 0);
  }, 600_000);
});
