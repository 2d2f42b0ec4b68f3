import { afterAll, describe, expect, test } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { leftLive, request, startTurn, type Turn, turnOf } from '../support/api.ts';
import { seeded } from '../support/random.ts';
import { type ServerProcess, useServers } from '../support/server-process.ts';
import { object } from '../support/shape.ts';
import {
  readConnection,
  type ReadResult,
  readWithResume,
  type Strategy,
} from '../support/sse-client.ts';
import type { Frame } from '../support/sse-parser.ts';
import { checkFrames, checkReader, readAll, type Truth, truthOf } from '../support/truth.ts';

const SETTLE_MS = 30_000;
/** What a client meets while the process is away or not ready. */
const AWAY = [503];

interface Watched {
  turn: Turn;
  /** Ends with `done`, over the death of the server. */
  read: Promise<ReadResult>;
  /** Resolves when that many frames were seen. */
  frames(count: number): Promise<void>;
}

function watch(server: ServerProcess, turn: Turn, strategy: Strategy = () => 'cursor'): Watched {
  const { signal } = quit;
  const waiting: { count: number; resolve: () => void }[] = [];
  let seen = 0;
  const onFrame = (_frame: Frame): void => {
    seen += 1;
    for (const { count, resolve } of waiting) if (seen >= count) resolve();
  };
  const { baseUrl } = server;
  const path = turn.streamPath;
  const read = readWithResume({ baseUrl, path, strategy, onFrame, retryOn: AWAY, signal });
  // Awaited later; a failure before that must not be an unhandled rejection.
  read.catch(() => {});
  return {
    turn,
    read,
    frames: (count) =>
      new Promise((resolve) => {
        if (seen >= count) resolve();
        else waiting.push({ count, resolve });
      }),
  };
}

const quit = new AbortController();

function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The acknowledged generation ended once, its message is durable, and whoever read it has exactly that. */
async function checkSettled(
  server: ServerProcess,
  turn: Turn,
  readers: ReadResult[] = [],
): Promise<Truth> {
  await within(readAll(server.baseUrl, turn), SETTLE_MS, turn.streamPath);
  const truth = await truthOf(server.baseUrl, turn);
  for (const reader of readers) {
    // Frames from before the crash may have been withdrawn; those of the last connection may not.
    checkFrames(truth, reader.frames.slice(-1));
    checkReader(truth, { fold: reader.fold, frames: [] });
  }
  return truth;
}

function outcomeOf(truth: Truth): unknown {
  return [...truth.log.values()].at(-1)?.data['status'];
}

/** Nothing is stuck: no live generation, and every conversation takes a new turn. */
async function checkFree(server: ServerProcess, turns: Turn[]): Promise<void> {
  expect(await leftLive(server.baseUrl)).toEqual([]);
  for (const { conversationId } of turns) {
    const next = await startTurn(server.baseUrl, { text: 'say 2 0 next', conversationId });
    const read = await within(readAll(server.baseUrl, next), SETTLE_MS, 'a new turn');
    expect(read.done.data).toMatchObject({ status: 'completed' });
  }
}

/** `text` = what an uninterrupted answer says. */
function saying(word: string, count: number): string {
  return Array.from({ length: count }, (_, i) => `${word}${i + 1}`).join(' ');
}

function textOf(truth: Truth): string {
  const { content } = truth.message;
  if (!Array.isArray(content)) throw new Error('no content');
  return content
    .map((part) => object(part)['text'])
    .filter((text) => typeof text === 'string')
    .join('')
    .trim();
}

