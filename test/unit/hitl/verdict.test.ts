import { describe, expect, test } from '@jest/globals';
import {
  checkVerdict,
  normalise,
  verdictHash,
  type GivenVerdict,
} from '../../../src/hitl/verdict.ts';
import { schemaFault } from '../../../src/hitl/response-check.ts';
import type { Json, JsonObject } from '../../../src/lib/json.ts';
import type { Decision, PendingAction } from '../../../src/stream/pending-action.ts';

const head = {
  actionId: 'act',
  revision: 1,
  generationId: 'gen',
  conversationId: 'conv',
  createdAt: '2026-01-01T00:00:00.000Z',
  expiresAt: null,
};
const request = (toolCallId: string, over: object = {}) => ({
  toolCallId,
  name: 'mail',
  args: {},
  argsHash: 'h',
  allowedDecisions: ['approve' as const, 'edit' as const, 'reject' as const, 'respond' as const],
  ...over,
});
const approval: PendingAction = {
  ...head,
  kind: 'tool_approval',
  requests: [request('a'), request('b')],
};
const strict: PendingAction = {
  ...head,
  kind: 'tool_approval',
  requests: [request('a', { allowedDecisions: ['approve', 'reject'], mayRemember: false })],
};
const questions: PendingAction = {
  ...head,
  kind: 'ask_user_question',
  questions: [
    {
      id: 'q1',
      question: '?',
      options: [{ label: 'A' }, { label: 'B', value: 'b' }],
      freeText: false,
    },
    { id: 'q2', question: '?', options: [{ label: 'X' }, { label: 'Y' }], multiSelect: true },
  ],
};
const one: PendingAction = {
  ...head,
  kind: 'ask_user_question',
  questions: [{ id: 'q1', question: '?' }],
};

const noCheck = () => undefined;
const approve = (toolCallId: string, over: Partial<Decision> = {}): Decision => ({
  toolCallId,
  decision: 'approve',
  ...over,
});

function codeOf(
  action: PendingAction,
  given: GivenVerdict,
  checkArgs: () => string | undefined = noCheck,
): string {
  const checked = checkVerdict(action, given, checkArgs);
  return 'refusal' in checked ? checked.refusal.code : 'ok';
}

describe('a verdict on calls', () => {
  test.each<[string, GivenVerdict, string]>([
    ['for each call', { decisions: [approve('a'), approve('b')] }, 'ok'],
    ['that leaves one out', { decisions: [approve('a')] }, 'UNDECIDED'],
    ['that is empty', { decisions: [] }, 'UNDECIDED'],
    ['of answers', { answers: { a: 'yes' } }, 'UNDECIDED'],
    [
      'that leaves one out and has an unknown one',
      { decisions: [approve('a'), approve('x')] },
      'UNDECIDED',
    ],
    [
      'with an unknown call',
      { decisions: [approve('a'), approve('b'), approve('x')] },
      'UNKNOWN_TOOL_CALL',
    ],
    [
      'with a call twice',
      { decisions: [approve('a'), approve('b'), approve('b')] },
      'DUPLICATE_DECISION',
    ],
    [
      'of another kind',
      { decisions: [approve('a', { decision: 'retry' }), approve('b')] },
      'DECISION_NOT_ALLOWED',
    ],
    [
      'edit without arguments',
      { decisions: [approve('a', { decision: 'edit' }), approve('b')] },
      'INCOMPLETE_DECISION',
    ],
    [
      'respond without text',
      { decisions: [approve('a', { decision: 'respond', responseText: ' ' }), approve('b')] },
      'INCOMPLETE_DECISION',
    ],
  ])('%s', (_name, given, code) => {
    expect(codeOf(approval, given)).toBe(code);
  });

  test('edited arguments are for the tool to judge, after everything else', () => {
    const edit = approve('a', { decision: 'edit', editedArgs: { to: 1 } });

    expect(codeOf(approval, { decisions: [edit, approve('b')] }, () => 'no')).toBe(
      'EDITED_ARGS_INVALID',
    );
    expect(
      codeOf(approval, { decisions: [edit, approve('b', { decision: 'edit' })] }, () => 'no'),
    ).toBe('INCOMPLETE_DECISION');
    expect(codeOf(approval, { decisions: [edit, approve('b')] })).toBe('ok');
  });

  test('only what is allowed here, and remembered only where that is', () => {
    expect(
      codeOf(strict, { decisions: [approve('a', { decision: 'edit', editedArgs: {} })] }),
    ).toBe('DECISION_NOT_ALLOWED');
    expect(codeOf(strict, { decisions: [approve('a', { scope: 'always' })] })).toBe(
      'DECISION_NOT_ALLOWED',
    );
    expect(codeOf(strict, { decisions: [approve('a', { scope: 'once' })] })).toBe('ok');
  });
});

