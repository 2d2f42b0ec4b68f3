import type { Outcome } from './events.ts';
import type {
  Answered,
  FinalizingJob,
  Job,
  JobError,
  Lease,
  PausedJob,
  QueuedJob,
  QueueReason,
  RunningJob,
} from './job.ts';
import type { Resolution } from './pending-action.ts';
import type { Actor, Refusal, TransitionResult } from './transition-command.ts';

/** What the steps of the state table are made of. */

export const refused = (reason: Refusal): TransitionResult => ({ outcome: 'refused', reason });
export const moved = (job: Job): TransitionResult => ({
  outcome: 'moved',
  job: { ...job, version: job.version + 1 },
});
export const lease = ({ driver, now, leaseTtl }: Actor): Lease => ({
  driver,
  leaseUntil: now + leaseTtl,
});

/** The fields that every state has, without those of the state that is left. */
export function base(job: Job): Omit<QueuedJob, 'status' | 'reason' | 'queuedAt' | 'answered'> {
  return {
    generationId: job.generationId,
    conversationId: job.conversationId,
    owner: job.owner,
    idempotencyKey: job.idempotencyKey,
    request: job.request,
    input: job.input,
    spec: job.spec,
    lane: job.lane,
    fence: job.fence,
    version: job.version,
    attempts: job.attempts,
    revision: job.revision,
    ledger: job.ledger,
    resolutions: job.resolutions,
    ...(job.steers && { steers: job.steers }),
    createdAt: job.createdAt,
    startedAt: job.startedAt,
  };
}

export function queue(
  job: Job,
  reason: QueueReason,
  at: { now: number; answered: Answered | null },
): QueuedJob {
  return { ...base(job), status: 'queued', reason, queuedAt: at.now, answered: at.answered };
}

export function finalize(
  job: Job,
  ending: {
    outcome: Outcome;
    error: JobError | null;
    actor: Actor;
    fence: number;
    logged?: number;
  },
): FinalizingJob {
  const { outcome, error, actor, fence, logged = 0 } = ending;
  return {
    ...base(job),
    status: 'finalizing',
    outcome,
    error,
    fence,
    logged,
    lease: lease(actor),
    answered: lastAction(job),
  };
}

function lastAction(job: Job): Answered | null {
  if (job.status === 'paused') return { action: job.action, interruptId: job.interruptId };
  return 'answered' in job ? job.answered : null;
}

/** Most commands of a driver: running, and still its own. */
export function own(job: Job, fence: number): job is RunningJob {
  return job.status === 'running' && job.fence === fence;
}

export function notOwn(job: Job): TransitionResult {
  return refused(job.status === 'running' ? 'stale_fence' : 'wrong_status');
}

/** How a pending action ends that no person decided. */
export function unanswered(
  job: PausedJob,
  end: { outcome: Resolution['outcome']; by: string | null; now: number },
): Resolution {
  return {
    actionId: job.action.actionId,
    outcome: end.outcome,
    verdict: null,
    verdictHash: null,
    decidedBy: end.by,
    decidedAt: new Date(end.now).toISOString(),
  };
}
