import { describe, expect, test } from '@jest/globals';
import { AIMessage, AIMessageChunk, ToolMessage } from '@langchain/core/messages';
import { mapChunk, mapperState } from '../../../src/agent/event-mapper.ts';
import type { MapperState, StreamChunk } from '../../../src/agent/event-mapper.ts';
import type { RunnerEvent } from '../../../src/agent/agent-runner.ts';
import { SubAgentMark } from '../../../src/agent/sub-agent-mark.ts';
import { MAX_OUTPUT_BYTES } from '../../../src/agent/output.ts';

const ROOT = ['model_request:1'];

function run(chunks: StreamChunk[], from = mapperState({ nextPart: 0 })): unknown[] {
  return fold(chunks, from).events.map((each) => (each.type === 'event' ? each.body : each));
}
function fold(
  chunks: StreamChunk[],
  from: MapperState,
): { state: MapperState; events: RunnerEvent[] } {
  let state = from;
  const events: RunnerEvent[] = [];
  for (const chunk of chunks) {
    const mapped = mapChunk(state, chunk);
    state = mapped.state;
    events.push(...mapped.events);
  }
  return { state, events };
}
const says = (
  fields: ConstructorParameters<typeof AIMessageChunk>[0],
  namespace = ROOT,
): StreamChunk => [namespace, 'messages', [new AIMessageChunk(fields), {}]];
const chunk = (id: string, content: string, namespace = ROOT): StreamChunk =>
  says({ id, content }, namespace);
const args = (id: string, piece: object): StreamChunk =>
  says({
    id,
    content: '',
    tool_call_chunks: [{ type: 'tool_call_chunk', index: 0, ...piece }],
  });
const update = (node: string, messages: unknown[], namespace: string[] = []): StreamChunk => [
  namespace,
  'updates',
  { [node]: { messages } },
];

const mark = (task: string, toolCallId: string, state: 'started' | 'finished'): StreamChunk => [
  [],
  'custom',
  new SubAgentMark({ namespace: task, toolCallId, agentId: 'helper', state }),
];

