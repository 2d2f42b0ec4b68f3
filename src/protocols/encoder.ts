import type { LogEvent } from '../stream/events.ts';

/** One data frame of a protocol: `event` where the protocol names its events, `data` on one line. */
export interface ProtocolFrame {
  event?: string;
  data: string;
  /** Its number, where the protocol numbers its frames; numbers only rise. */
  n?: number;
}

export interface Encoded<S> {
  state: S;
  /** What the event becomes, in order; [] where the protocol has no word for it. */
  frames: ProtocolFrame[];
  /**
   * Here a response may end, after these frames too: at the terminal event it does, at a pause only while nothing
   * has followed yet. A reader who comes later goes past it.
   */
  ending?: ProtocolFrame[];
}

/**
 * A protocol as a fold over the log: pure, so that the same log yields the same frames for every reader, on every
 * replica, however often it was cut. It is given every event from the first one, in order, whatever the reader has.
 */
export interface Encoder<S> {
  initial: S;
  encode(state: S, event: LogEvent): Encoded<S>;
}
