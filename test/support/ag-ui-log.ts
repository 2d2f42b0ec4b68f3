import { agUiEncoder } from '../../src/protocols/ag-ui/fold.ts';
import type { View } from '../../src/protocols/ag-ui/fold-state.ts';
import type { EventBody, LogEvent, Outcome } from '../../src/stream/events.ts';
import type { MessagePart } from '../../src/stream/message.ts';
import { aMessage } from '../contract/conversation-store-kit.ts';
import { type AgUiEvent, framesOf } from './ag-ui.ts';

/** Logs in few words, and what the AG-UI encoder makes of them. */

export const AT = '2026-01-01T00:00:00.000Z';
export const VIEW: View = { names: {}, history: [], snapshot: false };
export const NAMED: View = { ...VIEW, names: { threadId: 'my thread', runId: 'my run' } };

export const created: EventBody = {
  type: 'created',
  conversationId: 'conv_1',
  generationId: 'gen_1',
  agentId: 'demo',
  model: 'demo',
  userMessage: { ...aMessage('msg_1', { role: 'user' }), content: [{ type: 'text', text: 'hi' }] },
  responseMessageId: 'msg_2',
};
export const say = (part: number, text: string, path?: string[]): EventBody => ({
  type: 'text_delta',
  part,
  text,
  ...(path && { path }),
});
export const think = (part: number, text: string): EventBody => ({
  type: 'reasoning_delta',
  part,
  text,
});
export const steered = (part: number, heard = true): EventBody => ({
  type: 'steered',
  part,
  messageId: `m${part}`,
  text: 'rather',
  heard,
});
export const call = (part: number, toolCallId: string, path?: string[]): EventBody => ({
  type: 'tool_call',
  part,
  toolCallId,
  name: 'send_email',
  ...(path && { path }),
});
export const args = (toolCallId: string, text: string): EventBody => ({
  type: 'tool_args_delta',
  toolCallId,
  text,
});
export const ready = (toolCallId: string): EventBody => ({
  type: 'tool_ready',
  toolCallId,
  name: 'send_email',
  args: { to: 'a' },
});
export const result = (toolCallId: string): EventBody => ({
  type: 'tool_result',
  toolCallId,
  status: 'ok',
  output: 'sent',
});
export const pause = (actionId: string, ...toolCallIds: string[]): EventBody => ({
  type: 'pending_action',
  action: {
    actionId,
    revision: 1,
    generationId: 'gen_1',
    conversationId: 'conv_1',
    createdAt: AT,
    expiresAt: '2026-01-02T00:00:00.000Z',
    kind: 'tool_approval',
    requests: toolCallIds.map((toolCallId) => ({
      toolCallId,
      name: 'send_email',
      args: { to: 'a' },
      argsHash: 'h',
      allowedDecisions: ['approve', 'edit', 'reject'],
    })),
  },
});
export const resolved = (
  actionId: string,
  outcome: 'decided' | 'expired' | 'aborted' = 'decided',
) =>
  ({
    type: 'action_resolved',
    actionId,
    outcome,
    decisions: [],
    decidedBy: null,
    decidedAt: AT,
  }) satisfies EventBody;
export const agent = (state: 'started' | 'finished', ...path: string[]): EventBody => ({
  type: 'agent',
  path,
  agentId: 'helper',
  state,
});
export const tokens = { inputTokens: 3, outputTokens: 2, cacheRead: 1, reasoning: 0 };
export const usage: EventBody = {
  type: 'usage',
  call: tokens,
  total: tokens,
  contextUsed: 5,
  contextMax: null,
};
export const done = (status: Outcome, error?: { code: string; message: string }): EventBody => ({
  type: 'done',
  status,
  message: aMessage('msg_2'),
  conversation: {
    conversationId: 'conv_1',
    title: null,
    temporary: false,
    createdAt: AT,
    updatedAt: AT,
  },
  usage: null,
  ...(error && { error }),
});
export const recovered = (content: MessagePart[]): EventBody => ({
  type: 'segment',
  reason: 'recovered',
  keep: 1,
  state: {
    generationId: 'gen_1',
    conversationId: 'conv_1',
    status: 'running',
    message: { ...aMessage('msg_2', { role: 'assistant' }), content },
  },
});

export interface Told {
  events: AgUiEvent[];
  /** Of each event of the log: whether a response may end behind it. */
  rests: boolean[];
}

/** Folds, and has every frame checked against the stock schema. */
export function fold(bodies: readonly EventBody[], view: View = VIEW): Told {
  const encoder = agUiEncoder(view);
  let state = encoder.initial;
  const told: Told = { events: [], rests: [] };
  bodies.forEach((body, index) => {
    const event: LogEvent = { seq: index + 1, fence: 1, at: AT, body };
    const encoded = encoder.encode(state, event);
    state = encoded.state;
    const text = [...encoded.frames, ...(encoded.ending ?? [])]
      .map(({ data }) => `data: ${data}\n\n`)
      .join('');
    told.events.push(...framesOf(text).map((frame) => frame.event));
    told.rests.push(encoded.ending !== undefined);
  });
  return told;
}

export const of = (told: Told, type: string): AgUiEvent[] =>
  told.events.filter((it) => it.type === type);
