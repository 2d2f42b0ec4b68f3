import { describe, expect, test } from '@jest/globals';
import type { ProtocolFrame } from '../../../src/protocols/encoder.ts';
import { eventsOfState } from '../../../src/protocols/events-of-state.ts';
import { responseEncoder } from '../../../src/protocols/openai/response-encoder.ts';
import { responseOf } from '../../../src/protocols/openai/response-state.ts';
import type { EventBody, Outcome } from '../../../src/stream/events.ts';
import { foldEvents } from '../../../src/stream/fold.ts';
import type { MessagePart } from '../../../src/stream/message.ts';
import {
  GENERATION,
  AT,
  TOKENS,
  created,
  text,
  steered,
  call,
  result,
  usage,
  pause,
  decided,
  done,
  recovered,
  said,
  eventOf,
  accumulated,
  read,
} from '../../support/openai-log.ts';

/** The fold of docs/PROTOCOL.md section 10, OpenAI, over logs that are hard to come by. */

const types = (frames: ProtocolFrame[]): string[] => frames.map((frame) => eventOf(frame).type);
const first = responseEncoder({ generationId: GENERATION, since: 0 });
const second = responseEncoder({ generationId: GENERATION, since: 1 });

const PAUSED = [created, text('I would.'), ...call('c1', 1), usage(TOKENS), pause(1, 'c1')];
const WENT_ON = [
  ...PAUSED,
  decided(1, 'c1'),
  { type: 'segment', reason: 'resumed', keep: 1 } satisfies EventBody,
  result('c1'),
  text('Done.', 2),
  usage({ inputTokens: 30, outputTokens: 9, cacheRead: 2, reasoning: 1 }),
  done(),
];

