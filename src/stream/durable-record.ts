import { publicConversation, type ConversationStore } from './conversation-store.ts';
import { formatCursor, type Cursor } from './cursor.ts';
import type { LogEvent, ResetReason, StreamState } from './events.ts';
import { doneEvent } from './finaliser.ts';
import { frameOf, syncFrame, toStored } from './frame.ts';
import type { FinishedJob } from './job.ts';
import type { Message } from './message.ts';

/** What stays readable of a generation when its log is gone: the message and how it ended. */
export interface DurableRecord {
  job: FinishedJob;
  state: StreamState;
  /** One `reset` with the final message, then `done`. */
  frames(reason: ResetReason): Uint8Array;
}

/** Undefined: the conversation was deleted. */
export async function readDurableRecord(
  conversations: Pick<ConversationStore, 'get' | 'message'>,
  job: FinishedJob,
): Promise<DurableRecord | undefined> {
  const conversation = await conversations.get(job.conversationId);
  const message = await conversations.message(job.conversationId, job.input.responseMessageId);
  if (!conversation || !message) return undefined;
  const { generationId, end } = job;
  const at = new Date(job.finishedAt).toISOString();
  const state = stateOf(job, message, conversation.title);
  return {
    job,
    state,
    frames(reason) {
      const upTo = { fence: end.fence, seq: end.seq - 1 };
      const body = doneEvent(message, job, publicConversation(conversation));
      const done: LogEvent = { ...end, at, body };
      const reset = syncFrame(generationId, upTo, { state, reason, at });
      return Buffer.from(reset + frameOf(generationId, toStored(done)));
    },
  };
}

function stateOf(job: FinishedJob, message: Message, title: string | null): StreamState {
  return {
    generationId: job.generationId,
    conversationId: job.conversationId,
    status: job.outcome,
    message,
    ...(message.usage && { usage: message.usage }),
    ...(title !== null && { title }),
  };
}

/** Does the reader have the terminal event already? */
export function isAtEnd(job: FinishedJob, cursor: Cursor): boolean {
  return cursor.fence === job.end.fence && cursor.seq === job.end.seq;
}

export function endCursor(job: FinishedJob): string {
  return formatCursor(job.generationId, job.end);
}
