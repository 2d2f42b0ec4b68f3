import fc from 'fast-check';
import type { EventBody, LogEvent } from '../../src/stream/events.ts';
import type { Message, Usage } from '../../src/stream/message.ts';

export const GENERATION = 'gen_0000000000abcdef';
export const AT = '2026-01-01T00:00:00.000Z';

export function aUserMessage(text = 'hello'): Message {
  return {
    messageId: 'msg_user',
    conversationId: 'conv_1',
    parentMessageId: null,
    role: 'user',
    content: [{ type: 'text', text }],
    status: 'complete',
    agentId: 'demo',
    model: 'demo',
    createdAt: AT,
  };
}

export function created(generationId = GENERATION): EventBody {
  return {
    type: 'created',
    conversationId: 'conv_1',
    generationId,
    agentId: 'demo',
    model: 'demo',
    userMessage: aUserMessage(),
    responseMessageId: 'msg_answer',
  };
}

export function done(): EventBody {
  return {
    type: 'done',
    status: 'completed',
    message: {
      ...aUserMessage(),
      messageId: 'msg_answer',
      role: 'assistant',
      parentMessageId: 'msg_user',
    },
    conversation: {
      conversationId: 'conv_1',
      title: null,
      temporary: false,
      createdAt: AT,
      updatedAt: AT,
    },
    usage: null,
  };
}

/** Numbers bodies from 1, as the driver of `fence` would write them. */
export function logOf(bodies: readonly EventBody[], fence = 1, after = 0): LogEvent[] {
  return bodies.map((body, index) => ({ seq: after + index + 1, fence, at: AT, body }));
}

const TOKENS = { inputTokens: 1, outputTokens: 2, cacheRead: 0, reasoning: 0 };
export const USAGE: Usage = { ...TOKENS, contextUsed: 3, contextMax: null };

const word = fc.string({ minLength: 1, maxLength: 6, unit: 'grapheme' });

/** One step of an answer: what a model call or a tool adds, with parts numbered by the caller. */
const stepArb = fc.oneof(
  fc.record({
    kind: fc.constant('text' as const),
    words: fc.array(word, { minLength: 1, maxLength: 8 }),
  }),
  fc.record({
    kind: fc.constant('reasoning' as const),
    words: fc.array(word, { minLength: 1, maxLength: 8 }),
  }),
  fc.record({
    kind: fc.constant('tool' as const),
    words: fc.array(word, { minLength: 1, maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant('usage' as const), words: fc.constant<string[]>([]) }),
  fc.record({
    kind: fc.constant('title' as const),
    words: fc.array(word, { minLength: 1, maxLength: 1 }),
  }),
);

/** A whole answer: created, any mixture of steps, with or without an end. */
export const bodiesArb: fc.Arbitrary<EventBody[]> = fc
  .tuple(fc.array(stepArb, { maxLength: 12 }), fc.boolean())
  .map(([steps, ended]) => {
    const bodies: EventBody[] = [created()];
    let part = 0;
    for (const { kind, words } of steps) {
      if (kind === 'usage') {
        bodies.push({
          type: 'usage',
          call: TOKENS,
          total: TOKENS,
          contextUsed: 3,
          contextMax: null,
        });
      } else if (kind === 'title') bodies.push({ type: 'title', title: words.join('') });
      else {
        bodies.push(...partBodies(kind, words, part));
        part += 1;
      }
    }
    if (ended) bodies.push(done());
    return bodies;
  });

function partBodies(
  kind: 'text' | 'reasoning' | 'tool',
  words: string[],
  part: number,
): EventBody[] {
  if (kind === 'tool') {
    const toolCallId = `call_${part}`;
    return [
      { type: 'tool_call', part, toolCallId, name: 'add' },
      ...words.map((text): EventBody => ({ type: 'tool_args_delta', toolCallId, text })),
      { type: 'tool_ready', toolCallId, name: 'add', args: { words } },
      { type: 'tool_result', toolCallId, status: 'ok', output: words.join('') },
    ];
  }
  const type = kind === 'text' ? 'text_delta' : 'reasoning_delta';
  return words.map((text, index): EventBody => ({
    type,
    part,
    text,
    ...(index === 0 && { call: `model_${part}` }),
  }));
}
