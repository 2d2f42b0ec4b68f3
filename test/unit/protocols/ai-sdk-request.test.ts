import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AppError } from '../../../src/errors.ts';
import { answerOf } from '../../../src/protocols/ai-sdk/answer.ts';
import { formatApprovalId, parseApprovalId } from '../../../src/protocols/ai-sdk/approval-id.ts';
import { chatBodySchema, wantedBy, type Wanted } from '../../../src/protocols/ai-sdk/request.ts';
import { validate } from '../../../src/http/validate.ts';

const LIMITS = { textChars: 1_000, bodyBytes: 10_000 };

function wanted(body: unknown): Wanted {
  return wantedBy(validate(chatBodySchema, body), LIMITS);
}

/** Undefined where it is refused, which must be as a client's fault. */
function tried<T>(what: () => T): T | undefined {
  try {
    return what();
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error;
    return undefined;
  }
}

const strange = fc.jsonValue({ maxDepth: 3 });
const part = fc.record(
  {
    type: fc.oneof(
      fc.constantFrom('text', 'file', 'tool-ask_user', 'tool-x', 'dynamic-tool'),
      strange,
    ),
    state: fc.oneof(
      fc.constantFrom('approval-responded', 'output-available', 'output-error'),
      strange,
    ),
    text: fc.oneof(fc.string(), strange),
    url: fc.oneof(fc.webUrl(), strange),
    mediaType: fc.oneof(fc.string(), strange),
    toolCallId: fc.oneof(fc.string(), strange),
    toolName: fc.constantFrom('ask_user', 'x'),
    output: strange,
    callProviderMetadata: fc.oneof(fc.constant({ holdfast: { actionId: 'act_1' } }), strange),
    approval: fc.oneof(
      fc.record({ id: fc.constantFrom('act_1:a:c', 'x'), approved: fc.boolean(), reason: strange }),
      strange,
    ),
  },
  { requiredKeys: ['type'] },
);
const plain = fc.record({
  id: fc.string(),
  role: fc.constantFrom('user', 'assistant'),
  parts: fc.array(fc.record({ type: fc.constant('text'), text: fc.string() }), { maxLength: 2 }),
});
const message = fc.record({
  id: fc.oneof(fc.string(), strange),
  role: fc.oneof(fc.constantFrom('user', 'assistant', 'system'), strange),
  parts: fc.oneof(fc.array(part, { maxLength: 2 }), strange),
});

describe('what a client of the AI SDK sends', () => {
  test('is understood or refused as its fault, whatever it is', () => {
    const kinds = new Set<string>();
    fc.assert(
      fc.property(
        fc.record(
          {
            id: fc.constant('x'),
            messages: fc.array(fc.oneof(plain, message, strange), { maxLength: 3 }),
            message,
            trigger: fc.constantFrom('submit-message', 'regenerate-message'),
            messageId: fc.oneof(fc.string(), fc.constant(null)),
          },
          { requiredKeys: ['id'] },
        ),
        (body) => {
          const it = tried(() => wanted(body));
          kinds.add(it?.kind ?? 'refused');
          if (it?.kind === 'answer') tried(() => answerOf(it, undefined, 'conv_1'));
        },
      ),
      { numRuns: 1_000 },
    );
    expect([...kinds].toSorted()).toEqual(['answer', 'refused', 'regenerate', 'turn']);
  });

  test('keys that transports add are ignored; the texts of a message are one', () => {
    const parts = [
      { type: 'text', text: 'one' },
      { type: 'data-x', data: {} },
      { type: 'text', text: 'two' },
    ];
    const body = { id: 'x', message: { id: 'm', role: 'user', parts }, more: 1 };

    expect(wanted(body)).toEqual({
      kind: 'turn',
      user: { id: 'm', text: 'one\ntwo', files: [] },
      again: false,
    });
  });

  test('answers are read from the message that is named, also behind a newer one', () => {
    const approval = { id: 'act_1:a:call:with:colons', approved: false, reason: 'no' };
    const parts = [{ type: 'tool-x', state: 'approval-responded', approval }];
    const messages = [
      { id: 'a', role: 'assistant', parts },
      { id: 'u', role: 'user', parts: [{ type: 'text', text: 'hello' }] },
    ];

    expect(wanted({ id: 'x', messages, messageId: 'a' })).toMatchObject({
      decisions: [
        { actionId: 'act_1', toolCallId: 'call:with:colons', approved: false, reason: 'no' },
      ],
    });
    expect(wanted({ id: 'x', messages })).toMatchObject({ kind: 'turn' });
  });

  test('an approval after a crash retries or skips', () => {
    const decisions = [true, false].map((approved, index) => ({
      actionId: 'act_1',
      kind: 'recovery' as const,
      toolCallId: `c${index}`,
      approved,
    }));

    expect(answerOf({ decisions, outputs: [] }, undefined, 'conv_1')).toMatchObject({
      actionId: 'act_1',
      decisions: [{ decision: 'retry' }, { decision: 'skip' }],
    });
  });

  test("an approval's id comes back as it went, and no other text is one", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 100 }),
        fc.boolean(),
        (toolCallId, crash) => {
          const id = {
            actionId: 'act_1',
            kind: crash ? ('recovery' as const) : ('tool_approval' as const),
            toolCallId,
          };
          expect(parseApprovalId(formatApprovalId(id))).toEqual(id);
        },
      ),
    );
    for (const text of ['', 'act_1', 'act_1:a', 'act_1:b:c', ':a:c', 'act 1:a:c']) {
      expect(parseApprovalId(text)).toBeUndefined();
    }
  });
});
