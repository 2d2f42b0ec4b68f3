import { describe, expect, test } from '@jest/globals';
import type { EventBody } from '../../../src/stream/events.ts';
import { course, verified } from '../../support/ag-ui.ts';
import {
  AT,
  VIEW,
  NAMED,
  created,
  say,
  think,
  steered,
  call,
  args,
  ready,
  result,
  pause,
  resolved,
  agent,
  usage,
  done,
  type Told,
  fold,
  of,
} from '../../support/ag-ui-log.ts';

const runs = (it: Told) => of(it, 'RUN_STARTED').map((event) => event['runId']);

const answer = (schema: object) => ({ responseSchema: { properties: { answer: schema } } });

describe('a run', () => {
  test('opens and closes its parts, and is named as the client named it', async () => {
    const log = [created, think(0, 'hm'), say(1, 'a'), say(1, 'b'), usage, done('completed')];
    const told = fold(log, NAMED);

    await verified(told.events);
    expect(course(told.events)).toEqual([
      'RUN_STARTED',
      'REASONING_START',
      'REASONING_MESSAGE_START',
      'REASONING_MESSAGE_CONTENT',
      'REASONING_MESSAGE_END',
      'REASONING_END',
      'TEXT_MESSAGE_START',
      'TEXT_MESSAGE_CONTENT',
      'TEXT_MESSAGE_END',
      'RUN_FINISHED',
    ]);
    const ids = { threadId: 'my thread', runId: 'my run' };
    expect(told.events[0]).toMatchObject({ ...ids, protocolVersion: '1.0' });
    expect(told.events.at(-1)).toMatchObject({
      ...ids,
      outcome: { type: 'success' },
      usage: [{ inputTokens: 3, outputTokens: 2, totalTokens: 5, cachedInputTokens: 1 }],
    });
    expect(told.rests).toEqual([false, false, false, false, false, true]);
  });

  test('streams the arguments of a call, or gives them whole', async () => {
    const streamed = [call(0, 'c1'), args('c1', '{"to"'), args('c1', ':"a"}'), ready('c1')];
    const whole = [call(1, 'c2'), ready('c2'), result('c1'), result('c2')];
    const told = fold([created, ...streamed, ...whole, done('completed')]);

    await verified(told.events);
    expect(of(told, 'TOOL_CALL_ARGS').map((it) => it['delta'])).toEqual([
      '{"to"',
      ':"a"}',
      '{"to":"a"}',
    ]);
    expect(of(told, 'TOOL_CALL_RESULT')).toMatchObject([
      { messageId: 'c1:result', toolCallId: 'c1', content: 'sent' },
      { messageId: 'c2:result', toolCallId: 'c2' },
    ]);
  });

  test.each([
    ['completed', { type: 'RUN_FINISHED', outcome: { type: 'success' } }],
    ['aborted', { type: 'RUN_FINISHED', outcome: { type: 'cancelled' } }],
    ['superseded', { type: 'RUN_FINISHED', outcome: { type: 'cancelled' } }],
    ['expired', { type: 'RUN_FINISHED', outcome: { type: 'cancelled' } }],
    ['failed', { type: 'RUN_ERROR', code: 'MODEL_ERROR', message: 'It broke.' }],
    ['interrupted', { type: 'RUN_ERROR', code: 'MODEL_ERROR', message: 'It broke.' }],
  ] as const)('that is %s ends with everything closed', async (status, last) => {
    const error = { code: 'MODEL_ERROR', message: 'It broke.' };
    const open = [say(0, 'a'), call(1, 'c1'), args('c1', '{'), agent('started', 'c1')];
    const within = [say(2, 'b', ['c1']), call(3, 'c2', ['c1'])];
    const told = fold([created, ...open, ...within, done(status, error)]);

    await verified(told.events);
    const types = told.events.map(({ type }) => type);
    for (const what of ['TEXT_MESSAGE', 'TOOL_CALL']) {
      const count = (end: string) => types.filter((type) => type === `${what}_${end}`).length;
      expect(count('END')).toBe(count('START'));
    }
    expect(types.at(-2)).toBe(status === 'completed' ? 'SUBAGENT_FINISHED' : 'SUBAGENT_ERROR');
    expect(told.events.at(-1)).toMatchObject(last);
  });

  test('says what the user said meanwhile, between two messages of the assistant', async () => {
    const log = [created, say(0, 'a'), steered(1), say(2, 'b'), steered(3, false)];
    const told = fold([...log, done('aborted')]);

    await verified(told.events);
    expect(told.events.slice(1, -1).map(({ type }) => type)).toEqual([
      'TEXT_MESSAGE_START',
      'TEXT_MESSAGE_CONTENT',
      'TEXT_MESSAGE_END',
      'CUSTOM',
      'TEXT_MESSAGE_START',
      'TEXT_MESSAGE_CONTENT',
      'TEXT_MESSAGE_END',
      'CUSTOM',
    ]);
    expect(of(told, 'CUSTOM')).toMatchObject([
      { name: 'holdfast.steered', value: { messageId: 'm1', text: 'rather', heard: true } },
      { name: 'holdfast.steered', value: { messageId: 'm3', text: 'rather', heard: false } },
    ]);
  });

  test('says who answers from here on', async () => {
    const to = { toolCallId: 'c1', agentId: 'billing', model: 'm' };
    const handOff: EventBody = { type: 'hand_off', ...to };
    const log = [created, call(0, 'c1'), ready('c1'), result('c1'), handOff, say(1, 'a')];
    const told = fold([...log, done('completed')]);

    await verified(told.events);
    expect(of(told, 'CUSTOM')).toMatchObject([{ name: 'holdfast.hand_off', value: to }]);
  });

  test('keeps two writers apart, who speak at the same time', async () => {
    const both = [
      agent('started', 'a'),
      agent('started', 'b'),
      say(0, '1', ['a']),
      say(1, '2', ['b']),
      say(0, '3', ['a']),
      say(1, '4', ['b']),
      agent('finished', 'a'),
      agent('finished', 'b'),
    ];
    const told = fold([created, ...both, done('completed')]);

    await verified(told.events);
    expect(of(told, 'TEXT_MESSAGE_START')).toHaveLength(2);
    expect(
      of(told, 'TEXT_MESSAGE_CONTENT').map((it) => [it['subagentRunId'], it['delta']]),
    ).toEqual([
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
      ['b', '4'],
    ]);
  });

  test('names a sub-agent within a sub-agent, also where nobody announced it', async () => {
    const told = fold([created, say(0, 'deep', ['outer', 'inner']), done('completed')]);

    await verified(told.events);
    expect(of(told, 'SUBAGENT_STARTED')).toMatchObject([
      { subagentRunId: 'outer' },
      { subagentRunId: 'inner', parentSubagentRunId: 'outer' },
    ]);
    expect(of(told, 'SUBAGENT_FINISHED').map((it) => it['subagentRunId'])).toEqual([
      'inner',
      'outer',
    ]);
  });
});