describe('event mapper', () => {
  test('text goes on in its part, and only the first delta names the call', () => {
    const events = run([chunk('m1', 'a'), chunk('m1', ''), chunk('m1', 'b'), chunk('m2', 'c')]);

    expect(events).toEqual([
      { type: 'text_delta', part: 0, text: 'a', call: 'm1' },
      { type: 'text_delta', part: 0, text: 'b' },
      { type: 'text_delta', part: 1, text: 'c', call: 'm2' },
    ]);
  });

  test('a token that continues its part leaves the state as it is', () => {
    const { state } = fold([chunk('m1', 'a')], mapperState({ nextPart: 4 }));

    expect(mapChunk(state, chunk('m1', 'b')).state).toBe(state);
    expect(state.nextPart).toBe(5);
  });

  test.each([
    ['side field', says({ id: 'm', content: '', additional_kwargs: { reasoning_content: 'why' } })],
    ['thinking block', says({ id: 'm', content: [{ type: 'thinking', thinking: 'why' }] })],
    ['reasoning block', says({ id: 'm', content: [{ type: 'reasoning', reasoning: 'why' }] })],
    [
      'summaries',
      says({
        id: 'm',
        content: '',
        additional_kwargs: { reasoning: { summary: [{ text: 'why' }] } },
      }),
    ],
  ])('reasoning is read from a %s and is a part of its own', (_name, reasoning) => {
    const events = run([reasoning, says({ id: 'm', content: [{ type: 'text', text: 'so' }] })]);

    expect(events).toEqual([
      { type: 'reasoning_delta', part: 0, text: 'why', call: 'm' },
      { type: 'text_delta', part: 1, text: 'so', call: 'm' },
    ]);
  });

  test('a streamed call is announced, its fragments follow, it is ready with the update', () => {
    const call = { id: 'c1', name: 'add', args: { a: 1 } };
    const events = run([
      chunk('m1', 'x'),
      args('m1', { id: 'c1', name: 'add', args: '' }),
      args('m1', { args: '{"a"' }),
      args('m1', { args: ':1}' }),
      update('model_request', [new AIMessage({ id: 'm1', content: 'x', tool_calls: [call] })]),
      update('tools', [new ToolMessage({ tool_call_id: 'c1', content: '2' })]),
      chunk('m2', 'y'),
    ]);

    expect(events).toEqual([
      { type: 'text_delta', part: 0, text: 'x', call: 'm1' },
      { type: 'tool_call', part: 1, toolCallId: 'c1', name: 'add' },
      { type: 'tool_args_delta', toolCallId: 'c1', text: '{"a"' },
      { type: 'tool_args_delta', toolCallId: 'c1', text: ':1}' },
      { type: 'tool_ready', toolCallId: 'c1', name: 'add', args: { a: 1 } },
      { type: 'tool_result', toolCallId: 'c1', status: 'ok', output: '2' },
      { type: 'text_delta', part: 2, text: 'y', call: 'm2' },
    ]);
  });

  test('a call that came whole is announced and ready at once', () => {
    const message = new AIMessage({
      id: 'm1',
      content: '',
      tool_calls: [{ id: 'c1', name: 'add', args: {} }],
    });

    const events = run([update('model_request', [message]), update('model_request', [message])]);

    expect(events).toEqual([
      { type: 'tool_call', part: 0, toolCallId: 'c1', name: 'add' },
      { type: 'tool_ready', toolCallId: 'c1', name: 'add', args: {} },
    ]);
  });

  test('text after a call of the same message is a new part', () => {
    const events = run([
      chunk('m', 'a'),
      args('m', { id: 'c', name: 'n', args: '' }),
      chunk('m', 'b'),
    ]);

    expect(events.at(-1)).toEqual({ type: 'text_delta', part: 2, text: 'b', call: 'm' });
  });

  test('large fragments come in bounded pieces that never split a character', () => {
    const long = 'é😀'.repeat(10_000);
    const events = run([args('m', { id: 'c', name: 'n', args: long }), chunk('m', long)]);

    const texts = events.flatMap((each) =>
      typeof each === 'object' && each && 'text' in each ? [String(each.text)] : [],
    );
    expect(Math.max(...texts.map((text) => text.length))).toBeLessThanOrEqual(8_192);
    expect(texts.join('')).toBe(long + long);
    expect(texts.filter((text) => Buffer.from(text).toString() !== text)).toEqual([]);
  });

  test('a result past the limit is cut with a marker, and told once', () => {
    const result = new ToolMessage({ tool_call_id: 'c', content: 'é'.repeat(100_000) });
    const call = new AIMessage({
      id: 'm',
      content: '',
      tool_calls: [{ id: 'c', name: 'n', args: {} }],
    });
    const events = run([
      update('model_request', [call]),
      update('tools', [result]),
      update('tools', [result]),
    ]);

    const results = events.filter((each) => JSON.stringify(each).includes('tool_result'));
    expect(results).toHaveLength(1);
    const output = String(Object.entries(results[0] ?? {}).find(([key]) => key === 'output')?.[1]);
    expect(Buffer.byteLength(output)).toBeLessThanOrEqual(MAX_OUTPUT_BYTES);
    expect(output).toMatch(/é\n… \[truncated: \d+ of 200000 bytes shown\]$/);
  });

  test('usage is told once for each call that has one, with what fills the context', () => {
    const message = new AIMessage({ id: 'm1', content: '' });
    Object.assign(message, {
      usage_metadata: {
        input_tokens: 10,
        output_tokens: 5,
        total_tokens: 15,
        input_token_details: { cache_read: 4 },
        output_token_details: { reasoning: 2 },
      },
    });
    const events = run(
      [
        update('model_request', [message]),
        update('model_request', [message]),
        update('model_request', [new AIMessage({ id: 'm2', content: '' })]),
      ],
      mapperState({ nextPart: 0, contextMax: 1000 }),
    );

    const call = { inputTokens: 10, outputTokens: 5, cacheRead: 4, reasoning: 2 };
    expect(events).toEqual([{ type: 'usage', usage: { call, contextUsed: 15, contextMax: 1000 } }]);
  });

  test('sub-agents that speak at once keep their parts apart and carry their path', () => {
    const events = run([
      mark('tools:1', 'c1', 'started'),
      mark('tools:2', 'c2', 'started'),
      mark('tools:1|tools:9', 'deep', 'started'),
      chunk('s1', 'a', ['tools:1', 'model_request:7']),
      chunk('s2', 'x', ['tools:2', 'model_request:8']),
      chunk('s1', 'b', ['tools:1', 'model_request:7']),
      chunk('s3', 'd', ['tools:1', 'tools:9', 'model_request:9']),
      mark('tools:1', 'c1', 'finished'),
    ]);

    expect(events).toEqual([
      { type: 'agent', path: ['c1'], agentId: 'helper', state: 'started' },
      { type: 'agent', path: ['c2'], agentId: 'helper', state: 'started' },
      { type: 'agent', path: ['c1', 'deep'], agentId: 'helper', state: 'started' },
      { type: 'text_delta', part: 0, text: 'a', call: 's1', path: ['c1'] },
      { type: 'text_delta', part: 1, text: 'x', call: 's2', path: ['c2'] },
      { type: 'text_delta', part: 0, text: 'b', path: ['c1'] },
      { type: 'text_delta', part: 2, text: 'd', call: 's3', path: ['c1', 'deep'] },
      { type: 'agent', path: ['c1'], agentId: 'helper', state: 'finished' },
    ]);
  });

  test('a model that a tool uses for itself is not the answer', () => {
    const inner = new AIMessage({ id: 's1', content: 'secret' });
    const events = run([
      chunk('s1', 'secret', ['tools:1']),
      chunk('s1', 'secret', ['tools:1', 'model_request:2']),
      update('model_request', [inner], ['tools:1']),
    ]);

    expect(events).toEqual([]);
  });

  test('what a graph writes becomes a custom event if it is JSON', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const events = run([
      [[], 'custom', { progress: 1 }],
      [[], 'custom', circular],
      [[], 'custom', undefined],
      [[], 'custom', 'x'.repeat(100_000)],
    ]);

    expect(events).toEqual([
      { type: 'custom', data: { progress: 1 } },
      { type: 'custom', data: { truncated: true, length: 100_002 } },
    ]);
  });

  test('what a checkpoint holds is not told again', () => {
    const standing = {
      resumable: true,
      calls: [
        {
          call: 'm1',
          reasoning: '',
          text: 'x',
          toolCalls: [
            { toolCallId: 'c1', name: 'n', args: {} },
            { toolCallId: 'c2', name: 'n', args: {} },
          ],
        },
      ],
      results: [{ toolCallId: 'c1', status: 'ok' as const, output: '1' }],
      steered: [],
    };
    const events = run(
      [
        update('tools', [new ToolMessage({ tool_call_id: 'c1', content: '1' })]),
        update('tools', [new ToolMessage({ tool_call_id: 'c2', content: '2' })]),
      ],
      mapperState({ nextPart: 3, standing }),
    );

    expect(events).toEqual([{ type: 'tool_result', toolCallId: 'c2', status: 'ok', output: '2' }]);
  });

  test('an interrupt is noted', () => {
    const { state } = fold(
      [[[], 'updates', { __interrupt__: [{ id: 'i', value: 1 }] }]],
      mapperState({ nextPart: 0 }),
    );

    expect(state.interrupted).toBe(true);
  });
});
