import { z } from 'zod';
import { AppError } from '../errors.ts';
import type { JsonObject } from '../lib/json.ts';
import { jsonObjectSchema } from './message.ts';
import type { GenerationStatus } from './events.ts';
import type { Job, Owner } from './job.ts';

export function sameOwner(a: Owner, b: Owner): boolean {
  return a.tenantId === b.tenantId && a.userId === b.userId;
}

/** The status as clients see it: a finished generation shows its outcome. */
export function publicStatus(job: Job): GenerationStatus {
  return job.status === 'finished' ? job.outcome : job.status;
}

const asJson = z.json().pipe(jsonObjectSchema);

/** Details of an error about a generation that is in the way. */
export function describeLive(job: Job): JsonObject {
  const { generationId } = job;
  const known = { generationId, status: publicStatus(job) };
  return job.status === 'paused' ? { ...known, pendingAction: asJson.parse(job.action) } : known;
}

export function conversationBusy(job: Job): AppError {
  return new AppError('CONVERSATION_BUSY', 'Another answer of this conversation is under way.', {
    details: describeLive(job),
  });
}
