import type { Job, JobError, LedgerEntry, PausedJob, RunningJob } from './job.ts';
import type { PendingAction } from './pending-action.ts';
import type { CommandOf, TransitionResult } from './transition-command.ts';
import {
  base,
  finalize,
  lease,
  moved,
  notOwn,
  own,
  queue,
  refused,
  unanswered,
} from './transition-parts.ts';
import { unheard } from './unheard.ts';

/** The steps of a driver and of those who take over from it: T1, T2, T3, T6–T10, T12–T14, T16. */

export function promote(job: Job, { after }: CommandOf<'promote'>): TransitionResult {
  if (job.status !== 'queued' || job.lane !== 'waiting') return refused('wrong_status');
  if (after === undefined || !job.input.follows) return moved({ ...job, lane: 'active' });
  // Turns that were sent at once, by way of two replicas, may not have seen each other.
  return moved({ ...job, lane: 'active', input: { ...job.input, parentMessageId: after } });
}

export function claim(job: Job, { actor }: CommandOf<'claim'>): TransitionResult {
  if (job.status !== 'queued') return refused('wrong_status');
  if (job.lane !== 'active') return refused('waiting');
  const running: RunningJob = {
    ...base(job),
    status: 'running',
    fence: job.fence + 1,
    lease: lease(actor),
    entered: job.reason,
    answered: job.answered,
    startedAt: job.startedAt ?? actor.now,
  };
  return moved(running);
}

export function heartbeat(job: Job, { fence, actor }: CommandOf<'heartbeat'>): TransitionResult {
  if (job.status !== 'running' && job.status !== 'finalizing') return refused('wrong_status');
  if (job.fence !== fence) return refused('stale_fence');
  return moved({ ...job, lease: lease(actor) });
}

export function toolStart(job: Job, { fence, entry }: CommandOf<'tool_start'>): TransitionResult {
  if (!own(job, fence)) return notOwn(job);
  const known = job.ledger.find((other) => other.toolCallId === entry.toolCallId);
  if (known?.result) return refused('wrong_status');
  if (known?.open && known.effects === 'unsafe') return refused('outcome_unknown');
  const started: LedgerEntry = {
    ...entry,
    starts: (known?.starts ?? 0) + 1,
    open: true,
    result: null,
  };
  const others = job.ledger.filter((other) => other !== known);
  return moved({ ...job, ledger: [...others, started] });
}

export function toolDone(
  job: Job,
  { toolCallId, result }: CommandOf<'tool_done'>,
): TransitionResult {
  if (job.status === 'finished') return refused('wrong_status');
  const known = job.ledger.find((entry) => entry.toolCallId === toolCallId);
  if (!known || known.result) return refused('wrong_status');
  const ledger = job.ledger.map((entry) =>
    entry === known ? { ...entry, open: false, result } : entry,
  );
  return moved({ ...job, ledger });
}

export function finish(
  job: Job,
  { fence, outcome, error, actor, logged, heard }: CommandOf<'finish'>,
): TransitionResult {
  if (!own(job, fence)) return notOwn(job);
  if (outcome === 'completed' && unheard(job, heard).length > 0) return refused('unheard');
  return moved(finalize(job, { outcome, error, actor, fence, logged }));
}

export function stop(
  job: Job,
  { type, actor, by }: CommandOf<'abort'> | CommandOf<'supersede'>,
): TransitionResult {
  if (job.status === 'finalizing' || job.status === 'finished') return refused('wrong_status');
  const outcome = type === 'abort' ? 'aborted' : 'superseded';
  const resolutions =
    job.status === 'paused'
      ? [...job.resolutions, unanswered(job, { outcome, by, now: actor.now })]
      : job.resolutions;
  return moved(
    finalize({ ...job, resolutions }, { outcome, error: null, actor, fence: job.fence + 1 }),
  );
}

const INTERRUPTED: JobError = {
  code: 'INTERRUPTED',
  message: 'The server stopped while it was answering, and could not go on.',
};

export function takeover(job: Job, command: CommandOf<'takeover'>): TransitionResult {
  const { actor, maxAttempts } = command;
  if (job.status !== 'running') return refused('wrong_status');
  if (command.fence !== undefined && command.fence !== job.fence) return refused('stale_fence');
  if (command.fence === undefined && job.lease.leaseUntil > actor.now) return refused('not_due');
  const fence = job.fence + 1;
  const unknown = job.ledger.filter((entry) => entry.open && entry.effects === 'unsafe');
  if (unknown.length > 0) return moved(askWhatHappened({ ...job, fence }, unknown, command));
  if (job.attempts < maxAttempts) {
    const next: Job = { ...job, fence, attempts: job.attempts + 1 };
    return moved(queue(next, 'recovered', { now: actor.now, answered: job.answered }));
  }
  return moved(finalize(job, { outcome: 'interrupted', error: INTERRUPTED, actor, fence }));
}

function askWhatHappened(
  job: RunningJob,
  unknown: LedgerEntry[],
  command: CommandOf<'takeover'>,
): PausedJob {
  const revision = job.revision + 1;
  const action: PendingAction = {
    kind: 'recovery',
    actionId: command.question.actionId,
    revision,
    generationId: job.generationId,
    conversationId: job.conversationId,
    createdAt: new Date(command.actor.now).toISOString(),
    expiresAt: command.question.expiresAt,
    requests: unknown.map(({ toolCallId, name, args, argsHash }) => ({
      toolCallId,
      name,
      args,
      argsHash,
      description: 'The server stopped while this call was running. It may have run.',
      allowedDecisions: ['retry', 'done', 'skip'],
    })),
  };
  return {
    ...base(job),
    status: 'paused',
    action,
    interruptId: null,
    answered: job.answered,
    lease: lease(command.actor),
    warnAt: command.question.warnAt,
    revision,
    logged: 0,
  };
}

export function takeFinalising(
  job: Job,
  { actor, fence }: CommandOf<'take_finalising'>,
): TransitionResult {
  if (job.status !== 'finalizing') return refused('wrong_status');
  if (fence !== undefined && fence !== job.fence) return refused('stale_fence');
  if (fence === undefined && job.lease.leaseUntil > actor.now) return refused('not_due');
  return moved({ ...job, fence: job.fence + 1, lease: lease(actor) });
}

export function close(job: Job, { fence, now, end }: CommandOf<'close'>): TransitionResult {
  if (job.status !== 'finalizing') return refused('wrong_status');
  if (job.fence !== fence) return refused('stale_fence');
  const { outcome, error } = job;
  return moved({ ...base(job), status: 'finished', outcome, error, finishedAt: now, end });
}

export function handOver(job: Job, { fence, now }: CommandOf<'hand_over'>): TransitionResult {
  if (!own(job, fence)) return notOwn(job);
  // Only the lease's end may take this over: T12 asks what became of the call.
  if (job.ledger.some((entry) => entry.open && entry.effects === 'unsafe')) {
    return refused('outcome_unknown');
  }
  return moved(queue(job, 'handed_over', { now, answered: job.answered }));
}
