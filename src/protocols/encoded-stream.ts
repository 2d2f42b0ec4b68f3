import type { LogEvent } from '../stream/events.ts';
import type { FrameSink, Generations, Reader, Subscribed } from '../stream/generations.ts';
import type { Owner } from '../stream/job.ts';
import type { Encoder, ProtocolFrame } from './encoder.ts';
import { eventsOfState } from './events-of-state.ts';
import { formatFrameCursor, framesHeld, parseFrameCursor } from './frame-cursor.ts';
import { nativeFrames } from './native-frames.ts';

export interface EncodedFrom {
  generationId: string;
  /** What the client has: of a stream of the same protocol. Undefined, empty or of another generation: nothing. */
  cursor?: string | undefined;
  /** The number of the last frame that the client has, in protocols that number their frames. */
  after?: number | undefined;
  /** Nothing is sent before the first event for which this holds: a response that goes on behind a pause. */
  begin?: (event: LogEvent) => boolean;
}

/** Said where a stream is over, not cut: a client that reads comments need not ask again. */
const END = Buffer.from(': eos\n\n');

/** Subscribes to a generation in another protocol; the outcome is for `respondWithStream`, as any other. */
export async function subscribeEncoded<S>(
  generations: Pick<Generations, 'subscribe'>,
  who: { owner: Owner; encoder: Encoder<S> },
  from: EncodedFrom,
): Promise<Subscribed> {
  const exact = { cursor: undefined, snapshot: false, exact: true };
  const subscribed = await generations.subscribe(who.owner, from.generationId, exact);
  if (subscribed.outcome !== 'open') return subscribed;
  return {
    outcome: 'open',
    open: (sink) => {
      const encoding = new EncodingSink(sink, who.encoder, from);
      return encoding.attach(subscribed.open(encoding));
    },
  };
}

/** Takes native frames and gives those of a protocol: whole frames in, whole frames out, nothing kept in between. */
class EncodingSink<S> implements FrameSink {
  readonly #sink: FrameSink;
  readonly #encoder: Encoder<S>;
  readonly #from: EncodedFrom;
  readonly #held: ReturnType<typeof parseFrameCursor>;
  #state: S;
  #begun: boolean;
  /** Events seen. */
  #count = 0;
  /** What is told is from the record, of a log that is no longer there. */
  #fromRecord = false;
  /** Frames have other numbers than they had in that log. */
  #renumbered = false;
  #over = false;
  #reader: Reader | undefined;

  constructor(sink: FrameSink, encoder: Encoder<S>, from: EncodedFrom) {
    this.#sink = sink;
    this.#encoder = encoder;
    this.#from = from;
    this.#held = parseFrameCursor(from.generationId, from.cursor ?? '');
    this.#state = encoder.initial;
    this.#begun = from.begin === undefined;
  }

  /** The reader of the native stream, which is left as soon as the protocol's one is over. */
  attach(reader: Reader): Reader {
    this.#reader = reader;
    if (this.#over) reader.close();
    return reader;
  }

  write(bytes: Uint8Array, last = false): boolean {
    if (this.#over) return false;
    let out = '';
    let ending: (() => string) | undefined;
    for (const frame of nativeFrames(bytes)) {
      if (frame.kind === 'event') ({ text: out, ending } = this.#event(out, frame.event));
      else if (this.#count > 0) {
        // Words that this client has were withdrawn: it comes back, and goes on from what stands.
        this.destroy();
        return false;
      } else out += this.#replay(eventsOfState(frame.state));
    }
    return last && ending ? this.#finish(out + ending()) : this.#send(out);
  }

  #event(before: string, event: LogEvent): { text: string; ending: (() => string) | undefined } {
    this.#count += 1;
    this.#begun ||= this.#from.begin?.(event) ?? true;
    const { state, frames, ending } = this.#encoder.encode(this.#state, event);
    this.#state = state;
    const text = before + this.#format(event, frames, 0);
    // Most that may end do not: something has followed.
    const end = (): string => this.#format(event, ending ?? [], frames.length);
    return { text, ending: ending && this.#begun ? end : undefined };
  }

  /** These events have no places in any log: who has a cursor of it has had them. */
  #replay(bodies: readonly LogEvent['body'][]): string {
    const at = new Date(0).toISOString();
    let out = '';
    this.#fromRecord = true;
    this.#renumbered = true;
    for (const body of bodies) {
      const { text } = this.#event('', { seq: this.#count + 1, fence: 0, at, body });
      out += text;
    }
    this.#fromRecord = false;
    return out;
  }

  #format(event: LogEvent, frames: readonly ProtocolFrame[], first: number): string {
    if (!this.#begun) return '';
    const { after = -1 } = this.#from;
    const had = this.#held !== undefined || after >= 0;
    const held = this.#fromRecord && had ? Infinity : framesHeld(this.#held, event);
    const numbered = this.#renumbered ? -1 : after;
    return frames
      .map(({ event: name, data, n = Infinity }, index) => {
        const frame = first + index;
        if (frame < held || n <= numbered) return '';
        const id = formatFrameCursor(this.#from.generationId, { ...event, frame });
        return `id: ${id}\n${name === undefined ? '' : `event: ${name}\n`}data: ${data}\n\n`;
      })
      .join('');
  }

  #send(text: string): boolean {
    return text === '' || this.#sink.write(Buffer.from(text), false);
  }

  #finish(text: string): boolean {
    this.#over = true;
    this.#sink.write(Buffer.concat([Buffer.from(text), END]), true);
    this.#sink.end();
    this.#reader?.close();
    return false;
  }

  /** The log is over: its terminal event had an ending, unless the protocol has none. */
  end(): void {
    if (!this.#over) this.#finish('');
  }

  destroy(): void {
    if (this.#over) return;
    this.#over = true;
    this.#sink.destroy();
    this.#reader?.close();
  }
}
