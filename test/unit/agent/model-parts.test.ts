import { describe, expect, test } from '@jest/globals';
import { AIMessage, AIMessageChunk } from '@langchain/core/messages';
import { AnswerBuilder } from '../../../src/agent/answer-builder.ts';
import { FlowGate } from '../../../src/agent/flow-gate.ts';
import { modelFault } from '../../../src/agent/model-errors.ts';
import { PacedReader } from '../../../src/agent/paced-reader.ts';
import { MALFORMED_KEY } from '../../../src/agent/tool-guard.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

function builder(used = new Set<string>()): AnswerBuilder {
  let minted = 0;
  return new AnswerBuilder({ id: 'ai_1', usedToolIds: used, newId: () => `new${(minted += 1)}` });
}
const fragment = (piece: object): AIMessageChunk =>
  new AIMessageChunk({ content: '', tool_call_chunks: [{ type: 'tool_call_chunk', ...piece }] });

async function* now(...items: string[]) {
  yield* items;
}

const stalled = (): Error => new Error('stalled');

async function* failing() {
  yield 'a';
  throw new Error('broken');
}

async function* silent(): AsyncGenerator<string> {
  yield 'a';
  await new Promise(() => undefined);
}

const failure = (fields: object): Error => Object.assign(new Error('secret sk-1'), fields);

function reader(source: AsyncIterable<string>, signal?: AbortSignal) {
  const clock = new FakeClock();
  return { clock, read: new PacedReader({ source, clock, signal, stallMs: 100, stalled }) };
}

describe('answer builder', () => {
  test('neighbours of a kind are one piece, and every piece carries our id', () => {
    const answer = builder();
    for (const content of ['a', 'b', '']) answer.add({ message: new AIMessageChunk(content) });
    answer.add({
      message: new AIMessageChunk({ content: '', additional_kwargs: { reasoning_content: 'r' } }),
    });
    answer.add({ message: new AIMessageChunk({ id: 'chatcmpl-1', content: 'c' }) });

    const news = answer.takeNews();

    expect(news.map(({ content }) => content)).toEqual(['ab', '', 'c']);
    expect(news.map(({ id }) => id)).toEqual(['ai_1', 'ai_1', 'ai_1']);
    expect(answer.takeNews()).toEqual([]);
    expect(answer.message()).toMatchObject({
      id: 'ai_1',
      content: 'abc',
      additional_kwargs: { reasoning_content: 'r' },
    });
  });

  test("Anthropic's blocks, thinking with its signature and two parts of usage are merged", () => {
    const answer = builder();
    const add = (content: object[], input = 0, output = 0): void => {
      const usage_metadata = {
        input_tokens: input,
        output_tokens: output,
        total_tokens: input + output,
      };
      const message = Object.assign(new AIMessageChunk(''), { content, usage_metadata });
      answer.add({ message });
    };
    add([], 24, 1);
    add([{ index: 0, type: 'thinking', thinking: 'so ' }]);
    add([{ index: 0, type: 'thinking', thinking: 'be it' }]);
    add([{ index: 0, type: 'thinking', signature: 'sig' }]);
    add([{ index: 1, type: 'text', text: 'Yes' }]);
    add([], 0, 15);

    const message = answer.message();

    expect(message.content).toEqual([
      { index: 0, type: 'thinking', thinking: 'so be it', signature: 'sig' },
      { index: 1, type: 'text', text: 'Yes' },
    ]);
    expect(message.usage_metadata).toMatchObject({ input_tokens: 24, output_tokens: 16 });
  });

  test('a call that came whole is told whole', () => {
    const answer = builder();
    const call = { id: 'call_whole_x', name: 'add', args: { a: 1 } };
    answer.add({ message: new AIMessage({ content: 'x', tool_calls: [call] }) });

    const told = answer.takeNews().flatMap((each) => each.tool_call_chunks ?? []);

    expect(told).toMatchObject([{ index: 0, id: 'call_whole_x', name: 'add', args: '{"a":1}' }]);
    expect(answer.message().tool_calls).toMatchObject([call]);
  });

  test.each([
    ['missing', undefined],
    ['counted', 'call_0'],
    ['used before', 'call_used_x'],
    ['of a strange alphabet', 'functions.add:0'],
  ])('an id that is %s is replaced', (_name, id) => {
    const answer = builder(new Set(['call_used_x']));
    answer.add({ message: fragment({ index: 0, id, name: 'add', args: '{}' }) });

    expect(answer.message().tool_calls).toMatchObject([{ id: 'call_new1', name: 'add' }]);
  });

  test.each([
    [
      'without index and id',
      [
        { name: 'a', args: '{"x":1}' },
        { name: 'b', args: '{"x":2}' },
      ],
    ],
    [
      'without index',
      [
        { id: 'call_one_x', name: 'a', args: '{"x"' },
        { args: ':1}' },
        { id: 'call_two_x', name: 'b', args: '{"x":2}' },
      ],
    ],
    [
      'with the id in each fragment',
      [
        { index: 0, id: 'call_one_x', name: 'a', args: '{"x"' },
        { index: 0, id: 'call_one_x', name: 'a', args: ':1}' },
        { index: 1, id: 'call_two_x', name: 'b', args: '{"x":2}' },
      ],
    ],
  ])('fragments %s find their call', (_name, fragments) => {
    const answer = builder();
    for (const piece of fragments) answer.add({ message: fragment(piece) });

    expect(answer.message().tool_calls).toMatchObject([
      { name: 'a', args: { x: 1 } },
      { name: 'b', args: { x: 2 } },
    ]);
  });

  test('arguments that are no JSON object are marked, not run as empty ones', () => {
    const answer = builder();
    answer.add({ message: fragment({ index: 0, id: 'call_bad_x', name: 'a', args: '[1' }) });

    expect(answer.message()).toMatchObject({
      tool_calls: [{ id: 'call_bad_x', args: {} }],
      additional_kwargs: { [MALFORMED_KEY]: ['call_bad_x'] },
    });
  });

  test('80 KB of arguments in 8,000 fragments are linear work', () => {
    const answer = builder();
    const before = process.cpuUsage();
    answer.add({ message: fragment({ index: 0, id: 'call_long_x', name: 'a', args: '{"x":"' }) });
    for (let n = 0; n < 8_000; n += 1) {
      answer.add({ message: fragment({ index: 0, args: '0123456789' }) });
      answer.takeNews();
    }
    answer.add({ message: fragment({ index: 0, args: '"}' }) });

    const args = answer.message().tool_calls?.[0]?.args;

    expect(JSON.stringify(args)).toHaveLength(80_008);
    // The library's own merge takes more than 5 s of CPU for this.
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(2_000);
  });
});

