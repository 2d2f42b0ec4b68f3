import { describe, expect, test } from '@jest/globals';
import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { RunError } from '../../../src/agent/agent-runner.ts';
import type { AnsweredPause } from '../../../src/agent/agent-runner.ts';
import { askUserTool } from '../../../src/agent/ask-user.ts';
import type { ApprovalValue, RuledDecision } from '../../../src/agent/interrupt-value.ts';
import { resumeValue, shows } from '../../../src/agent/interrupt-value.ts';
import type { PendingInterrupt } from '../../../src/agent/pending-interrupts.ts';
import { resultsInOrder, settleCalls } from '../../../src/agent/settle-calls.ts';
import { wayOn } from '../../../src/agent/way-on.ts';
import { hashOf } from '../../../src/lib/json.ts';
import type { PendingAction } from '../../../src/stream/pending-action.ts';
import { actionOf, decide } from '../../support/paused-run.ts';

const value: ApprovalValue = {
  kind: 'tool_approval',
  at: 'Approval.after_model:T',
  requests: [
    { toolCallId: 'a', name: 'send', args: { to: 'x' }, allowedDecisions: ['approve', 'edit'] },
    { toolCallId: 'b', name: 'send', args: { to: 'y' }, allowedDecisions: ['approve', 'reject'] },
  ],
  denied: {},
};
const { requests } = value;
const action = actionOf({ kind: 'tool_approval', interruptId: 'i', requests });
const answered: AnsweredPause = {
  interruptId: 'i',
  action,
  verdict: decide(action, { decision: 'approve' }),
};
const pending = (over: Partial<PendingInterrupt> = {}): PendingInterrupt => {
  return { id: 'i', value, consumed: [], ...over };
};
const mismatch = expect.objectContaining({ code: 'RESUME_MISMATCH' });

describe('what was shown', () => {
  test('is compared by ids, names, arguments and hashes', () => {
    const changed = (over: object): PendingAction =>
      Object.assign(structuredClone(action), {
        requests: [{ ...action, ...('requests' in action ? action.requests[0] : {}), ...over }],
      });
    const one = { ...value, requests: requests.slice(0, 1) };

    expect(shows(action, value)).toBe(true);
    expect(shows(changed({}), one)).toBe(true);
    expect(shows(changed({ toolCallId: 'z' }), one)).toBe(false);
    expect(shows(changed({ name: 'other' }), one)).toBe(false);
    expect(shows(changed({ args: { to: 'z' } }), one)).toBe(false);
    expect(shows(changed({ argsHash: hashOf({ to: 'z' }) }), one)).toBe(false);
    expect(shows(changed({}), value)).toBe(false);
  });

  test('questions and calls are never each other', () => {
    const questions = [{ id: 'q1', question: '?' }];
    const asked = actionOf({ kind: 'ask_user_question', interruptId: 'i', questions });
    const held = { kind: 'ask_user_question' as const, at: 'tools:T', toolCallId: 'c', questions };

    expect(shows(asked, held)).toBe(true);
    expect(shows(asked, value)).toBe(false);
    expect(shows(action, held)).toBe(false);
    expect(shows(asked, { ...held, questions: [{ id: 'q1', question: '??' }] })).toBe(false);
    expect(resumeValue({ ...answered, action: asked }, held)).toBeUndefined();
  });
});

describe('the way on', () => {
  test.each([
    ['nothing asked, nothing answered', [], undefined, { go: 'on' }],
    ['answered, and not asked any more', [], answered, { go: 'on' }],
    ['answered, another one asks', [pending({ id: 'other' })], answered, { go: 'on' }],
    ['asked, not answered', [pending()], undefined, { go: 'pause', pause: { interruptId: 'i' } }],
  ])('%s', (_what, asks, given, way) => {
    expect(wayOn(asks, given)).toMatchObject(way);
  });

  test('answered and asked: resumes by the id, with the hashes that were shown', () => {
    expect(wayOn([pending({ id: 'other' }), pending()], answered)).toEqual({
      go: 'resume',
      resume: {
        i: {
          actionId: action.actionId,
          decisions: [
            { toolCallId: 'a', decision: 'approve', argsHash: hashOf({ to: 'x' }) },
            { toolCallId: 'b', decision: 'approve', argsHash: hashOf({ to: 'y' }) },
          ],
        },
      },
    });
  });

  test('an answer that was taken before, given to the same question: is given again', () => {
    const again = pending({ consumed: [action.actionId] });

    expect(wayOn([again], answered)).toMatchObject({ go: 'resume' });
  });

  test('other content under the same id: asked anew if it had this answer, else refused', () => {
    const other = { ...value, requests: requests.slice(0, 1) };

    expect(wayOn([pending({ value: other, consumed: [action.actionId] })], answered)).toMatchObject(
      {
        go: 'pause',
        pause: { requests: [{ toolCallId: 'a' }] },
      },
    );
    expect(() => wayOn([pending({ value: other })], answered)).toThrow(mismatch);
    const unsupported = pending({ value: { kind: 'unsupported', fault: 'no JSON' } });
    expect(() => wayOn([unsupported], answered)).toThrow(
      expect.objectContaining({ code: 'PAUSE_UNSUPPORTED', message: 'no JSON' }),
    );
  });

  test('a decision that the call does not allow is refused', () => {
    const verdict = decide(action, { decision: 'reject' });

    expect(() => wayOn([pending()], { ...answered, verdict })).toThrow(mismatch);
  });
});

