import type { ToolResult } from '../agent/agent-runner.ts';
import { resolutionOf, resolvedEvent } from '../hitl/pending.ts';
import type { EventBody, Outcome } from './events.ts';
import type { MessageFold } from './fold.ts';
import type { FinalizingJob } from './job.ts';
import type { ToolCallPart } from './message.ts';
import { steeredIn, unheard } from './unheard.ts';

/**
 * The events that an answer lacks when it ends early: how its pending action ended, a result for each open tool call,
 * and what the user wrote that the agent never heard, so that readers' folds, the saved message and the history that
 * providers get are all complete.
 */
export function closingEvents(fold: MessageFold, job: FinalizingJob): EventBody[] {
  return placed(fold, [
    ...resolutionEvents(fold, job),
    ...resultEvents(fold, job),
    ...steeredEvents(fold, job),
  ]);
}

function resolutionEvents(fold: MessageFold, job: FinalizingJob): EventBody[] {
  const resolution = fold.pendingAction && resolutionOf(job, fold.pendingAction.actionId);
  return resolution ? [resolvedEvent(resolution)] : [];
}

function steeredEvents(fold: MessageFold, job: FinalizingJob): EventBody[] {
  const { parts, nextPart: part } = fold;
  return unheard(job, steeredIn(parts)).map(({ messageId, text }) => {
    return { type: 'steered', part, messageId, text, heard: false };
  });
}

/** New parts come behind those that are there. */
function placed(fold: MessageFold, events: readonly EventBody[]): EventBody[] {
  let part = fold.nextPart;
  return events.map((event) => {
    if (!('part' in event)) return event;
    const at = { ...event, part };
    part += 1;
    return at;
  });
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

/** A result that nobody told, behind what the call showed. */
function toldLate(
  fold: MessageFold,
  { toolCallId, path }: ToolCallPart,
  { status, output, attachments = [] }: ToolResult,
): EventBody[] {
  const has = new Set(
    fold.parts.map((part) => (part.type === 'attachment' ? part.url : undefined)),
  );
  const shown = attachments
    .filter(({ url }) => !has.has(url))
    .map((file) => ({ type: 'attachment', part: 0, ...file, ...(path && { path }) }) as const);
  return [...shown, { type: 'tool_result', toolCallId, status, output }];
}

function resultEvents(fold: MessageFold, job: FinalizingJob): EventBody[] {
  const events: EventBody[] = [];
  for (const part of fold.parts) {
    if (part.type !== 'tool_call' || !OPEN.has(part.status)) continue;
    const { toolCallId } = part;
    const entry = job.ledger.find((it) => it.toolCallId === toolCallId);
    if (entry?.result) events.push(...toldLate(fold, part, entry.result));
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
