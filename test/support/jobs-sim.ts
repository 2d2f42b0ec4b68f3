import { OPEN_POLICY } from '../../src/hitl/tool-policy.ts';
import type {
  Answered,
  FinalizingJob,
  FinishedJob,
  LedgerEntry,
  PausedJob,
  QueuedJob,
  RunningJob,
  Steer,
} from '../../src/stream/job.ts';
import type { Actor } from '../../src/stream/transition-command.ts';
import type {
  Decision,
  DecisionKind,
  PendingAction,
  Resolution,
  Verdict,
} from '../../src/stream/pending-action.ts';

/** Job records in every state, with times that are easy to reason about. */

/** When a lease taken by `actor()` is over. */
export const LEASE_END = 10_000;
/** When the coming expiry of actions made here is announced. */
export const WARNING = 40_000;
/** When the actions made here expire. */
export const EXPIRY = 50_000;

export const actor = (now = 0, driver = 'R0'): Actor => ({ driver, now, leaseTtl: LEASE_END });

const base = {
  generationId: 'gen_1',
  conversationId: 'conv_1',
  owner: { tenantId: 't', userId: 'u' },
  idempotencyKey: 't/u/k',
  request: { hash: 'h', conversationId: null },
  input: {
    messageId: 'm1',
    parentMessageId: null,
    text: 'hello',
    responseMessageId: 'm2',
    newConversation: true,
    follows: true,
    temporary: false,
  },
  spec: {
    agentId: 'demo',
    model: 'demo',
    fingerprint: 'f',
    parameters: {},
    maxSteps: 25,
    policy: { service: OPEN_POLICY, agent: OPEN_POLICY },
    timezone: null,
    anchor: '2026-01-01T00:00:00.000Z',
    route: { by: 'default' as const },
    files: [],
    metadata: {},
  },
  lane: 'active' as const,
  fence: 0,
  version: 1,
  attempts: 0,
  revision: 0,
  ledger: [],
  resolutions: [],
  createdAt: 0,
  startedAt: null,
};

export function steerOf(messageId: string, text = 'rather not'): Steer {
  const request = { hash: `of ${messageId}`, conversationId: 'conv_1' };
  return { messageId, idempotencyKey: `t/u/${messageId}`, request, text, at: 50 };
}

export function queuedJob(over: Partial<QueuedJob> = {}): QueuedJob {
  return { ...base, status: 'queued', reason: 'new', queuedAt: 0, answered: null, ...over };
}

export function runningJob(over: Partial<RunningJob> = {}): RunningJob {
  return {
    ...base,
    status: 'running',
    fence: 3,
    version: 7,
    startedAt: 5,
    lease: { driver: 'R0', leaseUntil: LEASE_END },
    entered: 'new',
    answered: null,
    ...over,
  };
}

/** Everybody knows of it, and no warning is due. */
export function pausedJob(over: Partial<PausedJob> = {}): PausedJob {
  return {
    ...base,
    status: 'paused',
    fence: 3,
    version: 7,
    revision: 1,
    startedAt: 5,
    action: approval('a1', 1),
    interruptId: 'i1',
    answered: null,
    lease: null,
    warnAt: null,
    logged: 0,
    ...over,
  };
}

export function finalizingJob(over: Partial<FinalizingJob> = {}): FinalizingJob {
  return {
    ...base,
    status: 'finalizing',
    fence: 3,
    version: 7,
    startedAt: 5,
    outcome: 'completed',
    error: null,
    logged: 0,
    lease: { driver: 'R0', leaseUntil: LEASE_END },
    answered: null,
    ...over,
  };
}

export function finishedJob(over: Partial<FinishedJob> = {}): FinishedJob {
  return {
    ...base,
    status: 'finished',
    fence: 3,
    version: 7,
    startedAt: 5,
    outcome: 'completed',
    error: null,
    finishedAt: 9,
    end: { fence: 3, seq: 12 },
    ...over,
  };
}

export function ledgerEntry(over: Partial<LedgerEntry> = {}): LedgerEntry {
  return { ...call('c1'), effects: 'unsafe', starts: 1, open: true, result: null, ...over };
}

export const call = (toolCallId: string) => ({
  toolCallId,
  name: 'send_email',
  args: {},
  argsHash: 'args',
});

const actionOf = (actionId: string, revision: number) => ({
  actionId,
  revision,
  generationId: base.generationId,
  conversationId: base.conversationId,
  createdAt: new Date(0).toISOString(),
  expiresAt: new Date(EXPIRY).toISOString(),
});

export function approval(
  actionId: string,
  revision: number,
  calls: readonly string[] = ['c1'],
): Extract<PendingAction, { kind: 'tool_approval' }> {
  return {
    ...actionOf(actionId, revision),
    kind: 'tool_approval',
    requests: calls.map((id) => ({
      ...call(id),
      allowedDecisions: ['approve', 'edit', 'reject', 'respond'],
    })),
  };
}

export function recovery(
  actionId: string,
  revision: number,
  calls: readonly string[] = ['c1'],
): Extract<PendingAction, { kind: 'recovery' }> {
  return {
    ...actionOf(actionId, revision),
    kind: 'recovery',
    requests: calls.map((id) => ({ ...call(id), allowedDecisions: ['retry', 'done', 'skip'] })),
  };
}

export function question(
  actionId: string,
  revision: number,
  ids: readonly string[] = ['q1'],
): Extract<PendingAction, { kind: 'ask_user_question' }> {
  return {
    ...actionOf(actionId, revision),
    kind: 'ask_user_question',
    questions: ids.map((id) => ({ id, question: `${id}?` })),
  };
}

/** What a graph asks in its own form. */
export function custom(
  actionId: string,
  revision: number,
): Extract<PendingAction, { kind: 'custom' }> {
  return { ...actionOf(actionId, revision), kind: 'custom', value: { pay: [1, null, 'two'] } };
}

/** An answer on its way to the agent. */
export const carried = (action: PendingAction, interruptId: string | null = 'i1'): Answered => ({
  action,
  interruptId,
});

export const said = (toolCallId: string, decision: DecisionKind): Decision => ({
  toolCallId,
  decision,
});

export function decided(
  actionId: string,
  verdict: Verdict,
  by = 'u',
): Resolution & { verdict: Verdict } {
  return {
    actionId,
    outcome: 'decided',
    verdict,
    verdictHash: 'v',
    decidedBy: by,
    decidedAt: new Date(0).toISOString(),
  };
}
