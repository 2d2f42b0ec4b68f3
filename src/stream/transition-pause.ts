import type { Job, JobError, LedgerEntry } from './job.ts';
import type { Decision, PendingAction, Verdict } from './pending-action.ts';
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

/** The steps around a pause: T4, T5, T11, T15, T17. */

export function pause(
  job: Job,
  { fence, pause: asked, actor, logged }: CommandOf<'pause'>,
): TransitionResult {
  if (!own(job, fence)) return notOwn(job);
  const { revision } = asked.action;
  if (revision !== job.revision + 1) return refused('stale_action');
  return moved({
    ...base(job),
    ...asked,
    status: 'paused',
    answered: null,
    lease: lease(actor),
    revision,
    logged,
  });
}

export function announced(job: Job, { actionId }: CommandOf<'announced'>): TransitionResult {
  if (job.status !== 'paused' || job.lease === null) return refused('wrong_status');
  if (job.action.actionId !== actionId) return refused('stale_action');
  return moved({ ...job, lease: null });
}

export function warned(job: Job, { actionId }: CommandOf<'warned'>): TransitionResult {
  if (job.status !== 'paused' || job.warnAt === null) return refused('wrong_status');
  if (job.action.actionId !== actionId) return refused('stale_action');
  return moved({ ...job, warnAt: null });
}

export function restoreLog(job: Job, { actionId }: CommandOf<'restore_log'>): TransitionResult {
  if (job.status !== 'paused') return refused('wrong_status');
  if (job.action.actionId !== actionId) return refused('stale_action');
  return moved({ ...job, fence: job.fence + 1, logged: 0 });
}

/** Does the verdict answer each call or question once, and nothing else? */
export function answersAll(action: PendingAction, verdict: Verdict): boolean {
  if (action.kind === 'custom') return 'response' in verdict;
  if (action.kind === 'ask_user_question') {
    const asked = action.questions.map((question) => question.id);
    return 'answers' in verdict && sameIds(asked, Object.keys(verdict.answers));
  }
  const asked = action.requests.map((request) => request.toolCallId);
  const given = 'decisions' in verdict ? verdict.decisions.map((it) => it.toolCallId) : undefined;
  return given !== undefined && sameIds(asked, given);
}

function sameIds(asked: string[], given: string[]): boolean {
  return given.length === asked.length && asked.every((id) => given.includes(id));
}

/** What a person said about calls with unknown outcome: retry clears the entry, done and skip make it a fact. */
function settle(ledger: LedgerEntry[], decisions: Decision[]): LedgerEntry[] {
  return ledger.map((entry) => {
    const said = decisions.find((decision) => decision.toolCallId === entry.toolCallId);
    // A result that came meanwhile is a fact, whatever was decided.
    if (!said || entry.result) return entry;
    switch (said.decision) {
      case 'retry':
        return { ...entry, open: false };
      case 'done':
        return { ...entry, open: false, result: { status: 'ok', output: said.responseText ?? '' } };
      case 'skip':
        return { ...entry, open: false, result: { status: 'outcome_unknown', output: SKIPPED } };
      case 'approve':
      case 'edit':
      case 'reject':
      case 'respond':
        return entry;
      default:
        return said.decision satisfies never;
    }
  });
}

const SKIPPED = 'It is not known whether this call ran. It was not run again.';

export function decide(job: Job, { resolution, now }: CommandOf<'decide'>): TransitionResult {
  if (job.status !== 'paused') return refused('wrong_status');
  const { action } = job;
  if (action.actionId !== resolution.actionId) return refused('stale_action');
  if (!answersAll(action, resolution.verdict)) return refused('not_answered');
  const decisions = 'decisions' in resolution.verdict ? resolution.verdict.decisions : [];
  const recovery = action.kind === 'recovery';
  const decided: Job = {
    ...job,
    ledger: recovery ? settle(job.ledger, decisions) : job.ledger,
    resolutions: [...job.resolutions, resolution],
  };
  // The answer of an earlier pause may not have reached the agent when the driver died: a recovery keeps it.
  return moved(
    queue(decided, recovery ? 'recovered' : 'resumed', {
      now,
      answered: recovery ? job.answered : { action, interruptId: job.interruptId },
    }),
  );
}

export function expire(
  job: Job,
  { actionId, policy, actor }: CommandOf<'expire'>,
): TransitionResult {
  if (job.status !== 'paused') return refused('wrong_status');
  const { action } = job;
  if (action.actionId !== actionId) return refused('stale_action');
  if (action.expiresAt === null || Date.parse(action.expiresAt) > actor.now)
    return refused('not_due');
  const resolution = unanswered(job, { outcome: 'expired', by: null, now: actor.now });
  const fence = job.fence + 1;
  if (policy === 'reject' && action.kind === 'tool_approval') {
    const decisions = action.requests.map(({ toolCallId }): Decision => ({
      toolCallId,
      decision: 'reject',
      reason: 'The request expired.',
    }));
    const rejected: Job = {
      ...job,
      fence,
      resolutions: [...job.resolutions, { ...resolution, verdict: { decisions } }],
    };
    return moved(
      queue(rejected, 'resumed', {
        now: actor.now,
        answered: { action, interruptId: job.interruptId },
      }),
    );
  }
  const expired: Job = { ...job, resolutions: [...job.resolutions, resolution] };
  return moved(finalize(expired, { outcome: 'expired', error: EXPIRED, actor, fence }));
}

const EXPIRED: JobError = { code: 'ACTION_EXPIRED', message: 'Nobody answered in time.' };
export function lateResult(job: Job, { now }: CommandOf<'late_result'>): TransitionResult {
  if (job.status !== 'paused' || job.action.kind !== 'recovery') return refused('wrong_status');
  const open = job.ledger.some((entry) => entry.open && entry.effects === 'unsafe');
  if (open) return refused('not_due');
  const resolution = unanswered(job, { outcome: 'decided', by: null, now });
  const closed: Job = { ...job, resolutions: [...job.resolutions, resolution] };
  return moved(queue(closed, 'recovered', { now, answered: job.answered }));
}
