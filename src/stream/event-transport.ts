/** Port: the event log of each generation. Append-only, dense from 1, one fence at a time may write. */

/** An entry as it is kept: `data` is the JSON text of the frame (with `seq` and `at`), the same bytes for ever. */
export interface StoredEvent {
  seq: number;
  fence: number;
  type: string;
  data: string;
}

export interface AppendRequest {
  generationId: string;
  fence: number;
  /** Sequence of the last entry before these; the first event is `expected + 1`. */
  expected: number;
  events: StoredEvent[];
  /** The last of the events is the terminal one: nothing can follow it. */
  final: boolean;
}

export type AppendResult =
  | { outcome: 'appended'; head: number }
  /** A newer driver fenced the log: this one may write no more. */
  | { outcome: 'stale_fence'; fence: number }
  /** The log is not where the writer believes. */
  | { outcome: 'out_of_sequence'; head: number }
  /** The terminal event is already there. */
  | { outcome: 'closed'; head: number }
  /** Dropped, or of a deleted conversation. */
  | { outcome: 'missing' };

export interface LogInfo {
  head: number;
  /** Sequence of the oldest entry kept; head + 1 if none is. */
  first: number;
  fence: number;
  closed: boolean;
}

export interface EventTransport {
  /** Makes an empty log (fence 0, head 0) unless there is one. */
  create(generationId: string): Promise<void>;
  /** Raises the fence of the log, never lowers it: after it older drivers can't append. */
  fence(
    generationId: string,
    fence: number,
  ): Promise<LogInfo | { outcome: 'stale_fence'; fence: number } | undefined>;
  /** All of the events or none; durable when it resolves. */
  append(request: AppendRequest): Promise<AppendResult>;
  info(generationId: string): Promise<LogInfo | undefined>;
  /** Entries after `after`, oldest first, at most `limit` and about `maxBytes` of data (at least one). */
  read(
    generationId: string,
    range: { after: number; limit: number; maxBytes: number },
  ): Promise<{ events: StoredEvent[]; info: LogInfo } | undefined>;
  /** Resolves with the ids whose head is beyond what the caller has (at once if one is), or [] when the signal aborts. */
  wait(have: ReadonlyMap<string, number>, signal: AbortSignal): Promise<string[]>;
  /** Removes the entries up to and with `upTo`; cursors before it will be answered with a reset. */
  trim(generationId: string, upTo: number): Promise<void>;
  /** Removes the log. Idempotent. */
  drop(generationId: string): Promise<void>;
  ping(): Promise<void>;
}