describe('a response', () => {
  test.each<[string, EventBody[]]>([
    ['with text', [created, text('a'), text('b'), done()]],
    ['with two texts in a row', [created, text('a', 0), text('b', 1), done()]],
    [
      'with thoughts',
      [created, { type: 'reasoning_delta', part: 0, text: 'hm' }, text('a', 1), done()],
    ],
    [
      'with calls at a time',
      [created, ...call('c1', 0), ...call('c2', 1), result('c2'), result('c1'), done()],
    ],
    ['that waits', PAUSED],
    ['that went on', WENT_ON],
    ['that failed in the middle of a call', [created, ...call('c1', 0), done('failed')]],
    [
      'that was rewritten',
      [created, text('a'), ...call('c1', 1), recovered([said('b')]), text('c', 1), done()],
    ],
    ['of nothing', [created, done()]],
    ['of a queue', [created, { type: 'queued', position: 2 }, text('a'), done()]],
  ])('%s is the same for the stock client as on the server', (_what, bodies) => {
    const { state, frames } = read(first, bodies);
    const { output_text: _text, ...response } = accumulated(frames);

    expect(response).toEqual(JSON.parse(JSON.stringify(responseOf(state))));
  });

  test.each<Outcome>(['completed', 'failed', 'aborted', 'expired', 'superseded', 'interrupted'])(
    'that is %s has its parts closed before its last frame',
    (outcome) => {
      const { frames } = read(first, [created, ...call('c1', 0), text('half', 1), done(outcome)]);
      const all = types(frames);
      const count = (type: string): number => all.filter((it) => it === type).length;

      expect(count('response.output_item.added')).toBe(2);
      expect(count('response.output_item.done')).toBe(2);
      expect(count('response.content_part.done')).toBe(1);
      expect(all.at(-1)).toMatch(/^response\.(completed|failed|incomplete)$/);
      const { output, status } = accumulated(frames);
      expect(status).not.toBe('in_progress');
      expect(JSON.stringify(output)).not.toContain('in_progress');
    },
  );

  test('has numbers that rise, whoever reads it when', () => {
    const along = read(first, WENT_ON, 'along').frames;
    const after = read(first, WENT_ON).frames;
    const numbers = along.map((frame) => eventOf(frame).sequence_number);

    expect(numbers).toEqual([...along.keys()]);
    expect(along.map(({ n }) => n)).toEqual(numbers);
    // Who comes later has the same frames but the end that was none.
    const ends = along.filter((frame) => eventOf(frame).type === 'response.incomplete');
    expect(ends).toHaveLength(1);
    expect(along.filter((frame) => !ends.includes(frame))).toEqual(after);
  });

  test('is in progress again when its answer is given', () => {
    const at = (count: number) => responseOf(read(first, WENT_ON.slice(0, count)).state);

    expect(at(PAUSED.length)).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'requires_action' },
    });
    expect(at(PAUSED.length + 1)).toMatchObject({
      status: 'in_progress',
      incomplete_details: null,
      usage: null,
    });
    expect(at(WENT_ON.length)).toMatchObject({ status: 'completed' });
  });

  test('that goes on has what follows the answer, and nothing before', () => {
    const { frames, state } = read(second, WENT_ON);
    const { output_text: _text, ...response } = accumulated(frames);

    expect(types(frames).slice(0, 2)).toEqual(['response.created', 'response.in_progress']);
    expect(frames.map((frame) => eventOf(frame).sequence_number)).toEqual([...frames.keys()]);
    expect(response).toEqual(JSON.parse(JSON.stringify(responseOf(state))));
    expect(response).toMatchObject({
      id: 'resp_1abcdefgh_1',
      previous_response_id: 'resp_1abcdefgh',
      output: [
        {
          type: 'mcp_call',
          arguments: '{"to":2}',
          approval_request_id: 'mcpr_act_1_0',
          output: 'sent',
        },
        { type: 'message', content: [{ text: 'Done.' }] },
      ],
      usage: { input_tokens: 20, output_tokens: 5, total_tokens: 25 },
    });
  });

  test('that goes on says nothing before it does', () => {
    const { frames, state } = read(second, PAUSED);

    expect(frames).toEqual([]);
    expect(responseOf(state)).toMatchObject({ status: 'queued', output: [] });
  });

  test('that goes on and is rewritten keeps to what is its own', () => {
    const mail: MessagePart = {
      type: 'tool_call',
      toolCallId: 'c1',
      name: 'mail',
      args: { to: 2 },
      status: 'ok',
      output: 'sent',
    };
    const bodies = [
      ...PAUSED,
      decided(1, 'c1'),
      result('c1'),
      text('lost', 2),
      recovered([said('I would.'), mail, said('kept')]),
      done(),
    ];
    const { output } = accumulated(read(second, bodies).frames);

    expect(output).toMatchObject([
      { type: 'mcp_call', output: 'sent', approval_request_id: 'mcpr_act_1_0' },
      { type: 'message', content: [{ text: 'kept' }] },
    ]);
  });

  test('whose log is gone is told from what is kept, also one that went on', () => {
    const fold = foldEvents(WENT_ON.map((body, seq) => ({ seq: seq + 1, fence: 1, at: AT, body })));
    const kept = [...eventsOfState(fold.state()), done()];
    const whole = accumulated(read(first, kept).frames);
    const part = accumulated(read(second, kept).frames);

    expect(whole.output_text).toBe('I would.Done.');
    expect(part).toMatchObject({ status: 'completed', output_text: whole.output_text });
    expect(part.output.map(({ type }) => type)).toEqual(whole.output.map(({ type }) => type));
  });

  test('has nothing of what the user says meanwhile, also after a crash and where its log is gone', () => {
    const rather: MessagePart = {
      type: 'steered',
      messageId: 'msg_s',
      text: 'rather',
      heard: true,
    };
    const log = [created, text('a'), steered(1), text('b', 2), done()];
    const fold = foldEvents(log.map((body, seq) => ({ seq: seq + 1, fence: 1, at: AT, body })));
    const crash = [created, text('a'), recovered([said('a'), rather]), text('b', 2), done()];
    const kept = [...eventsOfState(fold.state()), done()];

    for (const bodies of [log, crash, kept]) {
      const { output } = accumulated(read(first, bodies).frames);
      expect(output).toMatchObject([{ content: [{ text: 'a' }] }, { content: [{ text: 'b' }] }]);
      expect(JSON.stringify(output)).not.toContain('rather');
    }
    expect(read(first, log.slice(0, 2)).frames).toEqual(read(first, log.slice(0, 3)).frames);
    expect(fold.parts[1]).toEqual(rather);
    expect(kept).toContainEqual(steered(1));
  });

  test('never changes a state that it was given', () => {
    let state = first.initial;
    for (const [seq, body] of WENT_ON.entries()) {
      const before = JSON.stringify({ ...state, calls: [...state.calls] });
      const event = { seq: seq + 1, fence: 1, at: AT, body };
      const once = first.encode(state, event);
      expect(first.encode(state, event)).toEqual(once);
      expect(JSON.stringify({ ...state, calls: [...state.calls] })).toBe(before);
      ({ state } = once);
    }
  });

  test('leaves out what a sub-agent says, and shows its calls', () => {
    const path = ['c1'];
    const { output } = accumulated(
      read(first, [
        created,
        ...call('c1', 0),
        { type: 'text_delta', part: 1, text: 'inner', path },
        { type: 'tool_call', part: 2, toolCallId: 'c2', name: 'inner', path },
        result('c2'),
        result('c1'),
        done(),
      ]).frames,
    );

    expect(output.map(({ type }) => type)).toEqual(['mcp_call', 'mcp_call']);
  });
});
