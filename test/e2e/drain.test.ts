import { afterAll, describe, expect, test } from '@jest/globals';
import { leftLive, request, startTurn } from '../support/api.ts';
import { type ServerProcess, useServers } from '../support/server-process.ts';
import { type Connection, readConnection, readWithResume } from '../support/sse-client.ts';
import type { Frame } from '../support/sse-parser.ts';
import { checkReader, readAll, truthOf } from '../support/truth.ts';

const AWAY = [503];

/** Polls until the route says so, or the process is gone. */
async function statusSeen(server: ServerProcess, path: string, wanted: number): Promise<boolean> {
  for (;;) {
    const answer = await request(server.baseUrl, { path }).catch(() => undefined);
    if (!answer) return false;
    if (answer.status === wanted) return true;
    await new Promise((again) => setTimeout(again, 10));
  }
}

describe('SIGTERM', () => {
  const servers = useServers();
  const quit: AbortController[] = [];
  afterAll(() => {
    for (const leave of quit) leave.abort();
  });

  test('refuses new work, cuts what goes on, hands it over and exits in time', async () => {
    const server = await servers.start({ DRAIN_GRACE: '3s' });
    const { baseUrl } = server;
    const long = await startTurn(baseUrl, { text: 'say 250 30 long' });
    const short = await startTurn(baseUrl, { text: 'say 40 20 short' });
    const target = { baseUrl, path: long.streamPath };
    const leave = new AbortController();
    let cut: Promise<Connection> | undefined;
    await new Promise<void>((streaming) => {
      const onFrame = ({ seq }: Frame): void => void (seq > 9 && streaming());
      cut = readConnection({ ...target, entry: 'fresh', onFrame });
    });
    const resumed = readWithResume({ ...target, retryOn: AWAY, signal: leave.signal });
    resumed.catch(() => {});
    quit.push(leave);

    const before = Date.now();
    server.signal('SIGTERM');
    const notReady = await statusSeen(server, '/readyz', 503);
    const refused = await request(baseUrl, { path: '/api/chat', body: { text: 'say 1 1' } });
    const alive = await request(baseUrl, { path: '/healthz' });
    const exit = await server.exited();
    const took = Date.now() - before;

    expect(notReady).toBe(true);
    expect(refused).toMatchObject({ status: 503, json: { error: { code: 'UNAVAILABLE' } } });
    expect(alive.status).toBe(200);
    expect(exit).toEqual({ code: 0, signal: null });
    // Its answer would go on for seven seconds.
    expect(took).toBeLessThan(6500);
    expect(await cut).toMatchObject({ ending: 'truncated' });

    await server.restart();
    const read = await resumed;
    await readAll(baseUrl, short);
    const [longTruth, shortTruth] = await Promise.all([
      truthOf(baseUrl, long),
      truthOf(baseUrl, short),
    ]);
    checkReader(longTruth, { fold: read.fold, frames: [] });
    expect(read.done.data).toMatchObject({ status: 'completed' });
    // It ended within the grace time: nobody drove it again.
    expect([...shortTruth.log.values()].filter(({ event }) => event === 'segment')).toEqual([]);
    expect(shortTruth.message).toMatchObject({ status: 'complete' });
    expect(await leftLive(baseUrl)).toEqual([]);
  }, 60_000);

  test('exits at once where nothing runs', async () => {
    const server = await servers.start();
    const turn = await startTurn(server.baseUrl, { text: 'say 3 1' });
    await readAll(server.baseUrl, turn);

    const before = Date.now();
    const exit = await server.stop();

    expect(exit).toEqual({ code: 0, signal: null });
    // Far from what a drain may take.
    expect(Date.now() - before).toBeLessThan(10_000);
  }, 30_000);

  test('forces at the second signal, and loses nothing by it', async () => {
    const server = await servers.start({ DRAIN_GRACE: '30s' });
    const { baseUrl } = server;
    const turn = await startTurn(baseUrl, { text: 'say 200 20 twice' });
    await readConnection({
      baseUrl,
      path: turn.streamPath,
      entry: 'fresh',
      onFrame: ({ seq }) => seq < 10,
    });

    server.signal('SIGTERM');
    await statusSeen(server, '/readyz', 503);
    server.signal('SIGTERM');
    const exit = await server.exited();
    await server.restart();
    const read = await readAll(baseUrl, turn);

    // A drain that ends by itself ends with 0.
    expect(exit).toEqual({ code: 1, signal: null });
    expect(read.done.data).toMatchObject({ status: 'completed' });
    checkReader(await truthOf(baseUrl, turn), read);
  }, 60_000);
});
