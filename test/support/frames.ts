import { z } from 'zod';
import { eventBodySchema, streamStateSchema, type LogEvent } from '../../src/stream/events.ts';
import { foldEvents } from '../../src/stream/fold.ts';
import type { StreamState } from '../../src/stream/events.ts';

export interface Frame {
  id: string;
  event: string;
  data: Record<string, unknown> & { seq: number; at: string };
}

const dataSchema = z.looseObject({ seq: z.number(), at: z.string() });

/** Whole frames as the server writes them. */
export function parseFrames(text: string): Frame[] {
  const blocks = text.split('\n\n');
  if (blocks.pop() !== '') throw new Error('half a frame');
  return blocks.map((block) => {
    const [, id = '', event = '', data = ''] =
      /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(block) ?? [];
    return { id, event, data: dataSchema.parse(JSON.parse(data)) };
  });
}

/** What a client that follows the protocol has after these frames. Throws where sequences have a gap or go back. */
export function stateOf(frames: readonly Frame[]): StreamState {
  let log: LogEvent[] = [];
  let state: StreamState | undefined;
  let last = 0;
  for (const { event, data } of frames) {
    const { seq, at, ...body } = data;
    if (event === 'sync' || event === 'reset') {
      state = streamStateSchema.parse(body['state']);
      log = [];
      last = seq;
      continue;
    }
    if (seq <= last) throw new Error(`${seq} after ${last}`);
    last = seq;
    log.push({ seq, fence: 0, at, body: eventBodySchema.parse({ type: event, ...body }) });
  }
  return foldEvents(state ? [...startOf(state), ...log] : log).state();
}

/** A snapshot as a log that makes it. */
function startOf(state: StreamState): LogEvent[] {
  const { message } = state;
  const user = {
    ...message,
    messageId: message.parentMessageId ?? '',
    role: 'user' as const,
    content: [],
  };
  return [
    {
      seq: 0,
      fence: 0,
      at: message.createdAt,
      body: {
        type: 'created',
        conversationId: state.conversationId,
        generationId: state.generationId,
        agentId: message.agentId,
        model: message.model,
        userMessage: user,
        responseMessageId: message.messageId,
      },
    },
    {
      seq: 0,
      fence: 0,
      at: message.createdAt,
      body: { type: 'segment', reason: 'recovered', keep: 0, state },
    },
  ];
}
