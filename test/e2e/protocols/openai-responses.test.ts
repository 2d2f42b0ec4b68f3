import { beforeAll, describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { request } from '../../support/api.ts';
import {
  ask,
  eventsOf,
  framesOf,
  openAi,
  SECRET,
  tokenOf,
  until,
  wholeOf,
} from '../../support/openai-client.ts';
import { type ServerProcess, useServers } from '../../support/server-process.ts';

/** The stock openai package with `responses` (docs/PROTOCOL.md section 10, OpenAI). */

/** How many streams are cut while they are written, each a frame later; OPENAI_CUTS=28 cuts behind every frame. */
const CUTS = Number(process.env['OPENAI_CUTS'] ?? 3);

describe('responses', () => {
  const servers = useServers();
  let server: ServerProcess;
  let alice: OpenAI;
  let aliceKey: string;
  beforeAll(async () => {
    server = await servers.start({
      PROFILE: 'memory',
      AUTH_MODE: 'jwt',
      JWT_SECRET: SECRET,
    });
    aliceKey = await tokenOf('alice');
    alice = openAi(server.baseUrl, aliceKey);
  }, 60_000);

  const url = (path: string): string => `${server.baseUrl}/v1/responses${path}`;

  test('a response comes as a whole', async () => {
    const response = await alice.responses.create({ model: 'demo', input: 'say 3 0' });

    expect(response).toMatchObject({ status: 'completed', model: 'demo', object: 'response' });
    expect(response.output_text).toBe('word1 word2 word3');
    expect(response.usage).toMatchObject({ output_tokens: 3 });
    expect(await alice.responses.retrieve(response.id)).toEqual(response);
  });

  test('a stream folds to the same response, with numbers that rise by one', async () => {
    const stream = alice.responses.stream({ model: 'demo', input: 'think 3 0' });
    const events = await eventsOf(stream);
    const response = await stream.finalResponse();
    const { output_parsed: _parsed, output, ...rest } = response;
    const retrieved = await alice.responses.retrieve(response.id);

    expect(retrieved).toMatchObject(rest);
    expect(output.map(({ type }) => type)).toEqual(['reasoning', 'message']);
    expect(retrieved.output[0]).toMatchObject({
      content: [{ type: 'reasoning_text', text: 'thought1 thought2 thought3' }],
    });
    expect(response.output_text).toBe('That is what I think.');
    expect(events.map((event) => event.sequence_number)).toEqual([...events.keys()]);
    expect(events.at(-1)?.type).toBe('response.completed');
  });

  test('a tool that runs here is a call of an MCP server', async () => {
    const response = await alice.responses.create({ model: 'demo', input: 'tool' });

    expect(response.output).toMatchObject([
      { type: 'message' },
      {
        type: 'mcp_call',
        name: 'add',
        server_label: 'holdfast',
        arguments: '{"a":2,"b":3}',
        output: '2 + 3 = 5',
        error: null,
        status: 'completed',
      },
      { type: 'message', content: [{ text: 'The tool answered: 2 + 3 = 5' }] },
    ]);
  });

  test('a turn follows the very response that it names', async () => {
    const first = await alice.responses.create({ model: 'demo', input: 'say 1 0 one' });
    const second = await alice.responses.create({
      model: 'demo',
      previous_response_id: first.id,
      input: 'say 1 0 two',
    });
    // Beside the second one: a branch.
    const third = await alice.responses.create({
      model: 'demo',
      previous_response_id: first.id,
      input: [{ role: 'user', content: [{ type: 'input_text', text: 'say 1 0 three' }] }],
    });
    const ids = [first, second, third].map(({ conversation }) => conversation?.id);
    const path = `/api/conversations/${ids[0] ?? ''}/messages`;
    const headers = { authorization: `Bearer ${aliceKey}` };
    const { json } = await request(server.baseUrl, { path, headers });
    const said = JSON.stringify(json);

    expect(new Set(ids).size).toBe(1);
    expect(said).toContain('one1');
    const messages: unknown[] = Array.isArray(json['items']) ? json['items'] : [];
    const parents = messages.map((it) =>
      typeof it === 'object' && it && 'parentMessageId' in it ? it.parentMessageId : '',
    );
    expect(messages).toHaveLength(6);
    // Both turns have the first answer as their parent.
    expect(parents[2]).toBe(parents[4]);
  });

  test('a conversation that is there goes on, temporary ones are not listed', async () => {
    const first = await alice.responses.create({ model: 'demo', input: 'say 1 0', store: false });
    const conversation = first.conversation?.id ?? '';
    const second = await alice.responses.create({ model: 'demo', input: 'say 2 0', conversation });
    const headers = { authorization: `Bearer ${aliceKey}` };
    const listed = await request(server.baseUrl, { path: '/api/conversations', headers });

    expect(second.conversation?.id).toBe(conversation);
    expect(listed.text).not.toContain(conversation);
  });

  test('in the background it is polled, and its stream read from any number on', async () => {
    const begun = await alice.responses.create({
      model: 'demo',
      input: 'say 20 3',
      background: true,
    });
    expect(['queued', 'in_progress']).toContain(begun.status);

    const done = await until(alice, begun.id, ({ status }) => status === 'completed');
    const all = await eventsOf(await alice.responses.retrieve(begun.id, { stream: true }));

    expect(done.output_text).toMatch(/^word1 .* word20$/);
    for (const after of [0, 7, all.length - 2, all.length - 1]) {
      const rest = await alice.responses.retrieve(begun.id, {
        stream: true,
        starting_after: after,
      });
      expect(await eventsOf(rest)).toEqual(all.slice(after + 1));
    }
  });

  test('cut behind any frame it goes on behind it, byte for byte', async () => {
    const body = { model: 'demo', stream: true, input: 'tool' };
    const { text, headers } = await ask(url(''), { body, apiKey: aliceKey });
    const location = server.baseUrl + (headers.get('location') ?? '');
    const frames = framesOf(text);

    expect(frames.length).toBeGreaterThan(20);
    for (const [index, { id }] of frames.entries()) {
      const behind = wholeOf(frames.slice(index + 1));
      const byCursor = await ask(location, { cursor: id, apiKey: aliceKey });
      expect(wholeOf(framesOf(byCursor.text))).toEqual(behind);
      const byNumber = await ask(`${location}&starting_after=${index}`, { apiKey: aliceKey });
      expect(byNumber.text).toContain(': eos');
      expect(wholeOf(framesOf(byNumber.text))).toEqual(behind);
    }
  }, 60_000);

  test('cut while it is written, nothing is lost and nothing comes twice', async () => {
    for (let cut = 1; cut <= Math.min(CUTS, 28); cut += 1) {
      const body = { model: 'demo', stream: true, input: 'say 20 3' };
      const begun = await ask(url(''), { body, apiKey: aliceKey, leaveAfter: cut });
      const location = server.baseUrl + (begun.headers.get('location') ?? '');
      const had = framesOf(begun.text).slice(0, cut);
      const cursor = had.at(-1)?.id ?? '';
      const rest = framesOf((await ask(location, { cursor, apiKey: aliceKey })).text);
      const whole = framesOf((await ask(location, { apiKey: aliceKey })).text);

      expect(wholeOf([...had, ...rest])).toEqual(wholeOf(whole));
    }
  }, 60_000);

  test('the same key is one response', async () => {
    const options = { headers: { 'Idempotency-Key': 'once' } };
    const body = { model: 'demo', input: 'say 3 0' };
    const [one, two] = await Promise.all([
      alice.responses.create(body, options),
      alice.responses.create(body, options),
    ]);

    expect(one).toEqual(two);
    await expect(
      alice.responses.create({ ...body, input: 'say 4 0' }, options),
    ).rejects.toBeInstanceOf(OpenAI.ConflictError);
  });

  test('a cancelled one is closed, for those who read and those who ask', async () => {
    const stream = alice.responses.stream({ model: 'demo', input: 'hang' });
    const events: ResponseStreamEvent[] = [];
    let id = '';
    let cancelled: Response | undefined;
    for await (const event of stream) {
      events.push(event);
      if (event.type === 'response.created') ({ id } = event.response);
      if (event.type === 'response.output_text.delta' && event.delta.includes('here')) {
        cancelled = await alice.responses.cancel(id);
      }
    }
    const types = events.map(({ type }) => type);

    expect(cancelled).toMatchObject({ status: 'cancelled' });
    expect(types.slice(-4)).toEqual([
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.incomplete',
    ]);
    expect(await stream.finalResponse()).toMatchObject({
      status: 'cancelled',
      output: [{ type: 'message', status: 'incomplete' }],
    });
    expect(await alice.responses.cancel(id)).toMatchObject({ status: 'cancelled' });
  });

  test('a failed one says why', async () => {
    const stream = alice.responses.stream({ model: 'demo', input: 'fail' });
    const response = await stream.finalResponse();

    expect(response.status).toBe('failed');
    expect(response.error).toMatchObject({ code: 'server_error' });
    expect(response.error?.message).toContain('MODEL_ERROR');
    expect(response.output_text).toMatch(/^word1/);
  });
});
