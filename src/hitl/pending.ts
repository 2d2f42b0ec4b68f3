import type { PauseRequest } from '../agent/agent-runner.ts';
import type { Ids } from '../lib/ids.ts';
import { hashOf } from '../lib/json.ts';
import { policyFor } from './deciders.ts';
import type { RunPolicy } from './tool-policy.ts';
import type { Job, PausedJob } from '../stream/job.ts';
import type { PendingAction, Resolution } from '../stream/pending-action.ts';
import type { Actor, CommandOf, NewPause, RecoveryQuestion } from '../stream/transition-command.ts';

/** Milliseconds. */
export interface ExpirySettings {
  approvalTtl: number;
  warnBefore: number;
}

interface Times {
  expiresAt: string | null;
  warnAt: number | null;
}

/** When an action that begins now expires, by the agent's policy. */
function timesOf(
  { agent, service }: RunPolicy,
  now: number,
  { approvalTtl, warnBefore }: ExpirySettings,
): Times {
  if (agent.onExpiry === 'never') return { expiresAt: null, warnAt: null };
  const ttl = agent.ttlMs ?? service.ttlMs ?? approvalTtl;
  const expires = now + ttl;
  const warn = expires - warnBefore;
  return { expiresAt: new Date(expires).toISOString(), warnAt: warn > now ? warn : null };
}

/** The action for what the agent asks. */
export function newPause(
  job: Job,
  asked: PauseRequest,
  at: { now: number; ids: Ids; settings: ExpirySettings },
): NewPause {
  const policy = policyFor(job.spec, asked);
  const { expiresAt, warnAt } = timesOf(policy, at.now, at.settings);
  const head = {
    actionId: at.ids.sortable('act'),
    revision: job.revision + 1,
    generationId: job.generationId,
    conversationId: job.conversationId,
    createdAt: new Date(at.now).toISOString(),
    expiresAt,
    ...(asked.agentId !== undefined && { agentId: asked.agentId }),
  };
  const { interruptId } = asked;
  if (asked.kind === 'ask_user_question') {
    const { kind, questions } = asked;
    return { action: { ...head, kind, questions }, interruptId, warnAt };
  }
  if (asked.kind === 'custom') {
    const { interruptId: _id, ...custom } = asked;
    return { action: { ...head, ...custom }, interruptId, warnAt };
  }
  const requests = asked.requests.map((request) => ({
    ...request,
    argsHash: hashOf(request.args),
  }));
  return { action: { ...head, kind: 'tool_approval', requests }, interruptId, warnAt };
}

export function recoveryQuestion(
  job: Job,
  at: { now: number; ids: Ids; settings: ExpirySettings },
): RecoveryQuestion {
  return { actionId: at.ids.sortable('act'), ...timesOf(job.spec.policy, at.now, at.settings) };
}

export function isExpired(action: PendingAction, now: number): boolean {
  return action.expiresAt !== null && Date.parse(action.expiresAt) <= now;
}

/** T11, by the agent's policy. */
export function expireCommand(job: PausedJob, actor: Actor): CommandOf<'expire'> {
  const policy = policyFor(job.spec, job.action).agent.onExpiry === 'reject' ? 'reject' : 'fail';
  return { type: 'expire', actionId: job.action.actionId, policy, actor };
}

export function resolutionOf(job: Job, actionId: string): Resolution | undefined {
  return job.resolutions.find((resolution) => resolution.actionId === actionId);
}

/** The event by which every reader learns how an action ended. */
export function resolvedEvent({ actionId, outcome, verdict, decidedBy, decidedAt }: Resolution) {
  return { type: 'action_resolved' as const, actionId, outcome, ...verdict, decidedBy, decidedAt };
}
