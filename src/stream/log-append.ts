import type { FileRef } from '../agent/run-spec.ts';
import type { EventBody, LogEvent } from './events.ts';
import type { AppendResult, EventTransport } from './event-transport.ts';
import { toStored } from './frame.ts';
import type { Job } from './job.ts';
import type { Message, MessagePart } from './message.ts';

export interface AppendPlace {
  generationId: string;
  fence: number;
  /** Sequence of the last entry. */
  head: number;
  /** ISO time. */
  at: string;
}

/** Appends a few events outside of a driver; `done` closes the log. */
export function appendAt(
  transport: EventTransport,
  place: AppendPlace,
  bodies: readonly EventBody[],
): Promise<AppendResult> {
  const { generationId, fence, head, at } = place;
  const events = bodies.map((body, index) => {
    const event: LogEvent = { seq: head + 1 + index, fence, at, body };
    return toStored(event);
  });
  const final = bodies.at(-1)?.type === 'done';
  return transport.append({ generationId, fence, expected: head, events, final });
}

function attachmentOf({ fileId, name, mediaType }: FileRef): MessagePart {
  return { type: 'attachment', name, mediaType, url: `/api/files/${fileId}` };
}

/** The user's message, from the record that is the first to be durable. */
export function userMessage(job: Job): Message {
  const { input, spec, conversationId, createdAt } = job;
  if (input.again) return input.again.asked;
  return {
    messageId: input.messageId,
    conversationId,
    parentMessageId: input.parentMessageId,
    role: 'user',
    content: [{ type: 'text', text: input.text }, ...spec.files.map(attachmentOf)],
    status: 'complete',
    agentId: spec.agentId,
    model: spec.model,
    createdAt: new Date(createdAt).toISOString(),
  };
}

/** The first event of every log. */
export function createdEvent(job: Job): EventBody {
  const continues = job.input.again?.continues ?? null;
  return {
    type: 'created',
    conversationId: job.conversationId,
    generationId: job.generationId,
    agentId: job.spec.agentId,
    model: job.spec.model,
    userMessage: userMessage(job),
    responseMessageId: job.input.responseMessageId,
    route: job.spec.route,
    ...(continues !== null && { parentMessageId: continues }),
  };
}