const result = (id: string) => new ToolMessage({ tool_call_id: id, content: id });

const said = (toolCallId: string, over: Partial<RuledDecision> = {}): RuledDecision => {
  return { toolCallId, decision: 'approve', argsHash: hashOf({ to: 'x' }), ...over };
};

describe('settled calls', () => {
  const message = new AIMessage({
    id: 'm',
    content: [
      { type: 'text', text: 'So:' },
      { type: 'tool_use', id: 'a', name: 'send', input: { to: 'x' } },
      { type: 'tool_use', id: 'b', name: 'send', input: { to: 'x' } },
    ],
    tool_calls: [
      { id: 'a', name: 'send', args: { to: 'x' } },
      { id: 'b', name: 'send', args: { to: 'x' } },
    ],
    response_metadata: { output: [{ type: 'function_call' }], finish_reason: 'tool_calls' },
  });

  test('all approved: nothing changes', () => {
    const settled = settleCalls(message, { denied: {}, decisions: [said('a'), said('b')] });

    expect(settled).toEqual({ messages: [], over: false });
  });

  test('edited: calls, content blocks and raw answer agree', () => {
    const edit = said('b', { decision: 'edit', editedArgs: { to: 'z' } });

    const { messages, over } = settleCalls(message, { denied: {}, decisions: [said('a'), edit] });

    expect(over).toBe(false);
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatchObject({
      id: 'm',
      content: [{ text: 'So:' }, { input: { to: 'x' } }, { id: 'b', input: { to: 'z' } }],
      tool_calls: [
        { id: 'a', args: { to: 'x' } },
        { id: 'b', name: 'send', args: { to: 'z' } },
      ],
      response_metadata: { finish_reason: 'tool_calls' },
    });
    expect(messages[0]?.response_metadata).not.toHaveProperty('output');
  });

  test('denied and rejected: over, with a result for each', () => {
    const reject = said('b', { decision: 'reject' });

    const settled = settleCalls(message, { denied: { a: 'never' }, decisions: [reject] });

    expect(settled.over).toBe(true);
    expect(settled.messages.map(({ text }) => text)).toEqual([
      'This call is not allowed: never',
      'The user rejected this call.',
    ]);
  });

  test('a decision on other arguments than the message has is refused', () => {
    const wrong = said('a', { argsHash: hashOf({ to: 'y' }) });

    expect(() => settleCalls(message, { denied: {}, decisions: [wrong] })).toThrow(RunError);
    expect(() => settleCalls(message, { denied: {}, decisions: [said('c')] })).toThrow(RunError);
  });

  test('results take the order of their calls, and nothing else moves', () => {
    const asked = new HumanMessage('go');

    const ordered = resultsInOrder([asked, message, result('b'), result('a'), asked, result('z')]);

    expect(ordered.map(({ text }) => text)).toEqual(['go', 'So:', 'a', 'b', 'go', 'z']);
  });
});

describe('ask_user', () => {
  const tool = askUserTool();
  const refuse = (args: unknown) => tool.refuse(args);
  const question = { question: 'Which?' };

  test.each([
    ['no question', { questions: [] }],
    ['five questions', { questions: [1, 2, 3, 4, 5].map(() => question) }],
    ['an empty question', { questions: [{ question: ' ' }] }],
    ['an option without a label', { questions: [{ ...question, options: [{ value: 'x' }] }] }],
    ['no options', { questions: [{ ...question, options: [] }] }],
    [
      'two options of one value',
      { questions: [{ ...question, options: [{ label: 'x' }, { label: 'y', value: 'x' }] }] },
    ],
    ['nothing that may be answered', { questions: [{ ...question, freeText: false }] }],
    ['no object', 'Which?'],
  ])('%s: one sentence', (_what, args) => {
    expect(refuse(args)).toMatch(/^The arguments of ask_user are not valid: [^\n]+\.$/);
  });

  test('one to four good questions are taken', () => {
    const options = [{ label: 'x' }, { label: 'y', value: 'z', description: 'last' }];

    expect(refuse({ questions: [question] })).toBeUndefined();
    expect(
      refuse({
        questions: [1, 2, 3, 4].map(() => ({
          ...question,
          header: 'H',
          options,
          multiSelect: true,
        })),
      }),
    ).toBeUndefined();
  });
});
