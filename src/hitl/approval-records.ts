import { hashOf, type Json, type JsonObject } from '../lib/json.ts';
import { jsonObjectSchema } from '../stream/message.ts';
import type { Job, PausedJob } from '../stream/job.ts';
import type { PendingAction, Resolution } from '../stream/pending-action.ts';
import type { ApprovalRecord, AuditEntry, OutboxItem, WebhookEvent } from './approval-store.ts';
import type { StandingRule } from './standing-rules.ts';
import { askerOf, decidersOf, policyFor } from './deciders.ts';

/** What is written down of an approval: pure, from the job. */

/** Plain JSON of something that is JSON by its schema. */
function json(value: object): JsonObject {
  return jsonObjectSchema.parse(JSON.parse(JSON.stringify(value)));
}

export function approvalOf(job: PausedJob): ApprovalRecord {
  const { roles, fourEyes } = decidersOf(job.spec, job.action);
  return {
    actionId: job.action.actionId,
    generationId: job.generationId,
    conversationId: job.conversationId,
    owner: job.owner,
    approverRoles: roles,
    fourEyes,
    status: 'pending',
    action: job.action,
  };
}

function asked(action: PendingAction): JsonObject {
  if (action.kind === 'ask_user_question') return json({ questions: action.questions });
  if (action.kind === 'custom')
    return json({ value: action.value, valueHash: hashOf(action.value) });
  const proposed = action.requests.map(({ toolCallId, name, args, argsHash }) => ({
    toolCallId,
    name,
    args,
    argsHash,
  }));
  return json({ proposed });
}

export function proposedEntry(job: PausedJob): AuditEntry {
  const { action, spec } = job;
  return {
    at: action.createdAt,
    event: 'proposed',
    by: null,
    client: null,
    details: {
      kind: action.kind,
      agentId: askerOf(spec, action),
      route: json(spec.route),
      policy: hashOf(policyFor(spec, action)),
      ...asked(action),
    },
  };
}

/** Arguments as approved stand beside those that were proposed, never in their place. */
export function resolvedEntry(
  job: Job,
  resolution: Resolution,
  action: PendingAction | undefined,
): AuditEntry {
  const { outcome, verdict, decidedBy, decidedAt, client } = resolution;
  return {
    at: decidedAt,
    event: outcome,
    by: decidedBy,
    client: client ?? null,
    details: {
      policy: hashOf(policyFor(job.spec, action)),
      ...(verdict && verdictDetails(verdict, action)),
    },
  };
}

function verdictDetails(
  verdict: NonNullable<Resolution['verdict']>,
  action: PendingAction | undefined,
): JsonObject {
  if ('answers' in verdict) return json({ answers: verdict.answers });
  if ('response' in verdict) return json({ response: verdict.response });
  const requests = action && 'requests' in action ? action.requests : [];
  const decisions = verdict.decisions.map((decision) => {
    const { toolCallId, editedArgs } = decision;
    const proposed = requests.find((request) => request.toolCallId === toolCallId)?.args;
    const approved =
      decision.decision === 'edit'
        ? editedArgs
        : decision.decision === 'approve'
          ? proposed
          : undefined;
    return approved
      ? { ...decision, approvedArgs: approved, argsHash: hashOf(approved) }
      : decision;
  });
  return json({ decisions });
}

/** Standing rules that the decisions make: for approvals that are to hold beyond this once. */
export function rulesMadeBy(
  job: Job,
  resolution: Resolution,
  action: PendingAction,
): StandingRule[] {
  const { verdict, decidedAt } = resolution;
  if (!verdict || !('decisions' in verdict) || action.kind !== 'tool_approval') return [];
  return verdict.decisions.flatMap(({ toolCallId, decision, scope }, index) => {
    const request = action.requests.find((it) => it.toolCallId === toolCallId);
    const approved = decision === 'approve' || decision === 'edit';
    if (!request || !approved || scope === undefined || scope === 'once') return [];
    return [
      {
        ruleId: `rule_${action.actionId.slice('act_'.length)}_${index}`,
        tool: request.name,
        conditions: {},
        conversationId: scope === 'conversation' ? job.conversationId : null,
        agentId: askerOf(job.spec, action),
        createdAt: decidedAt,
        actionId: action.actionId,
      },
    ];
  });
}

/** What a webhook tells: never a text or an argument. */
export function webhookItem(
  event: WebhookEvent,
  job: Job,
  of: { key: string; now: number; facts: { [key: string]: Json } },
): Pick<OutboxItem, 'id' | 'event' | 'createdAt' | 'payload'> {
  const { generationId, conversationId, owner, spec } = job;
  const { tenantId, userId } = owner;
  return {
    id: `${of.key}:${event}`,
    event,
    createdAt: of.now,
    payload: { generationId, conversationId, tenantId, userId, agentId: spec.agentId, ...of.facts },
  };
}

export function actionFacts(action: PendingAction): JsonObject {
  const { actionId, kind, expiresAt } = action;
  const tools = 'requests' in action ? action.requests.map((request) => request.name) : [];
  return { actionId, kind, expiresAt, tools };
}
