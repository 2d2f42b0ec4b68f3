import { OPEN_POLICY } from '../../src/hitl/tool-policy.ts';
import type {
  FinalizingJob,
  FinishedJob,
  Job,
  PausedJob,
  QueuedJob,
  RunningJob,
  Steer,
} from '../../src/stream/job.ts';
import type { Change, JobStore, StoreResult } from '../../src/stream/job-store.ts';
import type { PendingAction } from '../../src/stream/pending-action.ts';
import { EPOCH } from './fake-clock.ts';

/** Records as a test needs them. Each builder takes what matters to the test and makes the rest up. */

let made = 0;

/** A new, active, queued job of `tenant/user` in a conversation of its own. */
export function aQueuedJob(overrides: Partial<QueuedJob> = {}): QueuedJob {
  made += 1;
  const generationId = overrides.generationId ?? `gen_${String(made).padStart(6, '0')}`;
  const messageId = `msg_${made}`;
  return {
    generationId,
    conversationId: `conv_${made}`,
    owner: { tenantId: 'tenant', userId: 'user' },
    idempotencyKey: `tenant/user/${messageId}`,
    request: { hash: 'hash', conversationId: null },
    input: {
      messageId,
      parentMessageId: null,
      text: 'hello',
      responseMessageId: `reply_${made}`,
      newConversation: true,
      follows: true,
      temporary: false,
    },
    spec: {
      agentId: 'demo',
      model: 'demo',
      fingerprint: 'fingerprint',
      parameters: {},
      maxSteps: 10,
      policy: { service: OPEN_POLICY, agent: OPEN_POLICY },
      timezone: null,
      anchor: '2026-01-01T00:00:00.000Z',
      route: { by: 'default' },
      files: [],
      metadata: {},
    },
    lane: 'active',
    fence: 0,
    version: 1,
    attempts: 0,
    revision: 0,
    ledger: [],
    resolutions: [],
    createdAt: EPOCH,
    startedAt: null,
    status: 'queued',
    reason: 'new',
    queuedAt: EPOCH,
    answered: null,
    ...overrides,
  };
}

/** The next version of `job`, with one more message that came while its answer was being made. */
export function steered<J extends Job>(job: J, idempotencyKey: string): J {
  made += 1;
  const steer: Steer = {
    messageId: `msg_${made}`,
    idempotencyKey,
    request: { hash: 'hash', conversationId: job.conversationId },
    text: 'and this',
    at: EPOCH,
  };
  return { ...job, steers: [...(job.steers ?? []), steer], version: job.version + 1 };
}

/** The next version of `job`, running under a lease. */
export function running(job: Job, leaseUntil = EPOCH + 20_000): RunningJob {
  const { base, next } = step(job);
  const lease = { driver: 'driver', leaseUntil };
  return { ...base, ...next, status: 'running', lease, entered: 'new', answered: null };
}

/** The next version of `job`, waiting for one approval that everybody knows of. */
export function paused(job: Job, expiresAt: number | null = null): PausedJob {
  const { base, next } = step(job);
  const action: PendingAction = {
    kind: 'tool_approval',
    actionId: `act_${job.generationId}`,
    revision: job.revision + 1,
    generationId: job.generationId,
    conversationId: job.conversationId,
    createdAt: new Date(EPOCH).toISOString(),
    expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    requests: [
      {
        toolCallId: 'call_1',
        name: 'send_email',
        args: { to: 'ann@example.com' },
        argsHash: 'hash',
        allowedDecisions: ['approve', 'reject'],
      },
    ],
  };
  const open = { interruptId: 'interrupt', answered: null, lease: null, warnAt: null, logged: 0 };
  return { ...base, ...next, status: 'paused', action, ...open, revision: action.revision };
}

/** The same, for what a graph asks in its own form. */
export function pausedByCustom(job: Job): PausedJob {
  const { action, ...rest } = paused(job);
  const { actionId, revision, generationId, conversationId, createdAt, expiresAt } = action;
  const head = { actionId, revision, generationId, conversationId, createdAt, expiresAt };
  const value = { '': [null, 1.5, true, '🐙'], $set: { 'a.b': {} } };
  const responseSchema = { $schema: 'x', properties: { $ref: { type: 'string' } } };
  const custom = { ...head, kind: 'custom' as const, value, responseSchema, path: ['call_1'] };
  return { ...rest, action: custom, interruptId: `${'0'.repeat(32)}#1` };
}

/** The next version of `job`, ended as completed and not yet announced. */
export function finalizing(job: Job, leaseUntil = EPOCH + 20_000): FinalizingJob {
  const { base, next } = step(job);
  const lease = { driver: 'driver', leaseUntil };
  return {
    ...base,
    ...next,
    status: 'finalizing',
    outcome: 'completed',
    error: null,
    logged: 0,
    lease,
    answered: null,
  };
}

/** The next version of `job`, over. */
export function finished(job: Job, finishedAt = EPOCH): FinishedJob {
  const { base, next } = step(job);
  const end = { fence: next.fence, seq: 2 };
  return {
    ...base,
    ...next,
    status: 'finished',
    outcome: 'completed',
    error: null,
    finishedAt,
    end,
  };
}

/** The next version of `job`, in the queue again at `queuedAt`. */
export function requeued(job: Job, queuedAt: number): QueuedJob {
  const { base, next } = step(job);
  return { ...base, ...next, status: 'queued', reason: 'recovered', queuedAt, answered: null };
}

/** Writes of which none may fail. */
export async function setAll(jobs: JobStore, changes: readonly Change[]): Promise<StoreResult[]> {
  return (await jobs.compareAndSetAll(changes)).map((result) => {
    if (result.outcome === 'failed') throw result.error;
    return result;
  });
}

type Base = Omit<QueuedJob, 'status' | 'reason' | 'queuedAt' | 'answered'>;

/** What every state keeps, and what every write moves on. */
function step(job: Job): { base: Base; next: { version: number; fence: number } } {
  const { generationId, conversationId, owner, idempotencyKey, request, input, spec } = job;
  const { lane, fence, version, attempts, revision, ledger, resolutions } = job;
  const { createdAt, startedAt } = job;
  const identity = { generationId, conversationId, owner, idempotencyKey, request, input, spec };
  const counts = { lane, fence, version, attempts, revision, ledger, resolutions };
  const steers = job.steers && { steers: job.steers };
  return {
    base: { ...identity, ...counts, ...steers, createdAt, startedAt },
    next: { version: version + 1, fence: fence + 1 },
  };
}
