import { describe, expect, test } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { startTurn, type Turn } from '../support/api.ts';
import {
  COLLECTABLE,
  liveBytes,
  rssOf,
  type ServerProcess,
  useServers,
} from '../support/server-process.ts';
import { readConnection } from '../support/sse-client.ts';
import { text } from '../support/shape.ts';
import type { Frame } from '../support/sse-parser.ts';
import { checkReader, readAll, truthOf } from '../support/truth.ts';

const MIB = 1024 * 1024;
const STALLED = 40;
/** When a sample falls is chance, and so is what else the machine does: more pairs are calmer. */
const PAIRS = Number(process.env['READER_PAIRS'] ?? 2);
const MOST_PAIRS = PAIRS + 4;
/** No pair begins later, ms. */
const LATEST = 120_000;
/** Several times what the kernel holds for a socket that is not read. */
const EVENTS = 5_000;
const WORD = 'w'.repeat(1000);
/** What one more answer leaves in memory for those who come late, readers or not. */
const LOG = 2 * EVENTS * WORD.length;
const IDLE = 500;
const SAMPLE_MS = 700;

const roomy = { MAX_STREAMS_PER_USER: '5000', MAX_GENERATIONS_PER_USER: '100' };

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}

/** A reader that asks and then reads no byte until it is told to. */
function stalledReader(server: ServerProcess, turn: Turn): Socket {
  const { hostname, port, host } = new URL(server.baseUrl);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.pause();
  socket.on('error', () => {});
  socket.write(`GET ${turn.streamPath} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  return socket;
}

interface Flow {
  turn: Turn;
  /** Milliseconds that the second half took: who does not read has stalled by then. */
  took: number;
  /** Most bytes in use in the server meanwhile. */
  peak: number;
}

const quickest = (flows: Flow[]): number => Math.min(...flows.map(({ took }) => took));

const timeOf = (frame: Frame): number => Date.parse(text(frame.data['at']));

/** One long answer as fast as the engine makes it, with one reader that keeps up. */
async function flow(server: ServerProcess, sockets: (turn: Turn) => void): Promise<Flow> {
  const turn = await startTurn(server.baseUrl, { text: `say ${EVENTS} 0 ${WORD}` });
  sockets(turn);
  const reading = readAll(server.baseUrl, turn);
  const peak = await peakUntil(server, reading);
  const { frames, done } = await reading;
  const middle = frames.find(({ seq }) => seq > done.seq / 2) ?? done;
  return { turn, took: timeOf(done) - timeOf(middle), peak };
}

/** Garbage that nobody has collected yet is not what readers cost: samples of what is in use. */
async function peakUntil(server: ServerProcess, end: Promise<unknown>): Promise<number> {
  let over = false;
  const ended = (): void => {
    over = true;
  };
  end.then(ended, ended);
  let peak = 0;
  for (let settled = false; !settled; settled = over) {
    peak = Math.max(peak, await liveBytes(server));
    // A collection stops the server: most of the time it must work.
    await Promise.race([end, new Promise((next) => setTimeout(next, SAMPLE_MS))]);
  }
  return peak;
}

describe('readers that misbehave', () => {
  const servers = useServers();

  test('who never reads costs less than a MiB and slows nobody', async () => {
    const server = await servers.start(roomy, COLLECTABLE);
    const sockets: Socket[] = [];
    const stall = (turn: Turn): void => {
      for (let reader = 0; reader < STALLED; reader += 1) {
        sockets.push(stalledReader(server, turn));
      }
    };
    const release = (): void => sockets.splice(0).forEach((socket) => socket.destroy());
    // The first run warms the engine up: its heap is not the readers' memory.
    await flow(server, () => {});

    const alone = [await flow(server, () => {})];
    const together = [await flow(server, stall)];
    const held = await liveBytes(server);
    release();
    const each = (held - (await liveBytes(server))) / STALLED;
    const slows = (): boolean => quickest(together) >= quickest(alone) * 1.6 + 500;
    // The calmer pair counts.
    const growth = (): number =>
      Math.min(
        ...together.map((flow, pair) => (flow.peak - (alone[pair]?.peak ?? 0) - LOG) / STALLED),
      );
    const calm = (): boolean => !slows() && growth() < MIB;
    const until = performance.now() + LATEST;
    const more = (pairs: number): boolean =>
      pairs < PAIRS || (pairs < MOST_PAIRS && !calm() && performance.now() < until);
    for (let pair = 1; more(pair); pair += 1) {
      alone.push(await flow(server, () => {}));
      together.push(await flow(server, stall));
      release();
    }

    console.info(
      `${STALLED} stalled readers, ${EVENTS} events of ${WORD.length} bytes: ${kib(each)} at the end, ` +
        `${kib(growth())} at the peak each; ${Math.round(quickest(alone))} ms alone, ` +
        `${Math.round(quickest(together))} ms with them (second half)`,
    );
    expect(each).toBeLessThan(MIB / 4 + 64 * 1024);
    expect(growth()).toBeLessThan(MIB);
    expect(slows()).toBe(false);
  }, 300_000);

  test('who begins to read late gets everything', async () => {
    const server = await servers.start(roomy);
    const turn = await startTurn(server.baseUrl, { text: 'say 20000 0 late' });
    const late = stalledReader(server, turn);
    const read = await readAll(server.baseUrl, turn);
    let bytes = 0;
    let tail = '';

    await new Promise<void>((resolve) => {
      late.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        tail = (tail + chunk.toString('latin1')).slice(-2000);
        if (tail.endsWith('0\r\n\r\n')) late.end();
      });
      late.on('close', () => resolve());
      late.resume();
    });

    checkReader(await truthOf(server.baseUrl, turn), read);
    expect(bytes).toBeGreaterThan(100_000);
    expect(tail).toContain(`id: ${read.done.id}\nevent: done\n`);
  }, 120_000);

  test('all of them leaving changes nothing', async () => {
    const server = await servers.start(roomy);
    const { baseUrl } = server;
    const turn = await startTurn(baseUrl, { text: 'say 100 5 on' });
    const leaving = [1, 2, 3].map((count) =>
      readConnection({
        baseUrl,
        path: turn.streamPath,
        entry: 'fresh',
        onFrame: ({ seq }) => seq < 10 * count,
      }),
    );
    for (const { ending } of await Promise.all(leaving)) expect(ending).toBe('left');

    const read = await readAll(baseUrl, turn);

    expect(read.done.data).toMatchObject({ status: 'completed' });
    checkReader(await truthOf(baseUrl, turn), read);
  }, 30_000);

  test(`${IDLE} idle readers cost little`, async () => {
    const server = await servers.start(roomy, COLLECTABLE);
    const { baseUrl } = server;
    const turn = await startTurn(baseUrl, { text: 'hang' });
    const quit = new AbortController();
    let opened = 0;
    const read = (): Promise<unknown> =>
      new Promise<void>((resolve) => {
        const onFrame = ({ seq }: { seq: number }): void => {
          if (seq === 1) resolve();
        };
        const { signal } = quit;
        const connection = readConnection({
          baseUrl,
          path: turn.streamPath,
          entry: 'fresh',
          onFrame,
          signal,
        });
        readers.push(connection);
      }).then(() => (opened += 1));
    const readers: Promise<unknown>[] = [];
    // A few first: what the first readers make the server load is not theirs.
    for (let warm = 0; warm < 20; warm += 1) await read();
    const live = await liveBytes(server);
    const before = rssOf(server.pid);

    for (let batch = 0; batch < IDLE / 50; batch += 1) {
      await Promise.all(Array.from({ length: 50 }, read));
    }
    const inUse = ((await liveBytes(server)) - live) / IDLE;
    const each = (rssOf(server.pid) - before) / IDLE;
    quit.abort();
    await Promise.all(readers);

    console.info(`${IDLE} idle readers: ${kib(inUse)} in use, ${kib(each)} resident each`);
    expect(opened).toBe(IDLE + 20);
    expect(inUse).toBeLessThan(32 * 1024);
    expect(each).toBeLessThan(64 * 1024);
  }, 60_000);
});
