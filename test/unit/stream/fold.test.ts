import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { coalesce, MAX_RUN } from '../../../src/stream/coalesce.ts';
import { eventBodySchema, type EventBody } from '../../../src/stream/events.ts';
import { foldEvents } from '../../../src/stream/fold.ts';
import { fromStored, toStored } from '../../../src/stream/frame.ts';
import { bodiesArb, created, done, logOf } from '../../support/events.ts';

describe('fold', () => {
  test('a coalesced log folds to the same state as the exact one', () => {
    fc.assert(
      fc.property(bodiesArb, (bodies) => {
        const log = logOf(bodies);

        expect(foldEvents(coalesce(log)).state()).toEqual(foldEvents(log).state());
      }),
    );
  });

  test('a coalesced prefix and the exact rest fold to the same state', () => {
    fc.assert(
      fc.property(bodiesArb, fc.nat(), (bodies, cut) => {
        const log = logOf(bodies);
        const at = cut % (log.length + 1);
        const mixed = [...coalesce(log.slice(0, at)), ...log.slice(at)];

        expect(foldEvents(mixed).state()).toEqual(foldEvents(log).state());
      }),
    );
  });

  test('the state at any place, and the events behind it, make the same message', () => {
    fc.assert(
      fc.property(bodiesArb, fc.nat(), (bodies, cut) => {
        const log = logOf(bodies);
        const at = 1 + (cut % log.length);
        const { state } = { state: foldEvents(log.slice(0, at)).state() };
        const recovered: EventBody = { type: 'segment', reason: 'recovered', keep: at, state };
        const resumed = foldEvents([
          ...log.slice(0, at),
          ...logOf([recovered], 2, at),
          ...log.slice(at),
        ]);

        expect(resumed.message().content).toEqual(foldEvents(log).message().content);
      }),
    );
  });

  test('what is stored reads back as it was, and every body is valid by the schema', () => {
    fc.assert(
      fc.property(bodiesArb, (bodies) => {
        for (const event of logOf(bodies)) {
          expect(fromStored(toStored(event))).toEqual(event);
          expect(eventBodySchema.parse(event.body)).toEqual(event.body);
        }
      }),
    );
  });

  test('a coalesced frame has the place of its last delta', () => {
    const deltas = ['a', 'b', 'c'].map((text): EventBody => ({
      type: 'text_delta',
      part: 0,
      text,
    }));

    const [, run] = coalesce(logOf([created(), ...deltas]));

    expect(run).toMatchObject({ seq: 4, body: { text: 'abc' } });
  });

  test('deltas of different parts stay apart, and a run has a longest length', () => {
    const long = 'x'.repeat(MAX_RUN);
    const bodies: EventBody[] = [
      created(),
      { type: 'text_delta', part: 0, text: 'a' },
      { type: 'text_delta', part: 1, text: 'b' },
      { type: 'reasoning_delta', part: 2, text: long },
      { type: 'reasoning_delta', part: 2, text: 'c' },
    ];

    expect(coalesce(logOf(bodies))).toHaveLength(5);
  });

  test('an edited call shows what ran and what was proposed', () => {
    const action = {
      kind: 'tool_approval' as const,
      actionId: 'act_1',
      revision: 1,
      generationId: 'gen_1',
      conversationId: 'conv_1',
      createdAt: '2026-01-01T00:00:00.000Z',
      expiresAt: null,
      requests: [
        {
          toolCallId: 'c',
          name: 'mail',
          args: { to: 'a' },
          argsHash: 'h',
          allowedDecisions: ['edit' as const],
        },
      ],
    };
    const before: EventBody[] = [
      created(),
      { type: 'tool_call', part: 0, toolCallId: 'c', name: 'mail' },
      { type: 'tool_ready', toolCallId: 'c', name: 'mail', args: { to: 'a' } },
      { type: 'pending_action', action },
    ];
    const decided: EventBody = {
      type: 'action_resolved',
      actionId: 'act_1',
      outcome: 'decided',
      decisions: [{ toolCallId: 'c', decision: 'edit', editedArgs: { to: 'b' } }],
      decidedBy: 'u',
      decidedAt: '2026-01-01T00:00:00.000Z',
    };

    const paused = foldEvents(logOf(before)).state();
    const resumed = foldEvents(logOf([...before, decided])).state();

    expect(paused).toMatchObject({ status: 'paused', pendingAction: action });
    expect(paused.message.content[0]).toMatchObject({ status: 'waiting' });
    expect(resumed.pendingAction).toBeUndefined();
    expect(resumed.message.content[0]).toMatchObject({
      status: 'running',
      args: { to: 'b' },
      proposedArgs: { to: 'a' },
    });
  });

  test('the terminal event fixes status and error and leaves the content alone', () => {
    const end = done();
    const failed: EventBody =
      end.type === 'done' ? { ...end, status: 'failed', error: { code: 'X', message: 'y' } } : end;

    const { message, status } = foldEvents(
      logOf([created(), { type: 'text_delta', part: 0, text: 'a' }, failed]),
    ).state();

    expect(status).toBe('failed');
    expect(message).toMatchObject({ content: [{ type: 'text', text: 'a' }], error: { code: 'X' } });
  });
});
