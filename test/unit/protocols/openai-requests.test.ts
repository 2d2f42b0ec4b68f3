import { describe, expect, test } from '@jest/globals';
import { AppError } from '../../../src/errors.ts';
import { chatBodySchema, chatTurn } from '../../../src/protocols/openai/chat-request.ts';
import {
  formatApprovalId,
  formatResponseId,
  parseApprovalId,
  parseCompletionId,
  parseResponseId,
} from '../../../src/protocols/openai/ids.ts';
import { REFUSALS } from '../../../src/protocols/openai/refusals.ts';
import { answeredAction } from '../../../src/protocols/openai/response-answers.ts';
import {
  responseBodySchema,
  responseInput,
} from '../../../src/protocols/openai/response-request.ts';
import type { PendingAction } from '../../../src/stream/pending-action.ts';

/** What clients of OpenAI send, as it is read (docs/PROTOCOL.md section 10, OpenAI). */

const LIMITS = { textChars: 1_000 };
const turn = (messages: unknown[]) =>
  chatTurn(chatBodySchema.parse({ model: 'demo', messages }), LIMITS);
const user = (content: unknown) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const called = (id: string, json = '{}') => ({
  role: 'assistant',
  content: null,
  tool_calls: [{ id, type: 'function', function: { name: 'look', arguments: json } }],
});
const said = (role: string, text: string) => ({ role, content: [{ type: 'text', text }] });

describe('the messages of a chat completion', () => {
  test('are the history and the turn', () => {
    expect(turn([user('a'), assistant('b'), user('c')])).toEqual({
      text: 'c',
      history: [said('user', 'a'), said('assistant', 'b')],
    });
  });

  test('of a system stand before what the user says next', () => {
    const system = { role: 'system', content: 'Be short.' };
    const developer = { role: 'developer', content: [{ type: 'text', text: 'Be kind.' }] };

    expect(turn([system, developer, user('a')])).toEqual({
      text: 'Be short.\n\nBe kind.\n\na',
      history: [],
    });
    expect(turn([system, user('a'), assistant('b'), user('c')])).toEqual({
      text: 'c',
      history: [said('user', 'Be short.\n\na'), said('assistant', 'b')],
    });
    expect(turn([user('a'), system]).text).toBe('a\n\nBe short.');
  });

  test('keep calls with their results, and tell of those without', () => {
    const { history } = turn([
      user('a'),
      called('c1', '{"at":"sky"}'),
      { role: 'tool', tool_call_id: 'c1', content: 'blue' },
      called('c2'),
      user('b'),
    ]);
    const call = { type: 'tool_call', name: 'look' };

    expect(history.slice(1)).toEqual([
      {
        role: 'assistant',
        content: [{ ...call, toolCallId: 'c1', args: { at: 'sky' }, status: 'ok', output: 'blue' }],
      },
      {
        role: 'assistant',
        content: [
          {
            ...call,
            toolCallId: 'c2',
            args: {},
            status: 'outcome_unknown',
            output: 'No result was given.',
          },
        ],
      },
    ]);
  });

  test('without words are left out', () => {
    expect(turn([user('a'), assistant(''), user(''), user('b')]).history).toEqual([
      said('user', 'a'),
    ]);
  });

  test.each<[string, unknown[]]>([
    ['end with the agent', [user('a'), assistant('b')]],
    [
      'end with a tool',
      [user('a'), called('c1'), { role: 'tool', tool_call_id: 'c1', content: 'x' }],
    ],
    ['say nothing at the end', [user('a'), user('')]],
    ['are too long at the end', [user('x'.repeat(1_001))]],
    ['have arguments that are no JSON', [user('a'), called('c', '{'), user('b')]],
    ['have arguments that are no object', [user('a'), called('c', '[1]'), user('b')]],
    ['have arguments deeper than any', [called('c', '['.repeat(99_999)), user('b')]],
    ['have arguments that are a trap', [called('c', '{"__proto__":{"x":1}}'), user('b')]],
    [
      'answer a call that nobody made',
      [{ role: 'tool', tool_call_id: 'c', content: 'x' }, user('b')],
    ],
    ['hold a picture', [user([{ type: 'image_url', image_url: { url: 'x' } }])]],
  ])('that %s are refused', (_what, messages) => {
    expect(() => turn(messages)).toThrow(AppError);
  });
});

const read = (body: object) =>
  responseInput(responseBodySchema.parse({ model: 'demo', ...body }), LIMITS);

describe('the input of a response', () => {
  test('is a turn, with instructions in front', () => {
    expect(read({ input: 'a', instructions: 'Be short.' })).toEqual({
      kind: 'turn',
      text: 'Be short.\n\na',
    });
    expect(
      read({
        input: [
          { role: 'developer', content: 'x' },
          { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'y' }] },
        ],
      }),
    ).toEqual({ kind: 'turn', text: 'x\n\ny' });
  });

  test('is answers where all of it is', () => {
    const given = { type: 'mcp_approval_response', approval_request_id: 'm', approve: true };

    expect(read({ input: [given, given] })).toEqual({ kind: 'answers', answers: [given, given] });
    expect(() => read({ input: [given, user('x')] })).toThrow('can not come together');
    expect(() => read({ input: '', instructions: 'x' })).toThrow('says nothing');
  });
});

