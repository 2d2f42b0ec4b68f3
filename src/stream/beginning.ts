import {
  RunError,
  type AgentRunner,
  type RunRequest,
  type Standing,
} from '../agent/agent-runner.ts';
import type { ApprovalLifecycle } from '../hitl/approval-lifecycle.ts';
import { resolutionOf, resolvedEvent } from '../hitl/pending.ts';
import { hashOf } from '../lib/json.ts';
import { answeredBy } from './answered-by.ts';
import type { RunningJob } from './job.ts';
import type { LogView } from './log-view.ts';
import type { LogWriter } from './log-writer.ts';
import { whatStands } from './recovery.ts';

export interface Pen {
  view: LogView;
  writer: LogWriter;
}

export interface BeginningDeps {
  runner: Pick<AgentRunner, 'adopt'>;
  approvals: Pick<ApprovalLifecycle, 'settle'>;
}

/** Where the agent begins; what readers must know of it is in the log when it resolves. */
export async function begin(
  job: RunningJob,
  pen: Pen,
  { runner, approvals }: BeginningDeps,
): Promise<RunRequest['entry']> {
  if (job.entered === 'new') return { kind: 'start' };
  await approvals.settle(job);
  const { generationId, fence, answered } = job;
  const standing = await runner.adopt({ generationId, fence });
  // A log without what was answered has lost it, and what came before it as well.
  const short = answered !== null && !pen.view.fold.knowsAction(answered.action.actionId);
  if (short && standing.resumable) await tellWhatStands(pen, standing, job);
  await tellResolution(job, pen);
  if (job.entered === 'resumed') return resume(job, pen, standing);
  await tellWhatStands(pen, standing, job);
  return standing.resumable ? { kind: 'continue', ...answerOf(job) } : { kind: 'start' };
}

async function resume(
  job: RunningJob,
  { view, writer }: Pen,
  standing: Standing,
): Promise<RunRequest['entry']> {
  if (!standing.resumable) {
    throw new RunError('CHECKPOINT_LOST', 'What was approved can not be found any more.');
  }
  await writer.append({ type: 'segment', reason: 'resumed', keep: view.head.seq });
  return { kind: 'continue', ...answerOf(job) };
}

function answerOf({
  answered,
  resolutions,
}: RunningJob): Pick<Extract<RunRequest['entry'], { kind: 'continue' }>, 'answered'> {
  if (!answered || answered.interruptId === null) return {};
  const { action, interruptId } = answered;
  const verdict = resolutions.find((it) => it.actionId === action.actionId)?.verdict;
  return verdict ? { answered: { interruptId, action, verdict } } : {};
}

/** Whoever decided, or paused, may have died before the log had it. */
async function tellResolution(job: RunningJob, { view, writer }: Pen): Promise<void> {
  const action = job.answered?.action;
  if (action && !view.fold.knowsAction(action.actionId)) {
    await writer.append({ type: 'pending_action', action });
  }
  const open = view.fold.pendingAction;
  const resolution = open && resolutionOf(job, open.actionId);
  if (resolution) await writer.append(resolvedEvent(resolution));
}

/** After a crash: what the checkpoint lacks is withdrawn, and will be asked again. */
async function tellWhatStands(
  { view, writer }: Pen,
  standing: Standing,
  { spec }: RunningJob,
): Promise<void> {
  const { content, calls, keep } = whatStands(view.fold, standing, view.head.seq);
  const before = view.fold.state();
  const { message } = before;
  const by = answeredBy(spec, standing);
  if (by.agentId === message.agentId && hashOf(content) === hashOf(message.content)) return;
  const state = { ...before, status: 'running' as const, message: { ...message, ...by, content } };
  await writer.append({ type: 'segment', reason: 'recovered', keep, state, calls });
}
