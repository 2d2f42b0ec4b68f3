import { beforeAll, describe, expect, test } from '@jest/globals';
import { type UIMessageChunk, uiMessageChunkSchema } from 'ai';
import { type ApiAnswer, request } from '../../support/api.ts';
import { clientOf, loadMessages, shown, textOf, until } from '../../support/ai-sdk.ts';
import { type ServerProcess, useServers } from '../../support/server-process.ts';
import { list, object, type Shape, text } from '../../support/shape.ts';

/** docs/PROTOCOL.md section 10: frames, cursors, and who may read. */

const COMMANDS = [
  'say 6 1',
  'think 3 1',
  'tool',
  'approve',
  'approve 2',
  'strict',
  'twice',
  'ask',
  'sub',
  'big 300',
  'slow 0.1',
  'fail',
  'help me',
];

interface Frame {
  id: string;
  data: string;
}

const framesIn = (body: string): Frame[] =>
  [...body.matchAll(/^id: (\S+)\ndata: (.*)\n\n/gm)].map(([, id = '', data = '']) => ({
    id,
    data,
  }));

/** Comments and `retry` are of one response. */
const bytesOf = (frames: Frame[]): string =>
  frames.map(({ id, data }) => `id: ${id}\ndata: ${data}\n\n`).join('');

const fileOf = (url: string) => ({ type: 'file', mediaType: 'text/plain', filename: 'a.txt', url });

function withFile(id: string, url: string): Shape {
  const parts = [{ type: 'text', text: 'say 1' }, fileOf(url)];
  return { id, messages: [{ id: 'with-file', role: 'user', parts }] };
}

function userMessage(said: string, id = `m${Math.random()}`): Shape {
  return { id, role: 'user', parts: [{ type: 'text', text: said }] };
}

async function chunksOf(frames: Frame[]): Promise<UIMessageChunk[]> {
  const chunks: UIMessageChunk[] = [];
  expect(frames.at(-1)?.data).toBe('[DONE]');
  for (const { data } of frames.slice(0, -1)) {
    const checked = await uiMessageChunkSchema().validate?.(JSON.parse(data));
    if (checked?.success !== true) throw new Error(`no chunk of the protocol: ${data}`);
    chunks.push(checked.value);
  }
  return chunks;
}

