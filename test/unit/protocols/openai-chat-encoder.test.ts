import { describe, expect, test } from '@jest/globals';
import type { ProtocolFrame } from '../../../src/protocols/encoder.ts';
import { chatEncoder, completionOf } from '../../../src/protocols/openai/chat-encoder.ts';
import type { EventBody } from '../../../src/stream/events.ts';
import {
  TOKENS,
  created,
  text,
  steered,
  call,
  result,
  usage,
  pause,
  done,
  recovered,
  said,
  read,
} from '../../support/openai-log.ts';

/** The fold of docs/PROTOCOL.md section 10, OpenAI, over logs that are hard to come by. */

const contents = (frames: ProtocolFrame[]): string =>
  frames
    .map(({ data }) =>
      data === '[DONE]' ? undefined : JSON.parse(data).choices?.[0]?.delta.content,
    )
    .join('');
const lastTwo = (frames: ProtocolFrame[]) => frames.slice(-2).map(({ data }) => data);

describe('a chat completion', () => {
  const plain = chatEncoder({ includeUsage: false });
  test('parts its texts where something came between', () => {
    const bodies = [
      created,
      text('a'),
      text('b'),
      ...call('c1', 1),
      result('c1'),
      text('c', 2),
      steered(3),
      text('d', 4),
      done(),
    ];
    const { frames, state } = read(plain, bodies);

    expect(contents(frames)).toBe('ab\n\nc\n\nd');
    expect(completionOf(state).completion.choices[0]?.message.content).toBe('ab\n\nc\n\nd');
    expect(lastTwo(frames)[1]).toBe('[DONE]');
  });

  test('says words once that a crash withdrew and the model said again', () => {
    const bodies = [
      created,
      text('one two three'),
      recovered([said('one ')]),
      text('tw', 1),
      text('o three four', 1),
      done(),
    ];
    // The same part goes on: nothing is put between.
    const joined = bodies.map((body) => (body.type === 'text_delta' ? { ...body, part: 0 } : body));
    const { frames } = read(plain, joined);

    expect(contents(frames)).toBe('one two three four');
    expect(lastTwo(frames)[0]).toContain('"finish_reason":"stop"');
  });

  test.each<[string, EventBody[]]>([
    ['others', [recovered([]), text('other'), done()]],
    ['fewer', [recovered([said('one')]), done()]],
    ['others before', [recovered([said('two')]), text(' more'), done()]],
  ])('says so where %s take the place of words that were sent', (_what, bodies) => {
    const { frames, state } = read(plain, [created, text('one two'), ...bodies]);
    const errors = frames.filter(({ data }) => data.includes('"error"'));

    expect(contents(frames)).toBe('one two');
    expect(errors.map(({ data }) => JSON.parse(data))).toEqual([
      { error: expect.objectContaining({ code: 'answer_rewritten', type: 'server_error' }) },
    ]);
    expect(lastTwo(frames)[1]).toBe('[DONE]');
    expect(frames.some(({ data }) => data.includes('"finish_reason":"stop"'))).toBe(false);
    expect(completionOf(state).error).toBeNull();
  });

  test.each<[string, EventBody[], string]>([
    ['a pause', [pause(1, 'c1')], 'agent_requires_approval'],
    ['a pause that nobody answered', [pause(1, 'c1'), done('aborted')], 'agent_requires_approval'],
    ['a failure', [done('failed')], 'model_error'],
    ['a stop', [done('aborted')], 'generation_aborted'],
  ])('ends at %s with an error', (_what, bodies, code) => {
    const { frames, state } = read(plain, [created, text('a'), ...bodies]);
    const [error, last] = lastTwo(frames);

    expect(JSON.parse(error ?? '')).toMatchObject({ error: { code } });
    expect(last).toBe('[DONE]');
    expect(completionOf(state).error?.code.toLowerCase()).toBe(code);
  });

  test('has its usage in the last chunk but the end, and null before', () => {
    const { frames } = read(chatEncoder({ includeUsage: true }), [
      created,
      text('a'),
      usage(TOKENS),
      done(),
    ]);
    const chunks = frames.slice(0, -1).map(({ data }) => JSON.parse(data));

    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 },
    });
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
  });
});