describe('kill -9 and a restart on the same folder', () => {
  const servers = useServers();
  afterAll(() => quit.abort());

  test('queued, before the first token and between tokens', async () => {
    const server = await servers.start({ MAX_CONCURRENT_RUNS: '2' });
    const { baseUrl } = server;
    const between = await startTurn(baseUrl, { text: 'say 160 20 a' });
    const other = await startTurn(baseUrl, { text: 'say 160 20 b' });
    const queued = await startTurn(baseUrl, { text: 'say 5 1 c' });
    expect(queued.status).toBe('queued');
    const watched = [
      watch(server, between),
      watch(server, between, () => 'fresh'),
      watch(server, between, () => 'snapshot'),
      watch(server, other),
      watch(server, queued),
    ];
    await Promise.all([watched[0]?.frames(40), watched[3]?.frames(30)]);
    const last = await startTurn(baseUrl, { text: 'say 5 1 d' });

    await server.kill9();
    await server.restart();
    const reads = await within(
      Promise.all(watched.map(({ read }) => read)),
      SETTLE_MS,
      'readers after the restart',
    );

    const turns = [between, other, queued, last];
    const expected = [saying('a', 160), saying('b', 160), saying('c', 5), saying('d', 5)];
    for (const [index, turn] of turns.entries()) {
      const mine = reads.filter((_read, reader) => watched[reader]?.turn === turn);
      const truth = await checkSettled(server, turn, mine);
      expect(outcomeOf(truth)).toBe('completed');
      expect(textOf(truth)).toBe(expected[index]);
    }
    await checkFree(server, turns);
  }, 120_000);

  test('right behind the 202, in a tool, in a silent model', async () => {
    const server = await servers.start({ MODEL_STALL_TIMEOUT: '1s', DEMO_LEDGER: 'ledger.jsonl' });
    const { baseUrl } = server;
    const tool = await startTurn(baseUrl, { text: 'slow 2' });
    const silent = await startTurn(baseUrl, { text: 'hang' });
    const inTool = watch(server, tool);
    const inSilence = watch(server, silent);
    await inTool.frames(3);
    const fresh = await startTurn(baseUrl, { text: 'say 50 10 x' });

    await server.kill9();
    const cursorless = watch(server, fresh);
    await server.restart();
    const reads = await within(
      Promise.all([inTool.read, inSilence.read, cursorless.read]),
      SETTLE_MS,
      'readers after the restart',
    );

    const [toolTruth, silentTruth, freshTruth] = await Promise.all(
      [tool, silent, fresh].map((turn, index) =>
        checkSettled(server, turn, reads.slice(index, index + 1)),
      ),
    );
    expect(toolTruth && outcomeOf(toolTruth)).toBe('completed');
    expect(silentTruth && outcomeOf(silentTruth)).toBe('failed');
    expect(freshTruth && textOf(freshTruth)).toBe(saying('x', 50));
    expect(executions(server).length).toBeLessThanOrEqual(2);
    await checkFree(server, [tool, silent, fresh]);
  }, 120_000);

  test('at random moments while short answers come and go', async () => {
    const random = seeded(Number(process.env['KILL_SEED'] ?? 42));
    const server = await servers.start();
    const acknowledged: Turn[] = [];
    let endings = 0;

    const enough = (): boolean => acknowledged.length > 8 && endings > 0;
    for (let round = 0; round < 4 || (round < 12 && !enough()); round += 1) {
      const load = new Load(server.baseUrl, round);
      // A slow machine needs longer for as many answers.
      const longest = 400 * Math.max(1, round - 2);
      await new Promise((resolve) => setTimeout(resolve, random.between(30, longest)));
      await server.kill9();
      const { turns, ended } = await load.stopped();
      await server.restart();
      const truths = await Promise.all(turns.map((turn) => checkSettled(server, turn)));

      for (const truth of truths) {
        expect(outcomeOf(truth)).toBe('completed');
        // Who saw the end before the crash sees the same one after it.
        const last = [...truth.log.values()].at(-1);
        expect(last).toEqual(ended.get(String(truth.message['messageId'])) ?? last);
        expect(textOf(truth)).toBe(saying('q', 4));
      }
      // Also what was accepted when nobody could be told any more.
      expect(await leftLive(server.baseUrl)).toEqual([]);
      // What was acknowledged once is not started again by a repeat.
      for (const turn of turns) {
        const body = { text: 'say 4 1 q', messageId: turn.messageId };
        const again = await request(server.baseUrl, { path: '/api/chat', body });
        expect(again.json).toMatchObject({ generationId: turn.generationId, status: 'attached' });
      }
      acknowledged.push(...turns);
      endings += ended.size;
    }

    expect(enough()).toBe(true);
    await checkFree(server, acknowledged.slice(-3));
  }, 120_000);
});

/** Real executions that the demo tools recorded. */
function executions(server: ServerProcess): string[] {
  const path = join(server.dataDir, 'ledger.jsonl');
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
}

/** Short turns one after the other on a few lanes, until the server is gone. */
class Load {
  readonly #turns: Turn[] = [];
  /** Terminal events that were seen, by the id of their message. */
  readonly #ended = new Map<string, Frame>();
  readonly #lanes: Promise<void>[];
  readonly #baseUrl: string;

  constructor(baseUrl: string, round: number) {
    this.#baseUrl = baseUrl;
    this.#lanes = [0, 1, 2].map((lane) => this.#lane(`r${round}-l${lane}`));
  }

  async #lane(name: string): Promise<void> {
    for (let turn = 0; ; turn += 1) {
      const body = { text: 'say 4 1 q', messageId: `${name}-${turn}` };
      const answer = await request(this.#baseUrl, { path: '/api/chat', body }).catch(
        () => undefined,
      );
      if (!answer) return;
      if (answer.status !== 202) throw new Error(`${answer.status} ${answer.text}`);
      const started = turnOf(answer.json);
      this.#turns.push(started);
      await this.#finish(started);
    }
  }

  /** Waits for the answer, so that the lanes go round at the pace of whole turns. */
  async #finish({ streamPath, responseMessageId }: Turn): Promise<void> {
    const target = { baseUrl: this.#baseUrl, path: streamPath, entry: 'fresh' as const };
    const { frames } = await readConnection({ ...target, signal: quit.signal });
    const last = frames.at(-1);
    if (last?.event === 'done') this.#ended.set(responseMessageId, last);
  }

  /** The server is gone, and with it every lane. */
  async stopped(): Promise<{ turns: Turn[]; ended: Map<string, Frame> }> {
    await Promise.all(this.#lanes);
    return { turns: this.#turns, ended: this.#ended };
  }
}
