import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import { type FakeOpenAi, say, startFakeOpenAi, stop } from '../../support/fake-openai.ts';
import { leftLive, request } from '../../support/api.ts';
import { ask, type Frame, framesOf, openAi, wholeOf } from '../../support/openai-client.ts';
import { type ServerProcess, useServers } from '../../support/server-process.ts';

/** The stock openai package with `chat.completions` (docs/PROTOCOL.md section 10, OpenAI). */

/** How many streams are cut while they are written, each a frame later; OPENAI_CUTS=23 cuts behind every frame. */
const CUTS = Number(process.env['OPENAI_CUTS'] ?? 3);

const user = (content: string) => ({ role: 'user' as const, content });
const words = (count: number): string =>
  Array.from({ length: count }, (_, n) => `word${n + 1}`).join(' ');

function contentOf(frames: Frame[]): string {
  const contents = frames.map(({ data }) => /"delta":\{[^}]*"content":"([^"]*)"/.exec(data)?.[1]);
  return contents.join('');
}

describe('chat completions', () => {
  const servers = useServers();
  let provider: FakeOpenAi;
  let server: ServerProcess;
  let client: OpenAI;
  beforeAll(async () => {
    provider = await startFakeOpenAi([
      { acts: [...say('Blue, ', 'I think.'), { usage: { prompt: 40, completion: 4 } }, ...stop] },
    ]);
    server = await servers.start({
      PROFILE: 'memory',
      MODEL: 'openai:gpt-test',
      OPENAI_API_KEY: 'sk-test',
      OPENAI_BASE_URL: provider.baseURL,
    });
    client = openAi(server.baseUrl);
  }, 60_000);
  afterAll(async () => {
    await provider[Symbol.asyncDispose]();
  });

  const completionsUrl = (): string => `${server.baseUrl}/v1/chat/completions`;

  test('the agents are the models', async () => {
    const models = await client.models.list();

    expect(models.data.map(({ id }) => id)).toEqual(['default', 'demo', 'demo-plain']);
    expect(await client.models.retrieve('demo')).toMatchObject({ id: 'demo', object: 'model' });
    await expect(client.models.retrieve('gpt-9')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test('an answer comes as a whole', async () => {
    const { choices, usage, model, object } = await client.chat.completions.create({
      model: 'demo-plain',
      messages: [user('say 3 0')],
    });

    expect({ model, object }).toEqual({ model: 'demo-plain', object: 'chat.completion' });
    expect(choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: 'word1 word2 word3', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ]);
    expect(usage).toMatchObject({ completion_tokens: 3 });
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + 3);
  });

  test('an answer is streamed, and the client makes of it what it is as a whole', async () => {
    const messages = [user('tool')];
    const stream = client.chat.completions.stream({ model: 'demo-plain', messages });
    const deltas: string[] = [];
    stream.on('content', (delta) => deltas.push(delta));
    const streamed = await stream.finalChatCompletion();
    const whole = await client.chat.completions.create({ model: 'demo-plain', messages });

    expect(streamed.choices[0]?.message.content).toBe(whole.choices[0]?.message.content);
    expect(streamed.choices[0]?.message.content).toBe(
      'One moment.\n\nThe tool answered: 2 + 3 = 5',
    );
    expect(deltas.length).toBeGreaterThan(5);
    expect(streamed.usage).toBeUndefined();
  });

  test('usage comes where it is asked for', async () => {
    const stream = client.chat.completions.stream({
      model: 'demo-plain',
      messages: [user('say 4 0')],
      stream_options: { include_usage: true },
    });

    expect((await stream.finalChatCompletion()).usage).toMatchObject({ completion_tokens: 4 });
  });

  test('the history that is sent reaches the model, each speaker in its place', async () => {
    const before = provider.requests.length;
    const answer = await client.chat.completions.create({
      model: 'default',
      messages: [
        { role: 'system', content: 'Be short.' },
        user('Which colour has the sky?'),
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'c1', type: 'function', function: { name: 'look', arguments: '{"at":"sky"}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'blue' },
        { role: 'assistant', content: 'Blue.' },
        { role: 'user', content: [{ type: 'text', text: 'Are you sure?' }] },
      ],
    });
    const [sent] = provider.requests.slice(before);
    const messages = sent?.body['messages'];

    expect(answer.choices[0]?.message.content).toBe('Blue, I think.');
    expect(messages).toMatchObject([
      { role: 'system' },
      { role: 'user', content: 'Be short.\n\nWhich colour has the sky?' },
      { role: 'assistant', tool_calls: [{ id: 'c1', function: { name: 'look' } }] },
      { role: 'tool', tool_call_id: 'c1', content: 'blue' },
      { role: 'assistant', content: 'Blue.' },
      { role: 'user', content: 'Are you sure?' },
    ]);
    expect((await request(server.baseUrl, { path: '/api/conversations' })).json).toMatchObject({
      items: [],
    });
  });

  test('the same key is one turn, and another body under it a conflict', async () => {
    const before = provider.requests.length;
    const body = {
      model: 'default',
      messages: [user('One?'), { role: 'assistant' as const, content: 'One.' }, user('Two?')],
    };
    const options = { headers: { 'Idempotency-Key': 'once' } };
    const answers = await Promise.all([
      client.chat.completions.create(body, options),
      client.chat.completions.create(body, options),
    ]);
    const other = client.chat.completions.create({ ...body, messages: [user('Three?')] }, options);

    expect(answers[0].id).toBe(answers[1].id);
    expect(provider.requests.length - before).toBe(1);
    await expect(other).rejects.toBeInstanceOf(OpenAI.ConflictError);
  });

  test('an agent that can wait for a person is refused before anything runs', async () => {
    const refused = client.chat.completions.create({ model: 'demo', messages: [user('approve')] });

    await expect(refused).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(refused).rejects.toMatchObject({
      code: 'agent_requires_approval',
      param: 'model',
    });
    // What the tests before this one began is closed a moment after its end; what asks would stay.
    expect(await leftLive(server.baseUrl)).toEqual([]);
  });

  test('a failure is an error of the client, streamed or not, and is not tried again', async () => {
    let tries = 0;
    const retrying = new OpenAI({
      baseURL: `${server.baseUrl}/v1`,
      apiKey: 'x',
      maxRetries: 2,
      defaultHeaders: { connection: 'close' },
      fetch: (...request) => {
        tries += 1;
        return fetch(...request);
      },
    });
    const body = { model: 'demo-plain', messages: [user('fail')] };
    const whole = retrying.chat.completions.create(body);
    await expect(whole).rejects.toBeInstanceOf(OpenAI.InternalServerError);
    await expect(whole).rejects.toMatchObject({ status: 502, code: 'model_error' });

    expect(tries).toBe(1);
    const stream = client.chat.completions.stream(body);
    await expect(stream.finalChatCompletion()).rejects.toMatchObject({ code: 'model_error' });
  });

  test('a stopped one ends with an error, and [DONE]', async () => {
    const body = { model: 'demo-plain', stream: true, messages: [user('hang')] };
    const begun = await ask(completionsUrl(), { body, leaveAfter: 3 });
    const generationId = begun.headers.get('x-generation-id') ?? '';
    await request(server.baseUrl, { path: '/api/chat/abort', body: { generationId } });
    const { text } = await ask(server.baseUrl + (begun.headers.get('location') ?? ''));

    const [error, done] = framesOf(text).slice(-2);
    expect(error?.data).toContain('"code":"generation_aborted"');
    expect(done?.data).toBe('[DONE]');
    expect(text.endsWith(': eos\n\n')).toBe(true);
  });

  test('cut behind any frame it goes on behind it, byte for byte', async () => {
    const body = { model: 'demo-plain', stream: true, messages: [user('say 12 0')] };
    const { text, headers } = await ask(completionsUrl(), { body });
    const location = server.baseUrl + (headers.get('location') ?? '');
    const frames = framesOf(text);

    expect(frames.length).toBeGreaterThan(12);
    for (const [index, { id }] of frames.entries()) {
      const rest = await ask(location, { cursor: id });
      expect(wholeOf(framesOf(rest.text))).toEqual(wholeOf(frames.slice(index + 1)));
    }
    expect(wholeOf(framesOf((await ask(location)).text))).toEqual(wholeOf(frames));
  }, 60_000);

  test('cut while it is written, nothing is lost and nothing comes twice', async () => {
    for (let cut = 1; cut <= Math.min(CUTS, 23); cut += 1) {
      const body = {
        model: 'demo-plain',
        stream: true,
        stream_options: { include_usage: true },
        messages: [user('say 20 3')],
      };
      const begun = await ask(completionsUrl(), { body, leaveAfter: cut });
      const location = server.baseUrl + (begun.headers.get('location') ?? '');
      const had = framesOf(begun.text).slice(0, cut);
      const rest = framesOf((await ask(location, { cursor: had.at(-1)?.id ?? '' })).text);

      const all = [...had, ...rest];
      expect(wholeOf(all)).toEqual(wholeOf(framesOf((await ask(location)).text)));
      expect(contentOf(all)).toBe(words(20));
    }
  }, 60_000);

  const OK = { model: 'demo-plain', messages: [user('say 1 0')] };
  test.each<[string, unknown, number, string]>([
    ['no JSON', '{', 400, 'invalid_json'],
    ['no object', [], 400, 'invalid_request'],
    ['no messages', { model: 'demo-plain' }, 400, 'invalid_request'],
    ['empty messages', { ...OK, messages: [] }, 400, 'invalid_request'],
    ['a key that nobody knows', { ...OK, modle: 1 }, 400, 'invalid_request'],
    ['a model that nobody knows', { ...OK, model: 'gpt-9' }, 404, 'model_not_found'],
    [
      'an unknown speaker',
      { ...OK, messages: [{ role: 'god', content: 'x' }] },
      400,
      'invalid_request',
    ],
    ['silence', { ...OK, messages: [user(' ')] }, 400, 'invalid_value'],
    [
      'nobody who asks',
      { ...OK, messages: [{ role: 'assistant', content: 'x' }] },
      400,
      'invalid_value',
    ],
    ['too much', { ...OK, messages: [user('x'.repeat(100_001))] }, 400, 'invalid_value'],
    [
      'too many messages',
      { ...OK, messages: Array.from({ length: 1_001 }, () => user('x')) },
      400,
      'invalid_request',
    ],
    [
      'a result of no call',
      { ...OK, messages: [{ role: 'tool', tool_call_id: 'x', content: 'y' }, user('x')] },
      400,
      'invalid_value',
    ],
    [
      'an image',
      {
        ...OK,
        messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }],
      },
      400,
      'unsupported_parameter',
    ],
    [
      'tools',
      { ...OK, tools: [{ type: 'function', function: { name: 'f' } }] },
      400,
      'unsupported_parameter',
    ],
    ['two answers', { ...OK, n: 2 }, 400, 'unsupported_parameter'],
    ['stop words', { ...OK, stop: ['x'] }, 400, 'unsupported_parameter'],
    [
      'JSON output',
      { ...OK, response_format: { type: 'json_object' } },
      400,
      'unsupported_parameter',
    ],
    ['log probabilities', { ...OK, logprobs: true }, 400, 'unsupported_parameter'],
    ['sound', { ...OK, modalities: ['text', 'audio'] }, 400, 'unsupported_parameter'],
  ])('%s is refused as OpenAI refuses', async (_what, body, status, code) => {
    const got = await ask(completionsUrl(), { body });

    expect(got.status).toBe(status);
    expect(JSON.parse(got.text)).toEqual({
      error: expect.objectContaining({
        code,
        type: 'invalid_request_error',
        message: expect.any(String),
      }),
    });
  });

  test('hints and neutral values are accepted', async () => {
    const answer = await client.chat.completions.create({
      ...OK,
      temperature: 0.5,
      max_tokens: 10,
      n: 1,
      stop: null,
      tools: [],
      response_format: { type: 'text' },
      metadata: { a: 'b' },
      user: 'me',
    });

    expect(answer.choices[0]?.message.content).toBe('word1');
  });

  test('what is not here is not found, and what is not allowed is not', async () => {
    const ofAnother = await ask(`${completionsUrl()}/chatcmpl-nobody`);
    const malformed = await ask(`${completionsUrl()}/nonsense`);
    const method = await request(server.baseUrl, { path: '/v1/models', body: {} });

    expect([ofAnother.status, malformed.status, method.status]).toEqual([404, 404, 405]);
    expect(ofAnother.text).toBe(malformed.text);
    expect(method.json).toMatchObject({ error: { type: 'invalid_request_error' } });
  });
});