describe('a pause', () => {
  const before = [created, call(0, 'c1'), ready('c1'), call(1, 'c2'), ready('c2')];

  test('ends the run with an interrupt for each call, and the response may rest there', async () => {
    const told = fold([...before, pause('act_1', 'c1', 'c2')], NAMED);

    await verified(told.events);
    expect(told.events.at(-1)).toMatchObject({
      type: 'RUN_FINISHED',
      runId: 'my run',
      outcome: {
        type: 'interrupt',
        interrupts: [
          { id: 'act_1:call:c1', toolCallId: 'c1', reason: 'tool_call' },
          { id: 'act_1:call:c2', toolCallId: 'c2', expiresAt: '2026-01-02T00:00:00.000Z' },
        ],
      },
    });
    expect(told.rests.at(-1)).toBe(true);
  });

  test('that was answered is passed: the next run begins with what followed', async () => {
    const after = [resolved('act_1'), result('c1'), result('c2'), say(2, 'x'), done('completed')];
    const log = [...before, pause('act_1', 'c1', 'c2'), ...after];
    const named = { ...VIEW, names: { runId: 'second', after: 'act_1' } };

    const told = fold(log);
    const again = fold(log, named);

    await verified(told.events);
    await verified(again.events);
    expect(runs(told)).toEqual(['gen_1.1', 'gen_1.2']);
    expect(runs(again)).toEqual(['gen_1.1', 'second']);
    expect(of(again, 'RUN_FINISHED').map((event) => event['runId'])).toEqual(['gen_1.1', 'second']);
  });

  test('rests on through a warning, a title and a pause that is told again', async () => {
    const asides: EventBody[] = [
      { type: 'title', title: 't' },
      { type: 'action_expiring', actionId: 'act_1', expiresAt: AT },
      pause('act_1', 'c1'),
    ];
    const told = fold([...before, pause('act_1', 'c1'), ...asides]);

    await verified(told.events);
    expect(told.events.at(-1)?.type).toBe('RUN_FINISHED');
    expect(of(told, 'RUN_STARTED')).toHaveLength(1);
    expect(told.rests.slice(-4)).toEqual([true, true, true, true]);
  });

  test('inside a sub-agent suspends it, and it goes on in the next run', async () => {
    const log = [
      created,
      call(0, 'c1'),
      ready('c1'),
      agent('started', 'c1'),
      call(1, 'c2', ['c1']),
      ready('c2'),
      pause('act_1', 'c2'),
      resolved('act_1'),
      result('c2'),
      say(2, 'did it', ['c1']),
      agent('finished', 'c1'),
      result('c1'),
      done('completed'),
    ];
    const told = fold(log);

    await verified(told.events);
    expect(of(told, 'SUBAGENT_FINISHED')).toMatchObject([
      { subagentRunId: 'c1', outcome: { type: 'suspended', interruptIds: ['act_1:call:c2'] } },
      { subagentRunId: 'c1', outcome: { type: 'success' } },
    ]);
    expect(of(told, 'SUBAGENT_STARTED')).toMatchObject([{ name: 'helper' }, { name: 'helper' }]);
  });

  test.each(['expired', 'aborted'] as const)(
    'that is %s ends in a run that is cancelled',
    async (outcome) => {
      const told = fold([
        ...before,
        pause('act_1', 'c1'),
        resolved('act_1', outcome),
        done(outcome),
      ]);

      await verified(told.events);
      expect(told.events.at(-1)).toMatchObject({
        outcome: { type: 'cancelled' },
        metadata: { holdfast: { status: outcome } },
      });
    },
  );

  test('for questions has an interrupt for each, with the options in its schema', async () => {
    const asked: EventBody = {
      type: 'pending_action',
      action: {
        actionId: 'act_1',
        revision: 1,
        generationId: 'gen_1',
        conversationId: 'conv_1',
        createdAt: AT,
        expiresAt: null,
        kind: 'ask_user_question',
        questions: [
          { id: 'q1', question: 'Which?', options: [{ label: 'A', value: 'a' }], freeText: false },
          { id: 'q2', question: 'Why?', options: [{ label: 'B' }], multiSelect: true },
        ],
      },
    };
    const told = fold([created, asked]);

    await verified(told.events);
    expect(told.events.at(-1)).toMatchObject({
      outcome: {
        interrupts: [
          { id: 'act_1:ask:q1', message: 'Which?', ...answer({ enum: ['a'] }) },
          {
            id: 'act_1:ask:q2',
            ...answer({ type: 'array', items: { anyOf: [{ enum: ['B'] }, { type: 'string' }] } }),
          },
        ],
      },
    });
  });
});