describe('answers', () => {
  test.each<[string, GivenVerdict, string]>([
    ['to every question', { answers: { q1: 'b', q2: ['X', 'other'] } }, 'ok'],
    ['with one missing', { answers: { q1: 'A' } }, 'INCOMPLETE_DECISION'],
    ['with an empty one', { answers: { q1: 'A', q2: [] } }, 'INCOMPLETE_DECISION'],
    ['with an unknown one', { answers: { q1: 'A', q2: 'X', q3: 'x' } }, 'INCOMPLETE_DECISION'],
    [
      'with a label where there is a value',
      { answers: { q1: 'B', q2: 'X' } },
      'INCOMPLETE_DECISION',
    ],
    [
      'with free text where it is forbidden',
      { answers: { q1: 'mine', q2: 'X' } },
      'INCOMPLETE_DECISION',
    ],
    [
      'with many where one is wanted',
      { answers: { q1: ['A', 'b'], q2: 'X' } },
      'INCOMPLETE_DECISION',
    ],
    ['as decisions', { decisions: [approve('q1')] }, 'INCOMPLETE_DECISION'],
    ['as one for two', { answer: 'A' }, 'INCOMPLETE_DECISION'],
  ])('%s', (_name, given, code) => {
    expect(codeOf(questions, given)).toBe(code);
  });

  test('one question may be answered without its id', () => {
    expect(checkVerdict(one, { answer: 'yes' }, noCheck)).toEqual({
      verdict: { answers: { q1: 'yes' } },
    });
    expect(normalise({ answer: 'yes' }, { answers: { q1: 'no' } })).toEqual({
      answers: { q1: 'yes' },
    });
    expect(normalise({ answer: 'yes' }, { decisions: [] })).toBeUndefined();
  });
});

describe('the hash of a verdict', () => {
  test('does not depend on order, nor on saying once', () => {
    const forth = verdictHash({ decisions: [approve('a'), approve('b', { scope: 'once' })] });
    const back = verdictHash({ decisions: [approve('b'), approve('a')] });

    expect(forth).toBe(back);
  });

  test.each<[string, Decision]>([
    ['decision', approve('a', { decision: 'reject' })],
    ['scope', approve('a', { scope: 'always' })],
    ['reason', approve('a', { reason: 'because' })],
    ['arguments', approve('a', { editedArgs: { x: 1 } })],
  ])('depends on the %s', (_name, other) => {
    expect(verdictHash({ decisions: [other] })).not.toBe(
      verdictHash({ decisions: [approve('a')] }),
    );
  });
});

const hash = (response: Json): string => verdictHash({ response });

const custom = (responseSchema?: JsonObject): PendingAction => {
  const value = { pay: 3 };
  return { ...head, kind: 'custom', value, ...(responseSchema && { responseSchema }) };
};
const refusalOf = (given: GivenVerdict, schema?: JsonObject) => {
  const checked = checkVerdict(custom(schema), given, noCheck);
  return 'refusal' in checked ? checked.refusal : undefined;
};
const faults = (response: Json) => refusalOf({ response })?.details['faults'];

