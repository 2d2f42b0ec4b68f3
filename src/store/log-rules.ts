import type {
  AppendRequest,
  AppendResult,
  LogInfo,
  StoredEvent,
} from '../stream/event-transport.ts';

/** What every log must answer, whatever engine keeps it. Pure: the engine makes it atomic. */

export interface Judgement {
  result: AppendResult;
  /** The log after the call; the same object where nothing changed. */
  next: LogInfo | undefined;
}

export const EMPTY_LOG: LogInfo = { head: 0, fence: 0, closed: false };

/**
 * The order of the checks is part of the port. A newer fence is kept even where the append itself is refused: it
 * proves that the older drivers are replaced. `read` gives entries that are in the log.
 */
export function judgeAppend(
  log: LogInfo | undefined,
  request: AppendRequest,
  read: (after: number, limit: number) => readonly StoredEvent[],
): Judgement {
  if (!log) return { result: { outcome: 'missing' }, next: undefined };
  const { head, fence } = log;
  if (request.fence < fence) return { result: { outcome: 'stale_fence', fence }, next: log };
  const raised = request.fence > fence ? { ...log, fence: request.fence } : log;
  if (log.closed) return { result: { outcome: 'closed', head }, next: raised };
  if (isRepeat(request, head, read)) {
    return { result: { outcome: 'appended', head: lastOf(request) }, next: raised };
  }
  if (request.expected !== head) {
    return { result: { outcome: 'out_of_sequence', head }, next: raised };
  }
  const next = { ...raised, head: head + request.events.length, closed: request.final };
  return { result: { outcome: 'appended', head: next.head }, next };
}

const lastOf = ({ expected, events }: AppendRequest): number => expected + events.length;

/** Is all of it in the log already, byte for byte? Then its sender only does not know that it got through. */
export function isRepeat(
  request: AppendRequest,
  head: number,
  read: (after: number, limit: number) => readonly StoredEvent[],
): boolean {
  const { expected, events } = request;
  if (expected >= head || lastOf(request) > head) return false;
  const kept = read(expected, events.length);
  return events.every((event, index) => {
    const other = kept[index];
    return (
      other?.seq === event.seq &&
      other.fence === event.fence &&
      other.type === event.type &&
      other.data === event.data
    );
  });
}

/** Throws where the caller broke the port: such events would make a hole that no reader could get over. */
export function assertAppendable({ generationId, fence, expected, events }: AppendRequest): void {
  if (events.length === 0) throw new Error(`append without events to ${generationId}`);
  events.forEach((event, index) => {
    if (event.seq !== expected + index + 1) {
      throw new Error(`append to ${generationId}: event ${event.seq} is out of sequence`);
    }
    if (event.fence !== fence) throw new Error(`append to ${generationId}: event of another fence`);
  });
}

/** Collects events for one `read`: always at least one, then as long as both bounds hold. */
export class ReadBudget {
  readonly events: StoredEvent[] = [];
  #limit: number;
  #bytes: number;

  constructor(bounds: { limit: number; maxBytes: number }) {
    this.#limit = Math.max(1, bounds.limit);
    this.#bytes = bounds.maxBytes;
  }

  /** False: the event was not taken, nor may any after it be. */
  take(event: StoredEvent): boolean {
    const size = Buffer.byteLength(event.data);
    if (this.#limit === 0 || (this.events.length > 0 && size > this.#bytes)) return false;
    this.events.push(event);
    this.#limit -= 1;
    this.#bytes -= size;
    return true;
  }

  /** How many more events fit at most. */
  get left(): number {
    return this.#limit;
  }
}