describe('frames of the UI message stream', () => {
  const servers = useServers();
  let server: ServerProcess;
  let count = 0;

  beforeAll(async () => {
    server = await servers.start({ PROFILE: 'memory', MAX_STREAMS_PER_USER: '1000' });
  }, 60_000);

  const post = (body: Shape): Promise<ApiAnswer> =>
    request(server.baseUrl, { path: '/ai-sdk/chat', body });
  const read = (path: string, cursor?: string): Promise<ApiAnswer> =>
    request(server.baseUrl, {
      path,
      headers: cursor === undefined ? {} : { 'last-event-id': cursor },
    });

  /** Answers whatever waits, by the native route, until nothing does. */
  async function decideAll(conversationId: string): Promise<void> {
    await until(async () => {
      const { json } = await request(server.baseUrl, {
        path: `/api/chat/status/${conversationId}`,
      });
      const generation = object(json['generation']);
      if (generation['pendingAction'] !== undefined) {
        const { actionId, requests, questions } = object(generation['pendingAction']);
        const verdict = requests
          ? {
              decisions: list(requests).map((it) => ({
                toolCallId: object(it)['toolCallId'],
                decision: 'approve',
              })),
            }
          : {
              answers: Object.fromEntries(
                list(questions).map((it) => [text(object(it)['id']), 'green']),
              ),
            };
        await request(server.baseUrl, {
          path: '/api/chat/resume',
          body: { conversationId, actionId, ...verdict },
        });
      }
      return json['active'] === false;
    });
  }

  async function run(said: string): Promise<{ first: ApiAnswer; path: string; whole: Frame[] }> {
    const id = `frames-${(count += 1)}`;
    const first = await post({ id, messages: [userMessage(said)] });
    expect(first.status).toBe(200);
    const path = text(first.headers['location']);
    const [start] = framesIn(first.text);
    const metadata = object(object(JSON.parse(start?.data ?? ''))['messageMetadata']);
    await decideAll(text(metadata['conversationId']));
    return { first, path, whole: framesIn((await read(path)).text) };
  }

  test.each(COMMANDS)(
    '%s: all are of the protocol, and a cut behind any of them loses nothing',
    async (said) => {
      const { first, path, whole } = await run(said);

      const chunks = await chunksOf(whole);
      await chunksOf(framesIn(first.text));
      expect(chunks[0]).toMatchObject({ type: 'start', messageId: expect.stringMatching(/^msg_/) });
      expect(new Set(whole.map(({ id }) => id)).size).toBe(whole.length);
      for (const [index, { id }] of whole.entries()) {
        const rest = await read(path, id);
        expect(rest.status).toBe(200);
        expect(bytesOf(framesIn(rest.text))).toBe(bytesOf(whole.slice(index + 1)));
        expect(rest.text.endsWith(': eos\n\n')).toBe(true);
      }
    },
  );

  test.each(['say 6 1', 'approve 2', 'ask', 'fail'])(
    '%s: what was sent at first is how the whole begins',
    async (said) => {
      const { first, whole } = await run(said);
      const sent = framesIn(first.text);
      // A pause ends a response with frames that the whole, which goes on, has no need of.
      const common = sent.filter(({ id }) => whole.some((frame) => frame.id === id));
      const extra = sent.filter(({ id }) => !whole.some((frame) => frame.id === id));

      expect(bytesOf(common)).toBe(bytesOf(whole.slice(0, common.length)));
      expect(
        extra.map(({ data }) => data === '[DONE]' || object(JSON.parse(data))['type']),
      ).toEqual(extra.length > 0 ? ['finish-step', 'finish', true] : []);
    },
  );

  test('say what they are', async () => {
    const { headers } = await post({ id: 'headers', message: userMessage('say 1') });
    const head = await request(server.baseUrl, { method: 'HEAD', path: text(headers['location']) });

    for (const it of [headers, head.headers]) {
      expect(it['x-vercel-ai-ui-message-stream']).toBe('v1');
      expect(it['content-type']).toBe('text/event-stream; charset=utf-8');
    }
    expect(headers['location']).toBe(
      `/ai-sdk/chat/headers/stream?generationId=${text(headers['x-generation-id'])}`,
    );
  });

  test('a stream that is over is 204 without its name, and goes on behind a cursor of its own', async () => {
    const { path, whole } = await run('say 3');
    const bare = text(path.split('?')[0]);

    expect((await read(bare)).status).toBe(204);
    expect((await read(bare, 'zzzzzz.1.2.0')).status).toBe(204);
    const rest = await read(bare, whole[2]?.id);
    expect(bytesOf(framesIn(rest.text))).toBe(bytesOf(whole.slice(3)));
  });

  test('the same message sent again attaches; another one under its id is refused with 409', async () => {
    const body = { id: 'again', messages: [userMessage('say 3', 'mine')] };
    const [one, two] = await Promise.all([post(body), post(body)]);
    const other = await post({ id: 'again', messages: [userMessage('say 4', 'mine')] });
    const elsewhere = await post({ id: 'another', messages: [userMessage('say 4', 'mine')] });

    expect(bytesOf(framesIn(two.text))).toBe(bytesOf(framesIn(one.text)));
    expect(one.headers['location']).toBe(two.headers['location']);
    expect(other.json).toMatchObject({ error: { code: 'IDEMPOTENCY_CONFLICT' } });
    expect(elsewhere.status).toBe(200);
  });

  test("files of a message are the user's from then on, the same ones when it is sent again", async () => {
    const small = withFile('small', 'data:text/plain,hello');
    const large = withFile(
      'large',
      `data:;base64,${Buffer.from('x'.repeat(300_000)).toString('base64')}`,
    );
    for (const body of [small, small, large]) expect((await post(body)).status).toBe(200);

    const { json } = await request(server.baseUrl, { path: '/api/files' });
    const sizes = list(json['items']).map((item) => object(item)['size']);
    expect(sizes).toEqual([300_000, 5]);
    const { text: shown } = await request(server.baseUrl, { path: '/ai-sdk/chat/small/messages' });
    expect(shown).toContain('"type":"file","url":"/api/files/file_');
    for (const odd of [
      'file:///etc/passwd',
      'https://example.com/a.png',
      'data:;base64,%',
      'data:x',
    ])
      expect((await post(withFile('odd', odd))).status).toBe(400);
    expect((await post(withFile('foreign', '/api/files/file_0'))).status).toBe(404);
  });

  test('the routes are in the OpenAPI document', async () => {
    const { json } = await request(server.baseUrl, { path: '/openapi.json' });
    const paths = Object.keys(object(json['paths'])).filter((path) => path.startsWith('/ai-sdk'));

    expect(paths).toHaveLength(4);
  });
});

describe('the AI SDK routes while their server dies', () => {
  const servers = useServers();

  test('a chat that was cut by a crash has the whole answer after resumeStream', async () => {
    const server = await servers.start({ LEASE_TTL: '1s', SCAN_INTERVAL: '200ms' });
    const { chat } = clientOf(server.baseUrl, { id: 'crash' });
    const sending = chat.sendMessage({ text: 'say 40 20' });
    await until(() => textOf(chat.lastMessage).includes('word10'));
    await server.kill9();
    await sending;
    await server.restart();
    await until(async () => {
      await chat.resumeStream();
      const { status } = object(chat.lastMessage?.metadata);
      return status === 'completed';
    });

    const loaded = await loadMessages(server.baseUrl, 'crash');
    expect(chat.messages).toHaveLength(2);
    expect(textOf(loaded[1])).toMatch(/word1 .*word40$/);
    // Words that were withdrawn can't be taken back here; those that stand are all there, at the end.
    expect(textOf(chat.lastMessage).endsWith(textOf(loaded[1]))).toBe(true);
    expect(shown(loaded)[0]).toEqual(shown(chat.messages)[0]);
  }, 60_000);
});