describe('a response to what a graph asks in its own form', () => {
  const form: JsonObject = {
    type: 'object',
    properties: { yes: { type: 'boolean' }, why: { type: 'string', pattern: '^[a-z ]+$' } },
    required: ['yes'],
    additionalProperties: false,
  };

  test.each([null, false, 0, '', 'x', [], {}, { a: [1] }])(
    '%j where nothing is said of it',
    (it) => {
      expect(checkVerdict(custom(), { response: it }, noCheck)).toEqual({
        verdict: { response: it },
      });
    },
  );

  test('decisions and answers are no response, and a response is neither', () => {
    const response = { response: { q1: 'x' } };

    expect(refusalOf({ decisions: [] })).toMatchObject({ code: 'INCOMPLETE_DECISION' });
    expect(refusalOf({ answer: 'x' })).toMatchObject({ code: 'INCOMPLETE_DECISION' });
    expect(checkVerdict(one, response, noCheck)).toMatchObject({
      refusal: { code: 'INCOMPLETE_DECISION' },
    });
    expect(checkVerdict(approval, response, noCheck)).toMatchObject({
      refusal: { code: 'UNDECIDED' },
    });
  });

  test('all that is wrong is said at once, each with its path', () => {
    const refused = refusalOf({ response: { why: 'No!', more: 1 } }, form);

    expect(refused).toMatchObject({ code: 'RESPONSE_INVALID' });
    expect(refused?.details).toEqual({
      faults: expect.arrayContaining([
        { path: '', message: "must have required property 'yes'" },
        { path: '', message: 'must NOT have additional properties: more' },
        { path: '/why', message: 'must match pattern "^[a-z ]+$"' },
      ]),
    });
    expect(refusalOf({ response: { yes: true, why: 'so it is' } }, form)).toBeUndefined();
  });

  test.each<[string, JsonObject]>([
    ['draft 07', { $schema: 'http://json-schema.org/draft-07/schema#', type: 'string' }],
    ['draft 2020-12', { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'string' }],
    ['a reference within', { $ref: '#/$defs/text', $defs: { text: { type: 'string' } } }],
    ['an id that another schema had', { $id: 'same', type: 'string' }],
    ['the same id again', { $id: 'same', type: 'string', minLength: 1 }],
    ['an unknown format', { type: 'string', format: 'nonsense' }],
  ])('%s is understood', (_what, schema) => {
    expect(schemaFault(schema)).toBeUndefined();
    expect(refusalOf({ response: 'x' }, schema)).toBeUndefined();
    expect(refusalOf({ response: 1 }, schema)).toMatchObject({ code: 'RESPONSE_INVALID' });
  });

  test('what would keep the server busy is given up', () => {
    const slow = { type: 'string', pattern: '^(a+)+$' };

    const refused = refusalOf({ response: `${'a'.repeat(40)}!` }, slow);

    expect(refused?.details).toEqual({
      faults: [{ path: '', message: 'takes too long to check' }],
    });
  });

  test('too long a response, and one that LangGraph would take for something of its own, are refused', () => {
    expect(faults('x'.repeat(100_000))).toMatchObject([
      { message: expect.stringMatching(/longer/) },
    ]);
    for (const key of ['lc', 'lg_name', '__overwrite__'])
      expect(faults([{ a: { [key]: 2 } }])).toMatchObject([
        { message: `has an object with the key '${key}'` },
      ]);
  });

  test('its hash is the same whatever the order of its keys', () => {
    expect(hash({ a: 1, b: [2] })).toBe(hash({ b: [2], a: 1 }));
    expect(hash({ a: 1 })).not.toBe(hash({ a: 2 }));
    expect(hash(null)).not.toBe(hash(false));
    expect(normalise({ response: null }, null)).toEqual({ response: null });
  });
});
