import { afterEach, describe, expect, test } from '@jest/globals';
import { collect, typesOf, userMessage } from '../../support/agent-run.ts';
import { role, say, stop } from '../../support/fake-openai.ts';
import type { Act } from '../../support/fake-openai.ts';
import { calls, closeServers, KEY, openAiBench, whole } from '../../support/openai-bench.ts';

afterEach(closeServers);

describe('the real OpenAI client against a local provider', () => {
  test.each([1, 2, 3, 7, 64, undefined])(
    'text and usage arrive whole, cut every %s bytes',
    async (chunkBytes) => {
      const { runner, request, server } = await openAiBench([
        { ...whole('Grüße, ', '世界', ' 😀!'), ...(chunkBytes ? { chunkBytes } : {}) },
      ]);

      const outcome = await collect(runner.run(request('hi')));

      expect(outcome.error).toBeUndefined();
      expect(outcome.text).toBe('Grüße, 世界 😀!');
      expect(outcome.bodies[0]).toMatchObject({ part: 0, call: expect.stringMatching(/^ai_/) });
      expect(outcome.events.at(-1)).toEqual({
        type: 'usage',
        usage: {
          call: { inputTokens: 20, outputTokens: 5, cacheRead: 8, reasoning: 2 },
          contextUsed: 25,
          contextMax: expect.any(Number),
        },
      });
      expect(server.requests).toHaveLength(1);
    },
  );

  test('what one read brought is one event', async () => {
    const words = Array.from({ length: 200 }, (_, n) => `w${n} `);
    const { runner, request } = await openAiBench([whole(...words)]);

    const outcome = await collect(runner.run(request('hi')));

    expect(outcome.text).toBe(words.join(''));
    expect(outcome.bodies.length).toBeLessThan(50);
  });

  test('it is sent instructions, the history, tools, and is asked for usage', async () => {
    const { runner, request, server } = await openAiBench([whole('ok')]);
    const asked = request('and now?');
    const before = {
      ...userMessage(''),
      role: 'assistant' as const,
      status: 'unfinished' as const,
      content: [
        { type: 'text' as const, text: 'Let me' },
        {
          type: 'tool_call' as const,
          toolCallId: 'call_old',
          name: 'add',
          args: { a: 1, b: 1 },
          status: 'ready' as const,
        },
      ],
    };

    await collect(runner.run({ ...asked, history: [userMessage('hi'), before, ...asked.history] }));

    expect(server.requests[0]?.headers['authorization']).toBe(`Bearer ${KEY}`);
    expect(server.requests[0]?.body).toMatchObject({
      model: 'gpt-4o-mini',
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0.2,
      tools: [
        {
          type: 'function',
          function: {
            name: 'add',
            parameters: { type: 'object', required: ['a', 'b'] },
          },
        },
      ],
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'hi' },
        {
          role: 'assistant',
          content: 'Let me',
          tool_calls: [{ id: 'call_old', function: { name: 'add', arguments: '{"a":1,"b":1}' } }],
        },
        { role: 'tool', tool_call_id: 'call_old', content: expect.stringContaining('may not') },
        { role: 'user', content: 'and now?' },
      ],
    });
  });

  test.each([5, undefined])(
    'parallel calls in interleaved fragments run, and their results go back (cut every %s bytes)',
    async (chunkBytes) => {
      const fragments: Act[] = [
        { delta: { tool_calls: [{ index: 0, id: 'call_aaaaaaaa', name: 'add' }] } },
        { delta: { tool_calls: [{ index: 1, id: 'call_bbbbbbbb', name: 'add' }] } },
        { delta: { tool_calls: [{ index: 0, args: '{"a":1,' }] } },
        { delta: { tool_calls: [{ index: 1, args: '{"a":3,"b"' }] } },
        {
          delta: {
            tool_calls: [
              { index: 0, args: '"b":2}' },
              { index: 1, args: ':4}' },
            ],
          },
        },
      ];
      const { runner, request, server } = await openAiBench([
        calls(fragments, chunkBytes ? { chunkBytes } : {}),
        whole('3 and 7'),
      ]);

      const outcome = await collect(runner.run(request('add')));

      expect(outcome.error).toBeUndefined();
      expect(outcome.text).toBe('3 and 7');
      const args = outcome.bodies.flatMap((body) =>
        body.type === 'tool_ready' ? [[body.toolCallId, body.args]] : [],
      );
      expect(args).toEqual([
        ['call_aaaaaaaa', { a: 1, b: 2 }],
        ['call_bbbbbbbb', { a: 3, b: 4 }],
      ]);
      const raw = (id: string) =>
        outcome.bodies
          .map((b) => (b.type === 'tool_args_delta' && b.toolCallId === id ? b.text : ''))
          .join('');
      expect(raw('call_aaaaaaaa')).toBe('{"a":1,"b":2}');
      expect(raw('call_bbbbbbbb')).toBe('{"a":3,"b":4}');
      expect(server.requests[1]?.body['messages']).toMatchObject([
        { role: 'system' },
        { role: 'user' },
        {
          role: 'assistant',
          tool_calls: [{ id: 'call_aaaaaaaa' }, { id: 'call_bbbbbbbb' }],
        },
        { role: 'tool', tool_call_id: 'call_aaaaaaaa', content: '3' },
        { role: 'tool', tool_call_id: 'call_bbbbbbbb', content: '7' },
      ]);
    },
  );

  test('a gateway with constant ids corrupts nothing', async () => {
    const call: Act = {
      delta: { tool_calls: [{ index: 0, id: 'call_0', name: 'add', args: '{"a":1,"b":1}' }] },
    };
    const id = 'chatcmpl-1';
    const { runner, request, server } = await openAiBench([
      calls([call], { id }),
      calls([call], { id }),
      { ...whole('done'), id },
    ]);

    const outcome = await collect(runner.run(request('twice')));

    expect(outcome.error).toBeUndefined();
    const ids = outcome.bodies.flatMap((b) => (b.type === 'tool_result' ? [b.toolCallId] : []));
    expect(new Set(ids).size).toBe(2);
    const sent = server.requests[2]?.body['messages'];
    expect(sent).toMatchObject([
      { role: 'system' },
      { role: 'user' },
      { role: 'assistant', tool_calls: [{ id: ids[0] }] },
      { role: 'tool', tool_call_id: ids[0] },
      { role: 'assistant', tool_calls: [{ id: ids[1] }] },
      { role: 'tool', tool_call_id: ids[1] },
    ]);
  });

  test('parallel calls that all claim index 0 stay apart', async () => {
    const { runner, request } = await openAiBench([
      calls([
        {
          delta: {
            tool_calls: [{ index: 0, id: 'call_first_x', name: 'add', args: '{"a":1,"b":1}' }],
          },
        },
        {
          delta: {
            tool_calls: [{ index: 0, id: 'call_second_x', name: 'add', args: '{"a":2,"b":2}' }],
          },
        },
      ]),
      whole('ok'),
    ]);

    const outcome = await collect(runner.run(request('add')));

    const outputs = outcome.bodies.flatMap((b) => (b.type === 'tool_result' ? [b.output] : []));
    expect(outputs).toEqual(['2', '4']);
  });

  test('reasoning_content is reasoning', async () => {
    const { runner, request } = await openAiBench([
      {
        acts: [
          role,
          { delta: { reasoning_content: 'hm' } },
          { delta: { reasoning_content: 'm' } },
          ...say('so'),
          ...stop,
        ],
        chunkBytes: 40,
      },
    ]);

    const outcome = await collect(runner.run(request('hi')));

    expect(typesOf(outcome)).toBe('reasoning_delta text_delta');
    const reasoning = outcome.bodies.map((b) => (b.type === 'reasoning_delta' ? b.text : ''));
    expect(reasoning.join('')).toBe('hmm');
  });

  test.each([
    ['not JSON', '{"a": 1, "b', 'were not valid JSON of at most 30 levels'],
    ['of the wrong shape', '{"a":"one"}', 'are not valid: a:'],
  ])(
    'arguments %s: one clear sentence goes back, no stack, and the run goes on',
    async (_name, args, said) => {
      const { runner, request, server } = await openAiBench([
        calls([{ delta: { tool_calls: [{ index: 0, id: 'call_abcdefgh', name: 'add', args }] } }]),
        whole('sorry'),
      ]);

      const outcome = await collect(runner.run(request('add')));

      expect(outcome.text).toBe('sorry');
      const result = outcome.bodies.find((b) => b.type === 'tool_result');
      expect(result).toMatchObject({ status: 'error', output: expect.stringContaining(said) });
      expect(result?.output).not.toMatch(/node_modules|\n\s+at |Error:/);
      const sent = server.requests[1]?.body['messages'];
      expect(Array.isArray(sent) && sent.at(-1)).toMatchObject({
        role: 'tool',
        content: result?.output,
      });
    },
  );

  test('a tool that does not exist is answered, and the run goes on', async () => {
    const { runner, request } = await openAiBench([
      calls([
        { delta: { tool_calls: [{ index: 0, id: 'call_abcdefgh', name: 'rm', args: '{}' }] } },
      ]),
      whole('sorry'),
    ]);

    const outcome = await collect(runner.run(request('add')));

    expect(outcome.bodies.find((b) => b.type === 'tool_result')).toMatchObject({
      status: 'error',
      output: 'There is no tool called rm. Tools: add.',
    });
    expect(outcome.text).toBe('sorry');
  });
});
