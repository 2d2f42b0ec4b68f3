import { RunError } from './agent-runner.ts';
import type { AnsweredPause, PauseRequest } from './agent-runner.ts';
import { idOf, isKeyOf, pauseFor, resumeValue, shows } from './interrupt-value.ts';
import type { ResumeValue } from './interrupt-value.ts';
import type { PendingInterrupt } from './pending-interrupts.ts';

/** How a segment begins, by what its checkpoint asks and what was answered. Pure. */

export type WayOn =
  /** Nothing to be answered, or the checkpoint has the answer: just go on. */
  | { go: 'on' }
  | { go: 'resume'; resume: Record<string, ResumeValue> }
  /** A question without an answer. */
  | { go: 'pause'; pause: PauseRequest };

/** One thing is asked at a time: the first. The others come back after its answer. */
export function pauseOf(pending: readonly PendingInterrupt[]): PauseRequest {
  const [first] = pending;
  if (!first)
    throw new RunError('PAUSE_UNSUPPORTED', 'This agent asks in a way that this server lacks.');
  const { id, value } = first;
  if (value.kind === 'unsupported') throw new RunError('PAUSE_UNSUPPORTED', value.fault);
  return pauseFor(id, value);
}

/** The same step has had this answer, and asks for something else by now. */
function asksAnew({ id, consumed, value }: PendingInterrupt, answered: AnsweredPause): boolean {
  const { action, interruptId } = answered;
  if (value.kind === 'unsupported') return true;
  if (value.kind === 'custom') return !isKeyOf(interruptId, id, value);
  return consumed.includes(action.actionId) && !shows(action, value);
}

function resume({ id, value }: PendingInterrupt, answered: AnsweredPause): WayOn {
  const shown = value.kind !== 'unsupported' && shows(answered.action, value);
  const given = shown ? resumeValue(answered, value) : undefined;
  if (given === undefined)
    throw new RunError('RESUME_MISMATCH', 'The answer is not to what the agent asks.');
  return { go: 'resume', resume: { [id]: given } };
}

/** An answer is given again where its step had not ended: LangGraph keeps it only together with the step's end. */
export function wayOn(
  pending: readonly PendingInterrupt[],
  answered: AnsweredPause | undefined,
): WayOn {
  const asking = answered && pending.find(({ id }) => id === idOf(answered.interruptId));
  if (answered && !asking) return { go: 'on' };
  if (answered && asking && !asksAnew(asking, answered)) return resume(asking, answered);
  return pending.length === 0 ? { go: 'on' } : { go: 'pause', pause: pauseOf(pending) };
}
