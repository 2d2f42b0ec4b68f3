import { describe, expect, test } from '@jest/globals';
import { leftLive, request, startTurn, type Turn, turnOf } from '../support/api.ts';
import { type CuttingProxy, startCuttingProxy } from '../support/proxy.ts';
import { type Random, seeded } from '../support/random.ts';
import { useServers } from '../support/server-process.ts';
import { type ReadResult, readWithResume, type Strategy } from '../support/sse-client.ts';
import { checkReader, readAll, truthOf } from '../support/truth.ts';

const SEED = Number(process.env['TORTURE_SEED'] ?? 20_261_121);
const CONVERSATIONS = 6;
const READERS = 6;

/** Cuts anywhere from the first byte of the head to far behind a whole replay. */
const budget = (random: Random): number => random.logBetween(1, 40_000);

function strategies(random: Random): Strategy[] {
  const mostly = (rare: 'fresh' | 'snapshot', share: number): Strategy => {
    return () => (random.next() < share ? rare : 'cursor');
  };
  return [
    () => 'cursor',
    () => 'cursor',
    () => 'fresh',
    () => 'snapshot',
    mostly('fresh', 0.2),
    mostly('snapshot', 0.2),
  ];
}

/** A start through the cutting proxy: the client repeats itself until it gets a whole answer. */
async function startThroughCuts(baseUrl: string, messageId: string): Promise<Turn> {
  for (let tries = 0; tries < 200; tries += 1) {
    const path = '/api/chat';
    const body = { text: 'say 1200 4 w', messageId };
    const answer = await request(baseUrl, { path, body }).catch(() => undefined);
    if (answer?.status === 202) return turnOf(answer.json);
    if (answer) throw new Error(`${answer.status} ${answer.text}`);
  }
  throw new Error('never a whole answer');
}

describe('torture', () => {
  const servers = useServers();
  const env = {
    MAX_GENERATIONS_PER_USER: '20',
    MAX_STREAMS_PER_USER: '500',
    HEARTBEAT_INTERVAL: '1s',
  };

  test('after 1,000 cuts at random bytes every reader has the truth', async () => {
    const server = await servers.start(env);
    const random = seeded(SEED);
    const proxy = await startCuttingProxy({
      baseUrl: server.baseUrl,
      random,
      budget,
      split: true,
    });

    const runs = await runAll({ server: server.baseUrl, proxy, random });

    for (const { turn, calm, readers } of runs) {
      const truth = await truthOf(server.baseUrl, turn);
      expect(truth.message).toMatchObject({ status: 'complete' });
      expect(JSON.stringify(truth.message)).toContain(' w1200"');
      expect(truth.log.size).toBeGreaterThan(800);
      for (const reader of [calm, ...readers]) checkReader(truth, reader);
      expect(calm.endings).toEqual(['clean']);
    }
    expect(await leftLive(server.baseUrl)).toEqual([]);
    const cuts = proxy.cuts.reset + proxy.cuts.clean;
    const truncated = runs.flatMap(({ readers }) =>
      readers.flatMap(({ endings }) => endings.filter((ending) => ending !== 'clean')),
    ).length;
    console.info(`seed ${SEED}: ${cuts} cuts (${proxy.cuts.reset} resets), ${truncated} seen`);
    expect(truncated).toBeGreaterThanOrEqual(1000);
    expect(proxy.cuts.reset).toBeGreaterThanOrEqual(300);
    expect(proxy.cuts.clean).toBeGreaterThanOrEqual(300);
  }, 60_000);
});

interface Run {
  turn: Turn;
  calm: ReadResult;
  readers: ReadResult[];
}

interface Torture {
  server: string;
  proxy: CuttingProxy;
  random: Random;
  signal: AbortSignal;
}

/** The first failure ends all readers, so that nothing outlives the test. */
async function runAll(torture: Omit<Torture, 'signal'>): Promise<Run[]> {
  const quit = new AbortController();
  try {
    return await everyConversation({ ...torture, signal: quit.signal });
  } finally {
    quit.abort();
    await torture.proxy.close();
  }
}

function everyConversation(torture: Torture): Promise<Run[]> {
  return Promise.all(
    Array.from({ length: CONVERSATIONS }, async (_, conversation) => {
      const messageId = `torture-${conversation}`;
      const turn = await startThroughCuts(torture.proxy.baseUrl, messageId);
      const again = await startTurn(torture.server, { text: 'say 1200 4 w', messageId });
      if (again.generationId !== turn.generationId) throw new Error('started twice');
      const readers = strategies(torture.random.fork())
        .slice(0, READERS)
        .map((strategy) => {
          const { signal, proxy } = torture;
          return readWithResume({
            baseUrl: proxy.baseUrl,
            path: turn.streamPath,
            strategy,
            signal,
          });
        });
      const [calm, ...cut] = await Promise.all([
        readAll(torture.server, turn, torture.signal),
        ...readers,
      ]);
      return { turn, calm, readers: cut };
    }),
  );
}
