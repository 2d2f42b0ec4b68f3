import { describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { ApiError, createChatClient, type StreamState } from '../../client/index.ts';
import { HELLO, useScripted } from '../support/resumed.ts';
import {
  answer,
  cutAfter,
  endAfter,
  hangUp,
  silentAfter,
  type Step,
} from '../support/scripted-server.ts';

const scripted = useScripted();

const json = (status: number, body: object): Step =>
  answer(status, { 'content-type': 'application/json' }, JSON.stringify(body));
const STARTED = json(202, { generationId: 'g1', conversationId: 'c1', messageId: 'm1' });

const frame = (seq: number, event: string, data: object): string =>
  `id: t.1.${seq}\nevent: ${event}\ndata: ${JSON.stringify({ seq, at: 'now', ...data })}\n\n`;
const CREATED = frame(1, 'created', {
  generationId: 'g1',
  conversationId: 'c1',
  agentId: 'demo',
  model: 'demo',
  responseMessageId: 'r1',
  userMessage: { messageId: 'm1' },
});
const word = (seq: number): string => frame(seq, 'text_delta', { part: 0, text: `w${seq} ` });
const DONE = frame(9, 'done', {
  status: 'completed',
  message: { status: 'complete' },
  usage: null,
});

const textOf = (state: StreamState | undefined): string =>
  state?.message.content.map((part) => (part.type === 'text' ? part.text : '')).join('') ?? '';
const STATE = {
  generationId: 'g1',
  conversationId: 'c1',
  status: 'running',
  message: { messageId: 'r1', parentMessageId: 'm1', content: [{ type: 'text', text: 'w1 ' }] },
};
const status = (of: string, more: object = {}): Step =>
  json(200, {
    generation: {
      generationId: 'g1',
      status: of,
      cursor: 't.1.5',
      state: { ...STATE, status: of },
      ...more,
    },
  });

const client = (baseUrl: string, more: object = {}) =>
  createChatClient({ baseUrl, maxRetryMs: 2, attempts: 3, ...more });

async function statesOf(states: AsyncIterable<StreamState>): Promise<StreamState[]> {
  const all: StreamState[] = [];
  for await (const state of states) all.push(state);
  return all;
}

describe('createChatClient: send', () => {
  test('what can not be reached is asked again with the same messageId', async () => {
    const { url, asked } = await scripted(
      hangUp,
      answer(503, { 'retry-after': '0' }, '{"error":{"code":"UNAVAILABLE","message":"m"}}'),
      answer(502, {}, '<html>'),
      STARTED,
    );

    const turn = await client(`${url}/`).send('hi', { conversationId: 'c1', onBusy: 'enqueue' });

    expect(turn).toMatchObject({ generationId: 'g1', conversationId: 'c1', messageId: 'm1' });
    const [first, ...again] = asked.map(({ body }) => body);
    expect(again).toEqual([first, first, first]);
    expect(JSON.parse(String(first))).toEqual({
      text: 'hi',
      conversationId: 'c1',
      onBusy: 'enqueue',
      messageId: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
  });

  test('it gives up behind the attempts, with what was answered last', async () => {
    const { url, asked } = await scripted(answer(503, {}, 'busy'));

    const error = await client(url)
      .send('hi')
      .catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({ name: 'ApiError', code: 'HTTP_503', status: 503, details: {} });
    expect(asked).toHaveLength(4);
  });

  test('Retry-After is waited for, and the signal ends that wait', async () => {
    const { url, asked } = await scripted(answer(503, { 'retry-after': '60' }), STARTED);
    const abort = new AbortController();

    const sent = client(url, {
      fetch: async (...given: Parameters<typeof fetch>) => {
        const response = await fetch(...given);
        setTimeout(() => abort.abort(new Error('left')), 20);
        return response;
      },
    }).send('hi', { signal: abort.signal });

    await expect(sent).rejects.toThrow('left');
    expect(asked).toHaveLength(1);
  });

  test('a refusal is thrown at once, with all that it says', async () => {
    const { url, asked } = await scripted(
      answer(
        429,
        { 'retry-after': '7' },
        '{"error":{"code":"TOO_MANY_GENERATIONS","message":"ten","details":{"limit":10}}}',
      ),
    );

    const error = await client(url)
      .send('hi')
      .catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({
      message: 'ten',
      code: 'TOO_MANY_GENERATIONS',
      status: 429,
      details: { limit: 10 },
      retryAfterMs: 7000,
    });
    expect(asked).toHaveLength(1);
  });

  test('an answer that never comes is a broken connection', async () => {
    const { url, asked } = await scripted(() => {}, STARTED);

    const turn = await client(url, { silenceMs: 100, attempts: 20 }).send('hi');

    expect(turn.generationId).toBe('g1');
    // On a slow machine the answer to the second one can be late too: all of them are one message.
    expect(asked.length).toBeGreaterThan(1);
    expect(new Set(asked.map(({ body }) => body)).size).toBe(1);
  });
});

describe('createChatClient: states', () => {
  test('a stream that is refused for a moment, and then cut, is one that goes on', async () => {
    const { url, asked } = await scripted(
      STARTED,
      answer(503),
      cutAfter(HELLO + CREATED + word(2)),
      endAfter(HELLO + word(3) + DONE),
    );

    const turn = await client(url, { headers: { authorization: 'Bearer t' } }).send('hi');
    const states = await statesOf(turn.states());

    expect(states.at(-1)).toMatchObject({ status: 'completed', message: { status: 'complete' } });
    expect(textOf(states.at(-1))).toBe('w2 w3 ');
    expect(asked.map(({ method, url: path }) => [method, path])).toEqual([
      ['POST', '/api/chat'],
      ...Array.from({ length: 3 }, () => ['GET', '/api/chat/stream/g1']),
    ]);
    expect(asked.map(({ headers }) => headers.authorization)).toEqual(asked.map(() => 'Bearer t'));
    expect(asked.at(-1)?.headers['last-event-id']).toBe('t.1.2');
    await expect(turn.done).resolves.toBe(states.at(-1));
    expect(asked).toHaveLength(4);
  });

  test('who is slow gets the latest state, not each', async () => {
    let stream: ServerResponse | undefined;
    const { url } = await scripted(STARTED, (res, req) => {
      stream = res;
      silentAfter(HELLO + CREATED)(res, req);
    });
    const turn = await client(url).send('hi');
    const quick = turn.states()[Symbol.asyncIterator]();
    const slow = turn.states()[Symbol.asyncIterator]();
    await slow.next();
    await quick.next();
    for (const seq of [2, 3, 4]) {
      stream?.write(word(seq));
      await quick.next();
    }

    const { value } = await slow.next();
    expect(textOf(value)).toBe('w2 w3 w4 ');

    stream?.end(DONE);
    await expect(slow.next()).resolves.toMatchObject({ value: { status: 'completed' } });
    await expect(slow.next()).resolves.toEqual({ done: true, value: undefined });
    await quick.return?.();
  });

  test('the last who leaves the loop closes the connection, and another loop goes on from there', async () => {
    const closed: Promise<unknown>[] = [];
    const { url, asked } = await scripted(
      STARTED,
      (res, req) => {
        closed.push(once(res, 'close'));
        silentAfter(HELLO + CREATED + word(2))(res, req);
      },
      endAfter(HELLO + word(3) + DONE),
    );
    const turn = await client(url).send('hi');
    for await (const state of turn.states()) if (textOf(state)) break;
    await Promise.all(closed);

    const states = await statesOf(turn.states());

    expect(states.map(textOf)).toEqual(expect.arrayContaining(['w2 w3 ']));
    expect(textOf(states[0])).toMatch(/^w2 /);
    expect(asked[2]?.headers['last-event-id']).toBe('t.1.2');
    expect(closed).toHaveLength(1);
  });

  test('the signal ends a loop that waits', async () => {
    const { url } = await scripted(STARTED, silentAfter(HELLO + CREATED));
    const turn = await client(url).send('hi');
    const abort = new AbortController();

    const loop = async (): Promise<void> => {
      for await (const _ of turn.states({ signal: abort.signal })) {
        setTimeout(() => abort.abort(new Error('left')), 5);
      }
    };

    await expect(loop()).rejects.toThrow('left');
  });

  test('a stream that is refused, at once or later, throws what the server says', async () => {
    const gone = json(404, { error: { code: 'NOT_FOUND', message: 'no' } });
    const { url } = await scripted(STARTED, gone, cutAfter(HELLO + CREATED), gone);
    const turn = await client(url).send('hi');

    const refusal = { name: 'ApiError', code: 'NOT_FOUND', status: 404 };
    await expect(turn.done).rejects.toMatchObject(refusal);
    await expect(statesOf(turn.states())).rejects.toMatchObject(refusal);
  });

  test('events of unknown types and frames in pieces are no trouble', async () => {
    const bytes = Buffer.from(
      HELLO + CREATED + frame(2, 'news', { a: 1 }) + word(3).replace('w3', 'wörd\u2028') + DONE,
    );
    const { url } = await scripted(STARTED, (res, req) => {
      silentAfter('')(res, req);
      for (let at = 0; at < bytes.length; at += 7) res.write(bytes.subarray(at, at + 7));
    });
    const turn = await client(url).send('hi');

    expect(textOf(await turn.done)).toBe('wörd\u2028 ');
  });
});

describe('createChatClient: attach', () => {
  test('a live answer goes on from the state, behind its cursor', async () => {
    const { url, asked } = await scripted(status('paused'), endAfter(HELLO + word(6) + DONE));

    const turn = await client(url).attach('c 1');
    const states = await statesOf(turn?.states() ?? fail());

    expect(turn).toMatchObject({ generationId: 'g1', messageId: 'm1', conversationId: 'c 1' });
    expect(states[0]).toMatchObject({ status: 'paused' });
    expect(states.map(textOf)).toEqual(['w1 ', 'w1 w6 ', 'w1 w6 '].slice(0, states.length));
    expect(states.at(-1)).toMatchObject({ status: 'completed' });
    expect(asked.map(({ url: path }) => path)).toEqual([
      '/api/chat/status/c%201',
      '/api/chat/stream/g1',
    ]);
    expect(asked[1]?.headers['last-event-id']).toBe('t.1.5');
  });

  test('a finished one is told once, without a stream, and nothing where nothing was said', async () => {
    const { url, asked } = await scripted(status('aborted'), json(200, { active: false }));

    const turn = await client(url).attach('c1');
    await expect(statesOf(turn?.states() ?? fail())).resolves.toMatchObject([
      { status: 'aborted' },
    ]);
    await expect(turn?.done).resolves.toMatchObject({ status: 'aborted' });
    await expect(client(url).attach('c2')).resolves.toBeUndefined();
    expect(asked).toHaveLength(2);
  });

  test('what was written meanwhile and is not heard yet is there', async () => {
    const unheard = [{ messageId: 'm2', text: 'rather not' }];
    const { url } = await scripted(status('running', { unheard }));

    await expect(client(url).attach('c1')).resolves.toMatchObject({ unheard });
  });

  test('one that is over when its stream is asked for (204) ends with what there is', async () => {
    const { url } = await scripted(status('finalizing'), answer(204));

    const turn = await client(url).attach('c1');

    await expect(statesOf(turn?.states() ?? fail())).resolves.toHaveLength(1);
  });
});

describe('createChatClient: calls', () => {
  test('each goes to its route', async () => {
    const { url, asked } = await scripted(json(200, { items: [], nextCursor: null }));
    const chat = client(url);
    const action = { generationId: 'g1', actionId: 'a1' };

    await chat.decide(action, [{ toolCallId: 't', decision: 'approve' }]);
    await chat.answer(action, { q: ['x'] });
    await chat.answer(action, 'x');
    await chat.respond(action, null);
    await chat.abort({ generationId: 'g1', conversationId: 'c1' });
    await chat.abort({ conversationId: 'c1' });
    await chat.rename('c/1', 'new');
    await chat.approvals({ cursor: 'a&b', limit: 2 });
    await chat.conversations({ cursor: null });
    await chat.messages('c/1');

    expect(asked.map(({ method, url: path, body }) => [method, path, body])).toEqual([
      [
        'POST',
        '/api/chat/resume',
        said({ ...action, decisions: [{ toolCallId: 't', decision: 'approve' }] }),
      ],
      ['POST', '/api/chat/resume', said({ ...action, answers: { q: ['x'] } })],
      ['POST', '/api/chat/resume', said({ ...action, answer: 'x' })],
      ['POST', '/api/chat/resume', said({ ...action, response: null })],
      ['POST', '/api/chat/abort', said({ generationId: 'g1' })],
      ['POST', '/api/chat/abort', said({ conversationId: 'c1' })],
      ['PATCH', '/api/conversations/c%2F1', said({ title: 'new' })],
      ['GET', '/api/approvals?cursor=a%26b&limit=2', ''],
      ['GET', '/api/conversations', ''],
      ['GET', '/api/conversations/c%2F1/messages', ''],
    ]);
  });

  test('a removal whose answer was lost is no failure; one of something unknown is', async () => {
    const missing = json(404, { error: { code: 'NOT_FOUND', message: 'no' } });
    const { url } = await scripted(hangUp, missing, missing, answer(204));

    await expect(client(url).remove('c1')).resolves.toBeUndefined();
    await expect(client(url).remove('c2')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(client(url).remove('c3')).resolves.toBeUndefined();
  });
});

const said = (body: object): string => JSON.stringify(body);

function fail(): never {
  throw new Error('no turn');
}
