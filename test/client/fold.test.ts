import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fold } from '../../client/fold.ts';
import type * as Wire from '../../client/types.ts';
import type * as Events from '../../src/stream/events.ts';
import { MessageFold } from '../../src/stream/fold.ts';
import { syncFrame, toStored } from '../../src/stream/frame.ts';
import type * as Messages from '../../src/stream/message.ts';
import type * as Actions from '../../src/stream/pending-action.ts';
import { AT, bodiesArb, logOf } from '../support/events.ts';

type Body = Events.EventBody;

/** As it comes over the wire: `data` is JSON, the name of the event is apart. */
function wireEvent(type: string, data: string): Wire.StreamEvent {
  return JSON.parse(data.replace(/^\{/, `{"type":"${type}",`));
}

const wireOf = (event: Events.LogEvent): Wire.StreamEvent => {
  const { type, data } = toStored(event);
  return wireEvent(type, data);
};

const request = (toolCallId: string, args: Wire.JsonObject) => ({
  toolCallId,
  name: 'add',
  args,
  argsHash: 'h',
  allowedDecisions: ['approve' as const],
});

/** Pauses, decisions, recoveries and endings, on the calls that `bodiesArb` makes. */
const turnArb: fc.Arbitrary<Body> = fc.oneof(
  fc.record({ type: fc.constant('queued' as const), position: fc.integer({ min: 1 }) }),
  fc.constantFrom('desk', 'billing').map((agentId): Body => ({
    type: 'hand_off',
    toolCallId: 'call_1',
    agentId,
    model: `of ${agentId}`,
  })),
  fc.array(fc.nat(6), { minLength: 1, maxLength: 3 }).map((parts): Body => ({
    type: 'pending_action',
    action: {
      actionId: 'act',
      revision: 1,
      generationId: 'g',
      conversationId: 'c',
      createdAt: AT,
      expiresAt: null,
      kind: 'tool_approval',
      requests: parts.map((part) => request(`call_${part}`, {})),
    },
  })),
  fc
    .record({
      outcome: fc.constantFrom(
        'decided' as const,
        'expired' as const,
        'aborted' as const,
        'superseded' as const,
      ),
      decisions: fc.array(
        fc.record({
          toolCallId: fc.nat(6).map((part) => `call_${part}`),
          decision: fc.constantFrom(
            'approve' as const,
            'edit' as const,
            'reject' as const,
            'respond' as const,
            'retry' as const,
            'skip' as const,
          ),
          editedArgs: fc.constant({ edited: true }),
        }),
        { maxLength: 4 },
      ),
    })
    .map(({ outcome, decisions }): Body => ({
      type: 'action_resolved',
      actionId: 'act',
      outcome,
      decisions,
      decidedBy: 'u',
      decidedAt: AT,
    })),
  fc.constant<Body>({ type: 'segment', reason: 'resumed', keep: 1 }),
  fc.constant<Body>({ type: 'custom', data: { a: [1] } }),
  fc.constant<Body>({ type: 'attachment', part: 0, name: 'a.png', mediaType: 'image/png' }),
  fc.boolean().map((heard): Body => ({
    type: 'steered',
    part: 0,
    messageId: 'm2',
    text: 'rather',
    heard,
  })),
);

/** A random log with turns at random places; a recovery at its end brings back the state of an earlier place. */
const logArb = fc
  .tuple(
    bodiesArb,
    fc.array(fc.tuple(fc.nat(40), turnArb), { maxLength: 8 }),
    fc.option(fc.nat(40)),
  )
  .map(([bodies, turns, recovery]) => {
    const all = [...bodies];
    for (const [at, body] of turns) all.splice(1 + (at % all.length), 0, body);
    if (recovery !== null) {
      // Last: parts that were begun after what it brings back would leave holes.
      const state = stateOf(logOf(all.slice(0, 1 + (recovery % all.length))));
      all.push({ type: 'segment', reason: 'recovered', keep: 1, state });
    }
    return logOf(all);
  });

function stateOf(log: Events.LogEvent[]): Events.StreamState {
  const server = new MessageFold();
  for (const event of log) server.apply(event);
  return server.state();
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('the fold of the client', () => {
  test('is the fold of the server after every event of any log, and changes nothing that it was given', () => {
    fc.assert(
      fc.property(logArb, (log) => {
        const server = new MessageFold();
        let mine: Wire.StreamState | undefined;
        for (const event of log) {
          const before = JSON.stringify(mine);
          const held = mine;
          mine = fold(mine, wireOf(event));
          server.apply(event);

          expect(plain(mine)).toEqual(plain(server.state()));
          expect(JSON.stringify(held)).toBe(before);
        }
      }),
    );
  });

  test('a snapshot at any place, and the events behind it, end in the same state', () => {
    fc.assert(
      fc.property(logArb, fc.nat(), fc.boolean(), (log, cut, reset) => {
        const at = 1 + (cut % log.length);
        const state = stateOf(log.slice(0, at));
        const payload = { state, at: AT, ...(reset && { reason: 'epoch' as const }) };
        const [, type = '', data = ''] =
          /event: (\w+)\ndata: ([^\n]*)/.exec(
            syncFrame('g'.repeat(8), { fence: 1, seq: at }, payload),
          ) ?? [];
        let mine = fold(undefined, wireEvent(type, data));
        for (const event of log.slice(at)) mine = fold(mine, wireOf(event));

        expect(plain(mine)).toEqual(plain(stateOf(log)));
      }),
    );
  });

  test('events before there is anything, and of a type that is not known, change nothing', () => {
    const delta = wireEvent('text_delta', '{"seq":2,"at":"","part":0,"text":"a"}');
    const unknown = wireEvent('news', '{"seq":3,"at":""}');

    expect(fold(undefined, delta)).toBeUndefined();
    expect(fold(undefined, unknown)).toBeUndefined();
  });
});

/** zod says of an optional key that it may also be undefined; over the wire it never is. */
type Plain<T> = T extends object ? { [K in keyof T]: Plain<Exclude<T[K], undefined>> } : T;
type Same<A, B> =
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- how the compiler is asked for identity
  (<T>() => T extends Plain<A> ? 1 : 2) extends <T>() => T extends Plain<B> ? 1 : 2 ? true : false;
type NoJson<T> = Omit<T, 'args' | 'proposedArgs' | 'data' | 'editedArgs' | 'argsSchema'>;

/** Checked by the compiler: a type that drifts from the server's is an error here. */
test('the types of the wire are those of the server', () => {
  const same: {
    usage: Same<Wire.Usage, Messages.Usage>;
    conversation: Same<Wire.Conversation, Messages.Conversation>;
    status: Same<Wire.GenerationStatus, Events.GenerationStatus>;
    result: Same<Wire.ToolResultStatus, Messages.ToolResultStatus>;
    call: Same<NoJson<Wire.ToolCallPart>, NoJson<Messages.ToolCallPart>>;
    steered: Same<Wire.SteeredPart, Messages.SteeredPart>;
    decision: Same<NoJson<Wire.Decision>, NoJson<Actions.Decision>>;
    request: Same<NoJson<Wire.ApprovalRequest>, NoJson<Actions.ApprovalRequest>>;
    message: Same<Omit<Wire.Message, 'content'>, Omit<Messages.Message, 'content'>>;
    state: Same<keyof Wire.StreamState, keyof Events.StreamState>;
    events: Same<keyof Wire.EventBodies, Events.EventType>;
    reset: Same<Wire.SnapshotBodies['reset']['reason'], Events.ResetReason>;
    keys: {
      [T in Events.EventType]: Same<
        keyof Wire.EventBodies[T],
        Exclude<keyof Events.EventOf<T>, 'type'>
      >;
    };
  } = {
    usage: true,
    conversation: true,
    status: true,
    result: true,
    call: true,
    steered: true,
    decision: true,
    request: true,
    message: true,
    state: true,
    events: true,
    reset: true,
    keys: {
      created: true,
      queued: true,
      text_delta: true,
      reasoning_delta: true,
      tool_call: true,
      tool_args_delta: true,
      tool_ready: true,
      tool_result: true,
      pending_action: true,
      action_resolved: true,
      action_expiring: true,
      agent: true,
      hand_off: true,
      usage: true,
      title: true,
      attachment: true,
      steered: true,
      custom: true,
      segment: true,
      done: true,
    },
  };

  expect(Object.values(same.keys)).not.toContain(false);
});
