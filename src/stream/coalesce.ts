import type { EventBody, LogEvent } from './events.ts';

/** Longest run of deltas that one frame may carry, in UTF-16 units: a reader's buffer stays bounded. */
export const MAX_RUN = 64 * 1024;

/** Do these two follow each other in one content part? */
function continues(run: EventBody, next: EventBody): boolean {
  if (run.type === 'tool_args_delta') {
    return next.type === run.type && next.toolCallId === run.toolCallId;
  }
  if (run.type !== 'text_delta' && run.type !== 'reasoning_delta') return false;
  return next.type === run.type && next.part === run.part;
}

function fits(run: EventBody, next: EventBody): boolean {
  if (!('text' in run) || !('text' in next) || !continues(run, next)) return false;
  return run.text.length + next.text.length <= MAX_RUN;
}

/**
 * The log for somebody who starts at its beginning: consecutive deltas of one part are one event that has the
 * sequence, fence and time of the last of them. Grows with the log, so that a replay costs no second look at it.
 */
export class CoalescedLog {
  readonly #runs: LogEvent[] = [];
  /** The last run is a copy, made to be added to. */
  #growing = false;

  /** Oldest first; only the last of them can still grow. */
  get runs(): readonly LogEvent[] {
    return this.#runs;
  }

  push(event: LogEvent): void {
    const last = this.#runs.at(-1);
    if (last && fits(last.body, event.body)) return this.#add(last, event);
    this.#runs.push(event);
    this.#growing = false;
  }

  #add(last: LogEvent, event: LogEvent): void {
    const run = this.#growing ? last : { ...last, body: { ...last.body } };
    if (!this.#growing) this.#runs[this.#runs.length - 1] = run;
    this.#growing = true;
    run.seq = event.seq;
    run.fence = event.fence;
    run.at = event.at;
    if ('text' in run.body && 'text' in event.body) run.body.text += event.body.text;
  }
}

export function coalesce(events: Iterable<LogEvent>): readonly LogEvent[] {
  const log = new CoalescedLog();
  for (const event of events) log.push(event);
  return log.runs;
}
