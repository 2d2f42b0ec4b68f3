import { beforeAll, describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import { approvalsOf, ask, openAi, SECRET, tokenOf } from '../../support/openai-client.ts';
import { type ServerProcess, useServers } from '../../support/server-process.ts';

/** What `/v1/responses` refuses, and whom (docs/PROTOCOL.md section 10, OpenAI). */

const LIMIT = 3;

const answer = (id: string) => ({
  type: 'mcp_approval_response',
  approval_request_id: id,
  approve: true,
});

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
      MAX_GENERATIONS_PER_USER: String(LIMIT),
    });
    aliceKey = await tokenOf('alice');
    alice = openAi(server.baseUrl, aliceKey);
  }, 60_000);

  const url = (path: string): string => `${server.baseUrl}/v1/responses${path}`;

  describe('of another user', () => {
    test('are not there', async () => {
      const bob = openAi(server.baseUrl, await tokenOf('bob'));
      const { id } = await alice.responses.create({ model: 'demo', input: 'approve' });
      const waiting = await alice.responses.retrieve(id);
      const [asked] = approvalsOf(waiting);
      const attempts = [
        bob.responses.retrieve(id),
        bob.responses.retrieve(id, { stream: true }),
        bob.responses.retrieve(`${id}_1`),
        bob.responses.cancel(id),
        bob.responses.create({ model: 'demo', previous_response_id: id, input: 'say 1 0' }),
        bob.responses.create({
          previous_response_id: id,
          input: [
            {
              type: 'mcp_approval_response',
              approval_request_id: asked?.id ?? '',
              approve: true,
            },
          ],
        }),
        bob.responses.create({
          model: 'demo',
          conversation: waiting.conversation?.id ?? '',
          input: 'say 1 0',
        }),
      ];

      for (const attempt of attempts) {
        await expect(attempt).rejects.toBeInstanceOf(OpenAI.NotFoundError);
      }
      expect(await alice.responses.retrieve(id)).toEqual(waiting);
      await alice.responses.cancel(id);
    });

    test('and of nobody are the same', async () => {
      const apiKey = await tokenOf('bob');
      const { id } = await alice.responses.create({ model: 'demo', input: 'say 1 0' });
      const [theirs, nobodys] = [
        await ask(url(`/${id}`), { apiKey }),
        await ask(url('/resp_nobody'), { apiKey }),
      ];

      expect(theirs.status).toBe(404);
      expect(theirs.text).toBe(nobodys.text);
    });
  });

  test('limits and keys are errors that the client knows', async () => {
    const carol = openAi(server.baseUrl, await tokenOf('carol'));
    const body = { model: 'demo', input: 'hang', background: true };
    const hanging = await Promise.all(
      Array.from({ length: LIMIT }, () => carol.responses.create(body)),
    );

    await expect(carol.responses.create(body)).rejects.toBeInstanceOf(OpenAI.RateLimitError);
    await expect(openAi(server.baseUrl, 'wrong').models.list()).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    );
    await Promise.all(hanging.map(({ id }) => carol.responses.cancel(id)));
  });

  test.each<[string, unknown, number, string]>([
    ['no input', { model: 'demo' }, 400, 'invalid_request'],
    ['no items', { model: 'demo', input: [] }, 400, 'invalid_request'],
    ['a key that nobody knows', { model: 'demo', input: 'x', inputs: 'x' }, 400, 'invalid_request'],
    ['a model that nobody knows', { model: 'gpt-9', input: 'x' }, 404, 'model_not_found'],
    ['silence', { model: 'demo', input: '  ' }, 400, 'invalid_value'],
    ['too much', { model: 'demo', input: 'x'.repeat(100_001) }, 400, 'invalid_value'],
    [
      'too much of instructions',
      { model: 'demo', input: 'x', instructions: 'x'.repeat(100_000) },
      400,
      'invalid_value',
    ],
    [
      'an item that is none',
      { model: 'demo', input: [{ type: 'reasoning' }] },
      400,
      'invalid_request',
    ],
    [
      'words in the mouth of the agent',
      { model: 'demo', input: [{ role: 'assistant', content: 'x' }] },
      400,
      'invalid_value',
    ],
    [
      'a picture',
      {
        model: 'demo',
        input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }],
      },
      400,
      'unsupported_parameter',
    ],
    [
      'tools',
      { model: 'demo', input: 'x', tools: [{ type: 'web_search' }] },
      400,
      'unsupported_parameter',
    ],
    [
      'a form of the text',
      { model: 'demo', input: 'x', text: { format: { type: 'json_object' } } },
      400,
      'unsupported_parameter',
    ],
    [
      'a previous response that is none',
      { model: 'demo', input: 'x', previous_response_id: 'resp_x' },
      404,
      'previous_response_not_found',
    ],
    [
      'a previous response of another kind',
      { model: 'demo', input: 'x', previous_response_id: '../x' },
      404,
      'previous_response_not_found',
    ],
    [
      'a conversation that is none',
      { model: 'demo', input: 'x', conversation: '$where' },
      404,
      'not_found',
    ],
    [
      'two that go on',
      { model: 'demo', input: 'x', conversation: 'c', previous_response_id: 'resp_x' },
      400,
      'invalid_request',
    ],
    ['an answer to nothing', { input: [answer('mcpr_act_1_0')] }, 400, 'invalid_value'],
    [
      'an answer among messages',
      { model: 'demo', input: [answer('x'), { role: 'user', content: 'x' }] },
      400,
      'invalid_value',
    ],
  ])('%s is refused as OpenAI refuses', async (_what, body, status, code) => {
    const got = await ask(url(''), { body, apiKey: aliceKey });

    expect({ status: got.status, text: got.text }).toMatchObject({ status });
    expect(JSON.parse(got.text)).toMatchObject({ error: { code, type: 'invalid_request_error' } });
  });

  test.each(['?stream=maybe', '?stream=true&starting_after=-1', '?stream=true&starting_after=x'])(
    'the query %s is refused',
    async (query) => {
      const got = await ask(url(`/resp_x${query}`), { apiKey: aliceKey });

      expect(got.status).toBe(400);
    },
  );
});