describe('flow gate', () => {
  test('a producer waits at the bound until the consumer took one', async () => {
    const gate = new FlowGate(2);
    gate.sent();
    expect(gate.pass()).toBeUndefined();
    gate.sent();
    let passed = false;
    void gate.pass()?.then(() => (passed = true));

    await settle();
    const before = passed;
    gate.taken();
    await settle();

    expect([before, passed]).toEqual([false, true]);
  });

  test('chunks that never arrive do not lock the run', async () => {
    const gate = new FlowGate(1);
    gate.sent();
    gate.waiting();
    const blocked = gate.pass();

    await blocked;

    expect(gate.pass()).toBeUndefined();
  });

  test('a run that ends releases everyone', async () => {
    const gate = new FlowGate(1);
    gate.sent();
    const blocked = gate.pass();

    gate.open();

    await expect(blocked).resolves.toBeUndefined();
  });
});

describe('paced reader', () => {
  test('what is there together comes together, up to the bound', async () => {
    const { read } = reader(now('a', 'b', 'c'));

    expect(await read.batch(2)).toEqual(['a', 'b']);
    expect(await read.batch(2)).toEqual(['c']);
    expect(await read.batch(2)).toEqual([]);
    read.close();
  });

  test('what came before a failure is delivered before it', async () => {
    const { read } = reader(failing());

    expect(await read.batch(9)).toEqual(['a']);
    await expect(read.batch(9)).rejects.toThrow('broken');
    read.close();
  });

  test('a silent source stalls after the time, counted from the last item, and leaves no timer', async () => {
    const { clock, read } = reader(silent());
    await read.batch(9);
    const waiting = read.batch(9);
    const seen = waiting.catch((error: unknown) => error);

    await clock.advance(99);
    const early = await Promise.race([waiting.then(String, String), settle().then(() => 'open')]);
    await clock.advance(1);
    const failure = await seen;
    read.close();
    expect(failure).toEqual(new Error('stalled'));

    expect(early).toBe('open');
    expect(clock.pending).toBe(0);
  });

  test('an abort ends a read that ignores it, with its reason', async () => {
    const stop = new AbortController();
    const { clock, read } = reader(silent(), stop.signal);
    await read.batch(9);
    const waiting = read.batch(9);

    stop.abort(new Error('enough'));

    await expect(waiting).rejects.toThrow('enough');
    await expect(read.batch(9)).rejects.toThrow('enough');
    read.close();
    expect(clock.pending).toBe(0);
  });
});

describe('model errors', () => {
  test.each([
    [{ status: 401 }, 'MODEL_AUTH', false],
    [{ status: 429 }, 'MODEL_RATE_LIMITED', true],
    [{ status: 429, code: 'insufficient_quota' }, 'MODEL_RATE_LIMITED', false],
    [{ status: 400, code: 'context_length_exceeded' }, 'CONTEXT_TOO_LONG', false],
    [{ status: 400, message: 'prompt is too long: 9 tokens' }, 'CONTEXT_TOO_LONG', false],
    [{ status: 404 }, 'MODEL_ERROR', false],
    [{ status: 529 }, 'MODEL_ERROR', true],
    [{ code: 'ECONNRESET' }, 'MODEL_ERROR', true],
    [{ cause: { status: 403 } }, 'MODEL_AUTH', false],
  ])('%j is %s', (fields, code, retryable) => {
    const fault = modelFault(failure(fields), 0);

    expect(fault).toMatchObject({ error: { code }, retryable });
    expect(fault.error.message).not.toContain('sk-1');
  });

  test.each([
    [{ 'retry-after': '2' }, 2_000],
    [{ 'retry-after-ms': '150' }, 150],
    [{ 'retry-after': new Date(5_000).toUTCString() }, 4_000],
    [{}, undefined],
  ])('the wait of %j is read', (headers, wait) => {
    const fields = { status: 429, headers: new Headers(headers) };

    expect(modelFault(failure(fields), 1_000).retryAfterMs).toBe(wait);
  });
});
