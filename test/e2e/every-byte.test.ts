import { describe, expect, test } from '@jest/globals';
import { startTurn, type Turn } from '../support/api.ts';
import { ClientFold } from '../support/client-fold.ts';
import { ResponseReader } from '../support/http-wire.ts';
import { rawResponse } from '../support/raw-response.ts';
import { type ServerProcess, useServers } from '../support/server-process.ts';
import { list, object } from '../support/shape.ts';
import { readConnection } from '../support/sse-client.ts';
import { EventStreamParser, type Frame } from '../support/sse-parser.ts';
import { ConnectionRules, type Entry } from '../support/stream-rules.ts';
import { checkReader, readAll, type Truth, truthOf } from '../support/truth.ts';

interface Prefix {
  frames: Frame[];
  complete: boolean;
}

/** What a reader knows that got only these bytes. */
function readPrefix(entry: Entry, bytes: Uint8Array, cursor?: Frame): Prefix {
  const rules = new ConnectionRules(entry, cursor);
  const frames: Frame[] = [];
  const events = new EventStreamParser((frame) => {
    rules.check(frame);
    frames.push(frame);
  });
  const http = new ResponseReader((body) => events.push(body));
  http.push(bytes);
  return { frames, complete: http.complete };
}

function key(last: Frame | undefined): string {
  return last?.id ?? 'the start';
}

/** The rest of the stream behind a cursor; asked once per cursor. */
class Rests {
  readonly #known = new Map<string, Promise<Frame[]>>();
  readonly #baseUrl: string;
  readonly #path: string;

  constructor(baseUrl: string, path: string) {
    this.#baseUrl = baseUrl;
    this.#path = path;
  }

  get count(): number {
    return this.#known.size;
  }

  after(last: Frame | undefined): Promise<Frame[]> {
    const known = this.#known.get(key(last)) ?? this.#ask(last);
    this.#known.set(key(last), known);
    return known;
  }

  async #ask(last: Frame | undefined): Promise<Frame[]> {
    const target = { baseUrl: this.#baseUrl, path: this.#path };
    const connection = await (last
      ? readConnection({ ...target, entry: 'cursor', cursor: last })
      : readConnection({ ...target, entry: 'fresh' }));
    const status = last?.event === 'done' ? 204 : 200;
    if (connection.ending !== 'clean' || connection.head?.status !== status) {
      throw new Error(`after ${key(last)}: ${connection.ending} ${connection.head?.status}`);
    }
    return connection.frames;
  }
}

interface Cut {
  entry: Entry;
  bytes: Buffer;
  rests: Rests;
  truth: Truth;
  cursor?: Frame;
}

async function cutEverywhere({ entry, bytes, rests, truth, cursor }: Cut): Promise<void> {
  const before = cursor ? [cursor] : [];
  for (let length = 0; length <= bytes.length; length += 1) {
    const seen = readPrefix(entry, bytes.subarray(0, length), cursor);
    if (seen.complete !== (length === bytes.length)) throw new Error(`complete at byte ${length}`);
    const got = [...before, ...seen.frames];
    const frames = [...got, ...(await rests.after(got.at(-1)))];
    const fold = new ClientFold();
    for (const frame of frames) fold.apply(frame);
    if (fold.done === undefined) throw new Error(`no end after a cut at byte ${length}`);
    checkReader(truth, { fold, frames });
  }
}

async function finished(server: ServerProcess, text: string): Promise<Turn> {
  const turn = await startTurn(server.baseUrl, { text });
  await readAll(server.baseUrl, turn);
  return turn;
}

describe('one stored stream, cut at every byte', () => {
  const servers = useServers();

  test('gives the same message, however it is read', async () => {
    const server = await servers.start();
    const types = new Set<unknown>();

    for (const text of ['think 12 1', 'tool', 'say 30 0 ü']) {
      const turn = await finished(server, text);
      const truth = await truthOf(server.baseUrl, turn);
      const rests = new Rests(server.baseUrl, turn.streamPath);
      const cursor = truth.log.get(1);
      if (!cursor) throw new Error('no first event');
      const raw = (query: string, headers: Record<string, string> = {}): Promise<Buffer> =>
        rawResponse(server.baseUrl, turn.streamPath + query, headers);
      for (const part of list(truth.message['content'])) types.add(object(part)['type']);
      const common = { rests, truth };

      await cutEverywhere({ ...common, entry: 'fresh', bytes: await raw('') });
      await cutEverywhere({ ...common, entry: 'snapshot', bytes: await raw('?snapshot=1') });
      const exact = await raw('', { 'Last-Event-ID': cursor.id });
      await cutEverywhere({ ...common, entry: 'cursor', bytes: exact, cursor });

      // Every event was the last one that somebody had.
      expect(rests.count).toBe(truth.log.size + 1);
    }
    expect(types).toEqual(new Set(['text', 'reasoning', 'tool_call']));
  }, 60_000);
});
