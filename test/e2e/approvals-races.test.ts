import { afterAll, describe, expect, test } from '@jest/globals';
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { getJson, leftLive } from '../support/api.ts';
import { type Arena, playRaces } from '../support/pause-races.ts';
import { type ServerProcess, useServers } from '../support/server-process.ts';

/** Everything that can come to a pause at once, through HTTP. RACE_SEED plays the same races again. */

const SEED = Number(process.env['RACE_SEED'] ?? 1);
const ROUNDS = Number(process.env['RACE_HTTP_ROUNDS'] ?? 30);
const EXPIRY_ROUNDS = Number(process.env['RACE_HTTP_EXPIRY_ROUNDS'] ?? 16);
const AT_ONCE = 20;
const TTL_MS = 1_500;
const ROOM = {
  MAX_GENERATIONS_PER_USER: '1000',
  MAX_STREAMS_PER_USER: '1000',
  DEMO_LEDGER: 'ledger.jsonl',
};

const quit = new AbortController();
setMaxListeners(0, quit.signal);

function arenaOf({ baseUrl, dataDir }: ServerProcess): Arena {
  return {
    urls: [baseUrl],
    ledgers: [join(dataDir, 'ledger.jsonl')],
    signal: quit.signal,
    patience: 15_000,
  };
}

async function checkNothingLeft({ baseUrl }: ServerProcess): Promise<void> {
  expect(await leftLive(baseUrl)).toEqual([]);
  expect(await getJson(baseUrl, '/api/approvals')).toEqual({ items: [], nextCursor: null });
}

describe('whoever comes to a pause through HTTP', () => {
  const servers = useServers();
  afterAll(() => quit.abort());

  test(`has one winner in ${ROUNDS} races, and every loser is told`, async () => {
    const server = await servers.start(ROOM);
    const rounds = { from: SEED, count: ROUNDS, atOnce: AT_ONCE, expiry: false };
    const won = await playRaces(arenaOf(server), rounds);

    for (const outcome of ['decided', 'aborted', 'superseded'])
      expect(won.get(outcome) ?? 0).toBeGreaterThanOrEqual(Math.floor(ROUNDS / 60));
    await checkNothingLeft(server);
    expect(server.output()).not.toContain('"level":"error"');
  }, 120_000);

  test(`has one winner in ${EXPIRY_ROUNDS} races with time`, async () => {
    const env = { APPROVAL_TTL: `${TTL_MS}ms`, SCAN_INTERVAL: '50ms' };
    const server = await servers.start({ ...ROOM, ...env });
    const rounds = { from: SEED + ROUNDS, count: EXPIRY_ROUNDS, atOnce: 35, expiry: true };
    const won = await playRaces(arenaOf(server), rounds);

    expect(won.get('expired') ?? 0).toBeGreaterThanOrEqual(Math.floor(EXPIRY_ROUNDS / 60));
    expect(won.get('decided') ?? 0).toBeGreaterThanOrEqual(Math.floor(EXPIRY_ROUNDS / 60));
    await checkNothingLeft(server);
    expect(server.output()).not.toContain('"level":"error"');
  }, 120_000);
});
