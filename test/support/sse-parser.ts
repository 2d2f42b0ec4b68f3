import { integer, object, type Shape, text } from './shape.ts';

/** A dispatched event of a stream, as PROTOCOL.md section 3 frames it. */
export interface Frame {
  id: string;
  event: string;
  /** The line as it came: the same for every reader. */
  raw: string;
  data: Shape;
  seq: number;
}

/**
 * The parser of WHATWG HTML section 9.2.6, for bytes split anywhere, and stricter where the protocol promises more
 * (LF only, one data line, an id on every frame): what is allowed by the standard but not by us throws.
 */
export class EventStreamParser {
  comments = 0;
  retry: number | undefined;
  readonly #onFrame: (frame: Frame) => void;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #rest = '';
  #id: string | undefined;
  #event: string | undefined;
  #data: string | undefined;

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame;
  }

  push(bytes: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch();
    if (line.includes('\r')) throw new Error(`a CR in the stream: ${JSON.stringify(line)}`);
    if (line.startsWith(':')) {
      this.comments += 1;
      return;
    }
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    this.#field(name, value);
  }

  #field(name: string, value: string): void {
    if (name === 'id') this.#id = value;
    else if (name === 'event') this.#event = value;
    else if (name === 'data') {
      if (this.#data !== undefined) throw new Error('two data lines in one frame');
      this.#data = value;
    } else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
    else throw new Error(`a field that the protocol does not have: ${name}: ${value}`);
  }

  #dispatch(): void {
    const [id, event, raw] = [this.#id, this.#event, this.#data];
    this.#id = undefined;
    this.#event = undefined;
    this.#data = undefined;
    if (raw === undefined) {
      if (id !== undefined || event !== undefined) throw new Error(`a frame without data: ${id}`);
      return;
    }
    if (id === undefined || id === '' || id.includes('\0')) throw new Error(`no id: ${raw}`);
    if (event === undefined || event === 'message' || event === 'error') {
      throw new Error(`an event named ${event}: ${raw}`);
    }
    const data = object(JSON.parse(raw), 'data');
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text(data['at'], 'at'))) {
      throw new Error(`at is no time: ${raw}`);
    }
    this.#onFrame({ id, event, raw, data, seq: integer(data['seq'], 'seq') });
  }
}
