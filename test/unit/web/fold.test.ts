import { describe, expect, test } from '@jest/globals';
import { MessageFold } from '../../../src/stream/fold.ts';
import type { EventBody } from '../../../src/stream/events.ts';
import type { StreamState } from '../../../web/types.d.ts';
import { applyFrame, createFold, replaceState } from '../../../web/fold.js';

const user = {
  messageId: 'm1',
  conversationId: 'c1',
  parentMessageId: null,
  role: 'user' as const,
  content: [{ type: 'text' as const, text: 'hi' }],
  status: 'complete' as const,
  agentId: 'demo',
  model: 'demo',
  createdAt: '2026-01-01T00:00:00.000Z',
};
const action = {
  actionId: 'a1',
  revision: 1,
  generationId: 'g1',
  conversationId: 'c1',
  createdAt: '2026-01-01T00:00:00.000Z',
  expiresAt: null,
  kind: 'tool_approval' as const,
  requests: [
    { toolCallId: 't1', name: 'send', args: { to: 'a' }, argsHash: 'x', allowedDecisions: [] },
    { toolCallId: 't2', name: 'send', args: { to: 'b' }, argsHash: 'y', allowedDecisions: [] },
  ],
};

const LOG: EventBody[] = [
  {
    type: 'created',
    conversationId: 'c1',
    generationId: 'g1',
    agentId: 'demo',
    model: 'demo',
    userMessage: user,
    responseMessageId: 'm2',
  },
  { type: 'queued', position: 2 },
  { type: 'reasoning_delta', part: 0, text: 'hm' },
  { type: 'reasoning_delta', part: 0, text: 'm' },
  { type: 'text_delta', part: 1, text: 'I ' },
  { type: 'text_delta', part: 1, text: 'would' },
  { type: 'tool_call', part: 2, toolCallId: 't1', name: 'send' },
  { type: 'tool_args_delta', toolCallId: 't1', text: '{"to"' },
  { type: 'tool_call', part: 3, toolCallId: 't2', name: 'send', path: ['t0'] },
  { type: 'tool_ready', toolCallId: 't1', name: 'send', args: { to: 'a' } },
  { type: 'tool_ready', toolCallId: 't2', name: 'send', args: { to: 'b' } },
  { type: 'pending_action', action },
  {
    type: 'action_resolved',
    actionId: 'a1',
    outcome: 'decided',
    decisions: [
      { toolCallId: 't1', decision: 'edit', editedArgs: { to: 'c' } },
      { toolCallId: 't2', decision: 'reject' },
    ],
    decidedBy: 'local',
    decidedAt: '2026-01-01T00:00:01.000Z',
  },
  { type: 'segment', reason: 'resumed', keep: 13 },
  { type: 'tool_result', toolCallId: 't1', status: 'ok', output: 'sent' },
  { type: 'tool_result', toolCallId: 't2', status: 'rejected', output: 'no' },
  { type: 'attachment', part: 4, name: 'f', mediaType: 'text/plain' },
  { type: 'steered', part: 5, messageId: 'm3', text: 'rather', heard: true },
  { type: 'title', title: 'T' },
];

/** The parts without what a fold of only one side has. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("the page's fold", () => {
  test("holds after every event what the server's fold holds", () => {
    const server = new MessageFold();
    const page = createFold();
    for (const [index, body] of LOG.entries()) {
      const at = '2026-01-01T00:00:00.000Z';
      server.apply({ seq: index + 1, fence: 1, at, body });
      const { type, ...data } = body;
      applyFrame(page, { id: `x.${index}`, event: type, data: { ...data, at } });

      const state = server.state();
      expect(plain(page.message?.content)).toEqual(plain(state.message.content));
      expect([page.status, page.pendingAction?.actionId]).toEqual([
        state.status,
        state.pendingAction?.actionId,
      ]);
    }
    expect(page.title).toBe('T');
    expect(page.resolutions).toHaveLength(1);
  });

  test('a snapshot stands for all before it, and is not changed by what follows', () => {
    const server = new MessageFold();
    for (const [index, body] of LOG.slice(0, 6).entries()) {
      server.apply({ seq: index + 1, fence: 1, at: user.createdAt, body });
    }
    const state: StreamState = JSON.parse(JSON.stringify(server.state()));
    const page = createFold();
    replaceState(page, state);
    applyFrame(page, { id: '7', event: 'text_delta', data: { part: 1, text: '!' } });

    expect(page.message?.content[1]?.text).toBe('I would!');
    expect(state.message.content[1]).toMatchObject({ text: 'I would' });

    applyFrame(page, { id: '8', event: 'reset', data: { reason: 'epoch', upTo: 6, state } });
    expect(page.message?.content[1]?.text).toBe('I would');
  });

  test('events that it does not know change nothing, whatever they are called', () => {
    const page = createFold();
    for (const event of ['nonsense', '__proto__', 'constructor', 'toString']) {
      applyFrame(page, { id: '1', event, data: {} });
    }

    expect(page).toEqual(createFold());
  });
});
