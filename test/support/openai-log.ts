import { accumulateResponse } from 'openai/lib/responses/ResponseAccumulator';
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';
import type { Encoder, ProtocolFrame } from '../../src/protocols/encoder.ts';
import type { EventBody, Outcome } from '../../src/stream/events.ts';
import type { MessagePart } from '../../src/stream/message.ts';
import { aMessage } from '../contract/conversation-store-kit.ts';

/** Logs, event by event, and what an encoder of OpenAI's makes of them. */

export const GENERATION = 'gen_1abcdefgh';
export const AT = '2026-01-01T00:00:00.000Z';
export const TOKENS = { inputTokens: 10, outputTokens: 4, cacheRead: 2, reasoning: 1 };

export const created: EventBody = {
  type: 'created',
  conversationId: 'conv_1',
  generationId: GENERATION,
  agentId: 'demo',
  model: 'demo',
  userMessage: aMessage('msg_1', { createdAt: AT }),
  responseMessageId: 'msg_2',
};
export const text = (words: string, part = 0): EventBody => ({
  type: 'text_delta',
  part,
  text: words,
});
export const steered = (part: number): EventBody => ({
  type: 'steered',
  part,
  messageId: 'msg_s',
  text: 'rather',
  heard: true,
});
export const call = (toolCallId: string, part: number): EventBody[] => [
  { type: 'tool_call', part, toolCallId, name: 'mail' },
  { type: 'tool_args_delta', toolCallId, text: '{"to":1}' },
  { type: 'tool_ready', toolCallId, name: 'mail', args: { to: 1 } },
];
export const result = (toolCallId: string, output = 'sent'): EventBody => ({
  type: 'tool_result',
  toolCallId,
  status: 'ok',
  output,
});
export const usage = (total: typeof TOKENS): EventBody => ({
  type: 'usage',
  call: total,
  total,
  contextUsed: 1,
  contextMax: null,
});
export const pause = (revision: number, toolCallId: string): EventBody => ({
  type: 'pending_action',
  action: {
    actionId: `act_${revision}`,
    revision,
    generationId: GENERATION,
    conversationId: 'conv_1',
    createdAt: AT,
    expiresAt: null,
    kind: 'tool_approval',
    requests: [
      { toolCallId, name: 'mail', args: { to: 1 }, argsHash: 'h', allowedDecisions: ['approve'] },
    ],
  },
});
export const decided = (revision: number, toolCallId: string): EventBody => ({
  type: 'action_resolved',
  actionId: `act_${revision}`,
  outcome: 'decided',
  decisions: [{ toolCallId, decision: 'edit', editedArgs: { to: 2 } }],
  decidedBy: 'u',
  decidedAt: AT,
});
export const done = (status: Outcome = 'completed'): EventBody => ({
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
  ...(status === 'failed' && { error: { code: 'MODEL_ERROR', message: 'It broke.' } }),
});
export const recovered = (content: MessagePart[]): EventBody => ({
  type: 'segment',
  reason: 'recovered',
  keep: 1,
  state: {
    generationId: GENERATION,
    conversationId: 'conv_1',
    status: 'running',
    message: aMessage('msg_2', { role: 'assistant', content }),
  },
});
export const said = (words: string): MessagePart => ({ type: 'text', text: words });

export interface Read<S> {
  state: S;
  frames: ProtocolFrame[];
}

/** All that a reader gets who is there from the beginning, or who comes when all is over. */
export function read<S>(
  encoder: Encoder<S>,
  bodies: EventBody[],
  when: 'along' | 'after' = 'after',
): Read<S> {
  let { initial: state } = encoder;
  const frames: ProtocolFrame[] = [];
  for (const [index, body] of bodies.entries()) {
    const last = index === bodies.length - 1;
    const encoded = encoder.encode(state, { seq: index + 1, fence: 1, at: AT, body });
    ({ state } = encoded);
    frames.push(...encoded.frames);
    if (when === 'along' || last) frames.push(...(encoded.ending ?? []));
  }
  return { state, frames };
}

export function eventOf({ data }: ProtocolFrame): ResponseStreamEvent {
  const event: ResponseStreamEvent = JSON.parse(data);
  return event;
}

/** What the stock client makes of the frames. */
export function accumulated(frames: ProtocolFrame[]): Response {
  let response: Response | undefined;
  for (const frame of frames) response = accumulateResponse(eventOf(frame), response);
  if (!response) throw new Error('there was no frame');
  return response;
}
