import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatInterruptId, parseInterruptId } from '../../../src/protocols/ag-ui/interrupts.ts';
import { decodeResume, type ResumeEntry } from '../../../src/protocols/ag-ui/resume.ts';

const resolved = (interruptId: string, payload: unknown): ResumeEntry => ({
  interruptId,
  status: 'resolved',
  payload,
});
const CALL = 'act_1:call:c1';
const ASK = 'act_1:ask:q1';

describe('the id of an interrupt', () => {
  test('says all that an answer needs, whatever the call is named', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[A-Za-z0-9_.-]{1,40}$/),
        fc.constantFrom('call' as const, 'recover' as const, 'ask' as const),
        fc.string({ minLength: 1, unit: 'binary' }),
        (actionId, kind, item) => {
          const ref = { actionId, kind, item };
          expect(parseInterruptId(formatInterruptId(ref))).toEqual(ref);
        },
      ),
    );
  });

  test.each(['', 'act_1', 'act_1:call:', ':call:c', 'act_1:other:c', 'a b:call:c'])(
    '%j is none',
    (id) => {
      expect(parseInterruptId(id)).toBeUndefined();
    },
  );
});

describe('an answer to a call', () => {
  test.each([
    [true, { decision: 'approve' }],
    [false, { decision: 'reject' }],
    ['approve', { decision: 'approve' }],
    ['reject', { decision: 'reject' }],
    [{ approved: true }, { decision: 'approve' }],
    [
      { approved: false, reason: 'no' },
      { decision: 'reject', reason: 'no' },
    ],
    [
      { approved: true, editedArgs: { a: 1 } },
      { decision: 'edit', editedArgs: { a: 1 } },
    ],
    [
      { decision: 'edit', editedArgs: {} },
      { decision: 'edit', editedArgs: {} },
    ],
    [
      { decision: 'respond', responseText: 'x' },
      { decision: 'respond', responseText: 'x' },
    ],
    [
      { decision: 'approve', scope: 'always' },
      { decision: 'approve', scope: 'always' },
    ],
  ])('%j', (payload, decision) => {
    expect(decodeResume([resolved(CALL, payload)])).toEqual({
      actionId: 'act_1',
      abandoned: false,
      verdict: { decisions: [{ toolCallId: 'c1', ...decision }] },
    });
  });

  test.each([undefined, null, 1, 'yes', [], {}, { approved: 'true' }, { decision: 'maybe' }])(
    '%j is none',
    (payload) => {
      expect(() => decodeResume([resolved(CALL, payload)])).toThrow(
        expect.objectContaining({ code: 'INVALID_REQUEST' }),
      );
    },
  );

  test('after a crash is never guessed from a yes or no', () => {
    const id = 'act_1:recover:c1';
    expect(() => decodeResume([resolved(id, true)])).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST' }),
    );
    expect(decodeResume([resolved(id, { decision: 'done', responseText: 'ok' })]).verdict).toEqual({
      decisions: [{ toolCallId: 'c1', decision: 'done', responseText: 'ok' }],
    });
  });
});

describe('what is cancelled', () => {
  test.each([
    [CALL, 'reject'],
    ['act_1:recover:c1', 'skip'],
  ])('%s is %s', (interruptId, decision) => {
    expect(decodeResume([{ interruptId, status: 'cancelled' }])).toEqual({
      actionId: 'act_1',
      abandoned: true,
      verdict: { decisions: [{ toolCallId: 'c1', decision }] },
    });
  });

  test('may be one of several calls', () => {
    const two = [
      resolved(CALL, true),
      { interruptId: 'act_1:call:c2', status: 'cancelled' } as const,
    ];
    expect(decodeResume(two)).toMatchObject({
      abandoned: false,
      verdict: { decisions: [{ decision: 'approve' }, { decision: 'reject' }] },
    });
  });

  test('is no answer to a question', () => {
    expect(decodeResume([{ interruptId: ASK, status: 'cancelled' }])).toEqual({
      actionId: 'act_1',
      abandoned: true,
      verdict: null,
    });
    const half = [
      resolved(ASK, 'x'),
      { interruptId: 'act_1:ask:q2', status: 'cancelled' } as const,
    ];
    expect(() => decodeResume(half)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }));
  });
});

describe('an answer to a question', () => {
  test.each([
    ['green', 'green'],
    [{ answer: 'green' }, 'green'],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [{ answer: ['a', 'b'] }, ['a', 'b']],
  ])('%j', (payload, answer) => {
    expect(decodeResume([resolved(ASK, payload)]).verdict).toEqual({ answers: { q1: answer } });
  });

  test('is one for each, also of one that is named like a part of an object', () => {
    const { verdict } = decodeResume([resolved('act_1:ask:__proto__', 'x')]);
    expect(Object.entries(verdict && 'answers' in verdict ? verdict.answers : {})).toEqual([
      ['__proto__', 'x'],
    ]);
    expect(() => decodeResume([resolved(ASK, 'x'), resolved(ASK, 'y')])).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST' }),
    );
  });
});
