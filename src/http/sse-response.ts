import type { Response } from 'express';
import { isUnavailable } from '../errors.ts';
import { delay, type Clock } from '../lib/clock.ts';
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

/** What can't be read yet is looked for again after these waits, 5 s in all, and then cut: another replica may have it. */
const LATER_MS = [100, 200, 400, 800, 1_000, 1_000, 1_500];

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
  /** Made where somebody waits: to abort costs an error with its stack. */
  #over: AbortController | undefined;
  #reader: Reader | undefined;

  constructor(res: Response) {
    this.#res = res;
    this.#writer = createFrameWriter(res);
    this.#writer.onDrain(() => {
      this.#full = false;
      if (this.#state === 'open') this.#reader?.drained();
    });
  }

  /** Aborted once the connection is closed. */
  get over(): AbortSignal {
    this.#over ??= new AbortController();
    if (this.#state === 'gone') this.#over.abort();
    return this.#over.signal;
  }

  open(subscribed: Extract<Subscribed, { outcome: 'open' }>): void {
    if (this.#state === 'open') this.#reader = subscribed.open(this);
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
    this.#over?.abort();
    this.#writer.release();
    this.#reader?.close();
  }
}

export interface StreamAnswer {
  res: Response;
  /** Called again while it says `later`. */
  subscribe: () => Promise<Subscribed>;
  place: StreamPlace;
  ids: Ids;
  clock: Clock;
}

/** 204 at the end of a stream; else the headers with a first comment at once, then whatever the reader is given. */
export async function respondWithStream(answer: StreamAnswer): Promise<void> {
  const { res, subscribe, place, ids, clock } = answer;
  const subscribed = await orLater(subscribe());
  if (subscribed.outcome === 'at_end') {
    place.release();
    res.status(204).end();
    return;
  }
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
  res.once('close', () => {
    stream.gone();
    place.release();
  });
  place.attach(stream);
  if (subscribed.outcome === 'open') stream.open(subscribed);
  else await openLater(stream, { subscribe, clock });
}

/** A store that is out of reach is no reason for a status that makes an EventSource give up for good. */
async function orLater(subscribing: Promise<Subscribed>): Promise<Subscribed> {
  try {
    return await subscribing;
  } catch (error) {
    if (isUnavailable(error)) return { outcome: 'later' };
    throw error;
  }
}

/** Looks again until the stream can be read. Whatever else it is by then, the client comes back and is told. */
async function openLater(
  stream: SseStream,
  { subscribe, clock }: Pick<StreamAnswer, 'subscribe' | 'clock'>,
): Promise<void> {
  for (const wait of LATER_MS) {
    await delay(clock, wait, stream.over);
    if (stream.over.aborted) return;
    const subscribed = await orLater(subscribe()).catch(() => undefined);
    if (subscribed?.outcome === 'open') return stream.open(subscribed);
    if (subscribed?.outcome !== 'later') break;
  }
  stream.destroy();
}
