import type { PauseRequest, Standing } from '../../src/agent/agent-runner.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import type { Decider, ResumeRequest, Started } from '../../src/stream/generations.ts';
import type { PendingAction } from '../../src/stream/pending-action.ts';
import { settle } from './fake-clock.ts';
import { ALICE, type Heart } from './heart.ts';

export const CLIENT = { address: '127.0.0.1', userAgent: 'test' };
export const AS_ALICE: Decider = { ...ALICE, roles: [], client: CLIENT };
export const AS_FINANCE: Decider = {
  tenantId: 't',
  userId: 'fin',
  roles: ['finance'],
  client: CLIENT,
};

interface Call {
  toolCallId: string;
  name: string;
  args: JsonObject;
}

export const CALLS: Call[] = [
  { toolCallId: 'c1', name: 'mail', args: { to: 'a' } },
  { toolCallId: 'c2', name: 'mail', args: { to: 'b' } },
];

export function approvalAsked(calls = CALLS): PauseRequest {
  const allowedDecisions = [
    'approve' as const,
    'edit' as const,
    'reject' as const,
    'respond' as const,
  ];
  const requests = calls.map((call) => ({ ...call, allowedDecisions, mayRemember: true }));
  return { kind: 'tool_approval', interruptId: 'i1', requests };
}

/** What the checkpoint of a paused run holds. */
export function standingAtPause(calls = CALLS): Standing {
  const call = { call: 'm0', reasoning: '', text: 'shall I', toolCalls: calls };
  return { resumable: true, calls: [call], results: [], steered: [] };
}

/** Lets the run say something, ask for its calls, and pause. */
export async function pauseRun(heart: Heart, asked = approvalAsked()): Promise<void> {
  const run = heart.runner.last;
  heart.runner.standing.set(run.request.generationId, standingAtPause());
  run.say('shall', ' I');
  for (const [index, { toolCallId, name, args }] of CALLS.entries()) {
    run.push({ type: 'event', body: { type: 'tool_call', part: index + 1, toolCallId, name } });
    run.push({ type: 'event', body: { type: 'tool_ready', toolCallId, name, args } });
  }
  run.push({ type: 'pause', pause: asked });
  await settle();
}

export async function startPaused(
  heart: Heart,
  asked = approvalAsked(),
): Promise<Started & { action: PendingAction }> {
  const started = await heart.start();
  await pauseRun(heart, asked);
  return { ...started, action: await pendingOf(heart, started.generationId) };
}

export async function pendingOf(heart: Heart, generationId: string): Promise<PendingAction> {
  const job = await heart.stores.jobs.get(generationId);
  if (job?.status !== 'paused') throw new Error(`not paused but ${job?.status}`);
  return job.action;
}

export function approveAll(generationId: string, actionId: string): ResumeRequest {
  const decisions = CALLS.map(({ toolCallId }) => ({ toolCallId, decision: 'approve' as const }));
  return { generationId, actionId, decisions };
}

export function rejectAll(generationId: string, actionId: string): ResumeRequest {
  const decisions = CALLS.map(({ toolCallId }) => ({ toolCallId, decision: 'reject' as const }));
  return { generationId, actionId, decisions };
}
