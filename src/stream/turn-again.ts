import { AppError, notFound } from '../errors.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { AgainRequest } from './generations.ts';
import type { Again, Job } from './job.ts';
import type { JobStore } from './job-store.ts';
import type { Message } from './message.ts';
import { conversationBusy } from './owned.ts';

interface Deps {
  jobs: Pick<JobStore, 'liveOf'>;
  conversations: Pick<ConversationStore, 'message'>;
}

/** What is made again or gone on with, and by which agent unless another one is named. */
export interface AgainTurn {
  again: Again;
  agentId: string;
}

/** Throws NOT_FOUND; what can't be gone on with: INVALID_REQUEST, CONVERSATION_BUSY or ANSWER_COMPLETE. */
export async function againFor(deps: Deps, request: AgainRequest): Promise<AgainTurn> {
  const { conversationId, target } = request;
  // The record first: what ends in between is found among the messages.
  const live = (await deps.jobs.liveOf(conversationId)).find(
    ({ input }) => input.responseMessageId === target,
  );
  const stored = await deps.conversations.message(conversationId, target);
  const over = stored?.status === 'streaming' ? undefined : stored;
  if (!over && !live) throw notFound('message');
  const asked = over
    ? await questionOf(deps.conversations, over)
    : live && (await deps.conversations.message(conversationId, live.input.messageId));
  if (!asked) throw notFound('message');
  if (request.kind === 'continue') checkUnfinished(over, live);
  const agentId = over?.agentId ?? asked.agentId;
  return { again: { asked, continues: request.kind === 'continue' ? target : null }, agentId };
}

/** The user's message that an answer, or the answers that it goes on with, were given to; of a user's message itself. */
export async function questionOf(
  conversations: Deps['conversations'],
  message: Message,
): Promise<Message | undefined> {
  const seen = new Set<string>();
  let now: Message | undefined = message;
  while (now && now.role !== 'user') {
    const { conversationId, parentMessageId }: Message = now;
    if (parentMessageId === null || seen.has(parentMessageId)) return undefined;
    seen.add(parentMessageId);
    now = await conversations.message(conversationId, parentMessageId);
  }
  return now;
}

function checkUnfinished(answer: Message | undefined, live: Job | undefined): void {
  if (!answer && live) throw conversationBusy(live);
  if (answer?.role === 'user') {
    throw new AppError('INVALID_REQUEST', '`messageId` must name an answer.');
  }
  if (answer?.status !== 'unfinished') {
    throw new AppError(
      'ANSWER_COMPLETE',
      'This answer is complete: there is nothing to go on with.',
    );
  }
}

/** What the user said, without attachments. */
export function saidIn({ content }: Message): string {
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}
