import type {
  AppendRequest,
  EventTransport,
  StoredEvent,
} from '../../src/stream/event-transport.ts';

/** What the parts of the transport suite share. */

/** The log of the running test. */
export interface UnderTest {
  readonly log: EventTransport;
}

export const NO_BOUND = { limit: 1_000_000, maxBytes: 1_000_000_000 };
export const G = 'gen_1';

export function eventAt(seq: number, fence = 1, text = `w${seq}`): StoredEvent {
  return { seq, fence, type: 'text_delta', data: JSON.stringify({ seq, text }) };
}

/** `count` events after `expected`. */
export function batch(
  expected: number,
  count: number,
  more: Partial<AppendRequest> = {},
): AppendRequest {
  const fence = more.fence ?? 1;
  const events = Array.from({ length: count }, (_, index) => eventAt(expected + 1 + index, fence));
  return { generationId: G, fence, expected, events, final: false, ...more };
}

export const seqs = (page: { events: StoredEvent[] } | undefined): number[] | undefined =>
  page?.events.map(({ seq }) => seq);

export const upTo = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

export const all = (at: UnderTest) => at.log.read(G, { after: 0, ...NO_BOUND });
