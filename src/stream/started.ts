import { AppError } from '../errors.ts';
import type { Started, StartRequest } from './generations.ts';
import type { Job, Owner, Steer } from './job.ts';

/** What a caller is told of a turn, and of one that it sends again. */

export type Repeat = Pick<StartRequest, 'bodyHash' | 'conversationId'> & { key: string };

export function keyOf(owner: Owner, key: string): string {
  return [owner.tenantId, owner.userId, key].map((part) => encodeURIComponent(part)).join('/');
}

/** A repeat gets the first one's ids; the same key for something else is a conflict. */
export function attach(job: Job, { key, bodyHash, conversationId }: Repeat): Started {
  const steer = job.steers?.find((it) => it.idempotencyKey === key);
  const first = (steer ?? job).request;
  // Who began without a conversation may repeat with the id that the first answer gave.
  const sameConversation =
    first.conversationId === (conversationId ?? null) ||
    (first.conversationId === null && conversationId === job.conversationId);
  if (first.hash !== bodyHash || !sameConversation) {
    throw new AppError('IDEMPOTENCY_CONFLICT', 'This key was used for another message.', {
      details: { generationId: job.generationId },
    });
  }
  return steer ? steered(job, steer, 'attached') : started(job, 'attached');
}

export function started(job: Job, status: Started['status']): Started {
  const { generationId, conversationId, input } = job;
  const { messageId, responseMessageId } = input;
  return {
    generationId,
    streamId: generationId,
    conversationId,
    messageId,
    responseMessageId,
    status,
  };
}

export function steered(
  job: Job,
  { messageId }: Pick<Steer, 'messageId'>,
  status: 'steered' | 'attached',
): Started {
  return { ...started(job, status), messageId };
}
