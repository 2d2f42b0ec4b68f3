import type { Response } from 'express';
import { isUnavailable } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Ids } from '../lib/ids.ts';
import type { FrameSink, Reader, Subscribed } from '../stream/generations.ts';
import { createFrameWriter } from './frame-writer.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { OpenStream, StreamPlace } from './open-streams.ts';
import { factsOf } from './request-facts.ts';

/** Turns a subscription into a response (docs/PROTOCOL.md section 3). */

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
};

const HEARTBEAT = Buffer.from(': ping\n\n');

/** A stream that has nothing to give yet is cut after this many ms: long enough for its headers to reach the client. */
const LATER_MS = 1_000;

/** Spreads the reconnects of many clients over 1 to 3 s. */
function retryMs(ids: Ids): number {
  return 1_000 + Math.floor(ids.random() * 2_000);
}

/**
 * One open response: whole frames in, bytes out. open → ended (the terminal event is written) | gone (the connection
 * is closed). A heartbeat is a write of its own between whole frames, so it can't fall into one.
 */
class SseStream implements FrameSink, OpenStream {
  readonly #res: Response;
  readonly #writer: FrameWriter;
  #state: 'open' | 'ended' | 'gone' = 'open';
  #full = false;
  reader: Reader | undefined;

  constructor(res: Response) {
    this.#res = res;
    this.#writer = createFrameWriter(res);
    this.#writer.onDrain(() => {
      this.#full = false;
      if (this.#state === 'open') this.reader?.drained();
    });
  }

  write(frames: Uint8Array): boolean {
    if (this.#state !== 'open') return false;
    this.#full = !this.#writer.write(frames);
    return !this.#full;
  }

  heartbeat(): void {
    if (!this.#full) this.write(HEARTBEAT);
  }

  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.#writer.release();
    this.#res.end();
  }

  destroy(): void {
    if (this.#state === 'ended') return;
    this.#res.destroy();
  }

  gone(): void {
    this.#state = 'gone';
    this.#writer.release();
    this.reader?.close();
  }
}

export interface StreamAnswer {
  res: Response;
  subscribed: Exclude<Subscribed, { outcome: 'at_end' }>;
  place: StreamPlace;
  ids: Ids;
  clock: Clock;
}

/** A store that is out of reach is no reason for a status that makes an EventSource give up for good. */
export async function orLater(subscribing: Promise<Subscribed>): Promise<Subscribed> {
  try {
    return await subscribing;
  } catch (error) {
    if (isUnavailable(error)) return { outcome: 'later' };
    throw error;
  }
}

/** Sends the headers with a first comment at once, then whatever the reader is given. */
export function respondWithStream(answer: StreamAnswer): void {
  const { res, subscribed, place, ids, clock } = answer;
  // The answer is there when its headers are.
  factsOf(res).answeredAt = clock.now();
  if (res.req.method === 'HEAD') {
    place.release();
    res.writeHead(200, HEADERS).end();
    return;
  }
  if (res.destroyed || res.socket?.destroyed === true) {
    // The client left while the subscription was made; nothing was opened.
    place.release();
    return;
  }
  res.writeHead(200, HEADERS);
  res.write(`: connected\nretry: ${retryMs(ids)}\n\n`);
  const stream = new SseStream(res);
  const cut =
    subscribed.outcome === 'later' ? clock.after(LATER_MS, () => stream.destroy()) : undefined;
  res.once('close', () => {
    cut?.cancel();
    stream.gone();
    place.release();
  });
  place.attach(stream);
  if (subscribed.outcome === 'open') stream.reader = subscribed.open(stream);
}
