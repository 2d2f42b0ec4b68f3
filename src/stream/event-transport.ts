import type { Position } from './cursor.ts';

/** Port: the event log of each generation. Append-only, dense from 1, one fence at a time may write. */

/**
 * An entry as it is kept: `data` is the JSON text of the frame (with `seq` and `at`), the same bytes for ever. Of words, which
 * nearly all entries are, `word` says what it is made of: no store needs to take it apart.
 */
export interface StoredEvent {
  seq: number;
  fence: number;
  type: string;
  data: string;
  word?: Word;
}

/** A `text_delta` of the answer itself. */
export interface Word {
  /** ISO time with milliseconds, UTC. */
  at: string;
  part: number;
  /** As in JSON, between its quotes. */
  text: string;
}

/** The data of a word. */
export function wordData(seq: number, { at, part, text }: Word): string {
  return `{"seq":${seq},"at":"${at}","part":${part},"text":"${text}"}`;
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
  fence: number;
  closed: boolean;
}

export interface LogPage {
  generationIds: string[];
  /** Undefined: the round is over. */
  cursor: string | undefined;
}

/** Entries that were just appended. */
export interface LogNews {
  /** The entry before them; both 0: there is none. */
  after: Position;
  events: StoredEvent[];
}

/** The log is not where the listener believes: here is what it lacks, or (without `news`) it has to read. */
export type LogListener = (generationId: string, news?: LogNews) => void;

export interface LogWatch extends AsyncDisposable {
  /**
   * From now on the listener is told when the head of the log is another one than `head`, also if it is already. It
   * may be told late (at most one poll interval of the adapter), in vain or twice, never not at all. A log that lost
   * entries, or is gone, is reported as well.
   */
  follow(generationId: string, head: number): void;
  unfollow(generationId: string): void;
}

export interface EventTransport {
  /** Makes an empty log (fence 0, head 0) unless there is one. */
  create(generationId: string): Promise<void>;
  /** Raises the fence of the log, never lowers it: after it older drivers can't append. */
  fence(
    generationId: string,
    fence: number,
  ): Promise<LogInfo | { outcome: 'stale_fence'; fence: number } | undefined>;
  /**
   * All of the events or none; durable when it resolves. Where it rejects, nobody knows: the caller repeats it, and the
   * repeat of an append that got through, byte for byte, is `appended`.
   */
  append(request: AppendRequest): Promise<AppendResult>;
  info(generationId: string): Promise<LogInfo | undefined>;
  /** Entries after `after`, oldest first, at most `limit` and about `maxBytes` of data (at least one). */
  read(
    generationId: string,
    range: { after: number; limit: number; maxBytes: number },
  ): Promise<{ events: StoredEvent[]; info: LogInfo } | undefined>;
  /** Listens to the logs that it is told to follow, until it is disposed of. */
  watch(listener: LogListener): LogWatch;
  /** Removes the log as a whole: there is no other way for an entry to go. Idempotent. */
  drop(generationId: string): Promise<void>;
  /**
   * Of which generations there are logs, about `limit` at a time and in no order. `cursor`: as the call before ended
   * with it; undefined, there and here: the beginning. A round names each log that is there all the time, perhaps twice.
   */
  list(cursor: string | undefined, limit: number): Promise<LogPage>;
  ping(): Promise<void>;
}
