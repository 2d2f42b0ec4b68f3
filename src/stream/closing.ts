import { resolutionOf, resolvedEvent } from '../hitl/pending.ts';
import type { EventBody, Outcome } from './events.ts';
import type { MessageFold } from './fold.ts';
import type { FinalizingJob } from './job.ts';
import type { ToolCallPart } from './message.ts';

/**
 * The events that an answer lacks when it ends early: how its pending action ended, and a result for each open tool
 * call, so that readers' folds, the saved message and the history that providers get are all complete.
 */
export function closingEvents(fold: MessageFold, job: FinalizingJob): EventBody[] {
  return [...resolutionEvents(fold, job), ...resultEvents(fold, job)];
}

function resolutionEvents(fold: MessageFold, job: FinalizingJob): EventBody[] {
  const resolution = fold.pendingAction && resolutionOf(job, fold.pendingAction.actionId);
  return resolution ? [resolvedEvent(resolution)] : [];
}

const OPEN = new Set<ToolCallPart['status']>(['streaming', 'ready', 'waiting', 'running']);

const WHY: Record<Outcome, string> = {
  completed: 'the answer ended',
  aborted: 'the answer was stopped',
  failed: 'the answer failed',
  expired: 'nobody approved it in time',
  superseded: 'a new message took its place',
  interrupted: 'the server was interrupted',
};

function resultEvents(fold: MessageFold, job: FinalizingJob): EventBody[] {
  const events: EventBody[] = [];
  for (const part of fold.parts) {
    if (part.type !== 'tool_call' || !OPEN.has(part.status)) continue;
    const { toolCallId } = part;
    const entry = job.ledger.find((it) => it.toolCallId === toolCallId);
    if (entry?.result) events.push({ type: 'tool_result', toolCallId, ...entry.result });
    else if (entry?.open) {
      const output = `It is not known whether this call ran: ${WHY[job.outcome]}.`;
      events.push({ type: 'tool_result', toolCallId, status: 'outcome_unknown', output });
    } else {
      const output = `Not run: ${WHY[job.outcome]}.`;
      events.push({ type: 'tool_result', toolCallId, status: 'error', output });
    }
  }
  return events;
}