const base = {
  actionId: 'act_1',
  revision: 1,
  generationId: 'gen_1',
  conversationId: 'conv_1',
  createdAt: '',
  expiresAt: null,
};
const request = (toolCallId: string) => ({
  toolCallId,
  name: 'mail',
  args: {},
  argsHash: '',
  allowedDecisions: ['approve' as const],
});
const approval: PendingAction = {
  ...base,
  kind: 'tool_approval',
  requests: [request('a'), request('b')],
};
const questions = (...ids: string[]): PendingAction => ({
  ...base,
  kind: 'ask_user_question',
  questions: ids.map((id) => ({ id, question: '?' })),
});
const approve = (index: number, yes = true) => ({
  type: 'mcp_approval_response' as const,
  approval_request_id: formatApprovalId({ actionId: 'act_1', index }),
  approve: yes,
  reason: 'because',
});
const output = (text: string) => ({
  type: 'function_call_output' as const,
  call_id: 'call_act_1',
  output: text,
});

describe('answers', () => {
  test('are decisions on the calls that they name', () => {
    expect(answeredAction([approve(1, false), approve(0)], [approval]).verdict).toEqual({
      decisions: [
        { toolCallId: 'b', decision: 'reject', reason: 'because' },
        { toolCallId: 'a', decision: 'approve' },
      ],
    });
  });

  test('to a recovery question are retry and skip', () => {
    const recovery: PendingAction = {
      ...base,
      kind: 'recovery',
      requests: [request('a'), request('b')],
    };

    expect(answeredAction([approve(0), approve(1, false)], [recovery]).verdict).toEqual({
      decisions: [
        { toolCallId: 'a', decision: 'retry' },
        { toolCallId: 'b', decision: 'skip', reason: 'because' },
      ],
    });
  });

  test.each<[string, string[], string, object]>([
    ['a text', ['q1'], 'green', { answer: 'green' }],
    ['a text that looks like JSON', ['q1'], '{"x":"y"}', { answer: '{"x":"y"}' }],
    ['an object by the questions', ['q1'], '{"q1":["a","b"]}', { answers: { q1: ['a', 'b'] } }],
    [
      'an object of several',
      ['q1', 'q2'],
      '{"q1":"a","q2":"b"}',
      { answers: { q1: 'a', q2: 'b' } },
    ],
  ])('to questions are %s', (_what, ids, text, verdict) => {
    expect(answeredAction([output(text)], [questions(...ids)]).verdict).toEqual(verdict);
  });

  test.each<[string, Parameters<typeof answeredAction>[0], PendingAction[]]>([
    ['to what was never asked', [approve(0)], []],
    ['of a place that is none', [approve(2)], [approval]],
    ['of the wrong kind', [output('x')], [approval]],
    ['of the other wrong kind', [approve(0)], [questions('q1')]],
    ['given twice', [output('x'), output('y')], [questions('q1')]],
    ['of a text to several questions', [output('x')], [questions('q1', 'q2')]],
    ['of a text without end', [output('x'.repeat(10_001))], [questions('q1')]],
  ])('%s are refused', (_what, given, actions) => {
    expect(() => answeredAction(given, actions)).toThrow(AppError);
  });
});

describe('ids', () => {
  test('of responses name the generation and the answer that made them', () => {
    for (const ref of [
      { generationId: 'gen_1a', since: 0 },
      { generationId: 'gen_1a', since: 12 },
    ]) {
      expect(parseResponseId(formatResponseId(ref))).toEqual(ref);
    }
  });

  test.each([
    '',
    'resp_',
    'resp_a_0',
    'resp_a_1_1',
    'gen_a',
    'resp_../x',
    `resp_${'a'.repeat(101)}`,
  ])('%j is none of a response', (id) => {
    expect(() => parseResponseId(id)).toThrow('No such response.');
    expect(() => parseCompletionId(id)).toThrow('No such response.');
  });

  test.each(['', 'mcpr_', 'mcpr_act_1', 'mcpr_act_1_-1', 'mcpr_act_$_0', 'call_act_1'])(
    '%j is none of an approval',
    (id) => {
      expect(parseApprovalId(id)).toBeUndefined();
    },
  );
});

describe('a refusal', () => {
  test.each<[AppError, object]>([
    [
      new AppError('NOT_FOUND', 'No.'),
      { type: 'invalid_request_error', code: 'not_found', param: null },
    ],
    [
      new AppError('UNAUTHENTICATED', 'No.'),
      { type: 'authentication_error', code: 'unauthenticated', param: null },
    ],
    [
      new AppError('FORBIDDEN', 'No.'),
      { type: 'permission_error', code: 'forbidden', param: null },
    ],
    [
      new AppError('TOO_MANY_STREAMS', 'No.'),
      { type: 'rate_limit_error', code: 'too_many_streams', param: null },
    ],
    [new AppError('INTERNAL', 'No.'), { type: 'server_error', code: 'internal', param: null }],
    [
      new AppError('INVALID_REQUEST', 'No.', {
        details: { issues: [{ path: 'a.b', message: 'x' }] },
      }),
      { type: 'invalid_request_error', code: 'invalid_request', param: 'a.b' },
    ],
    [
      new AppError('INVALID_REQUEST', 'No.', { details: { param: 'n', code: 'x' } }),
      { type: 'invalid_request_error', code: 'x', param: 'n' },
    ],
  ])('has the form of OpenAI %#', (error, body) => {
    expect(REFUSALS.body(error)).toEqual({ error: { message: 'No.', ...body } });
    expect(REFUSALS.schema.safeParse(REFUSALS.body(error)).success).toBe(true);
  });
});
