/**
 * An HTTP/1.1 response read byte by byte (RFC 9112): what a cut leaves must never look complete, so the framing is
 * ours and not that of a client library.
 */
export interface Head {
  status: number;
  headers: Map<string, string>;
}

type Framing = 'chunked' | 'length' | 'none' | 'until_close';
type Step = 'head' | 'size' | 'data' | 'data_end' | 'trailer' | 'rest' | 'complete';

const CRLF = '\r\n';

export class ResponseReader {
  head: Head | undefined;
  framing: Framing | undefined;
  readonly #onBody: (bytes: Uint8Array) => void;
  #step: Step = 'head';
  #line = '';
  #left = 0;

  constructor(onBody: (bytes: Uint8Array) => void) {
    this.#onBody = onBody;
  }

  /** The whole message was there, by its own framing. A body that ends with the connection never is. */
  get complete(): boolean {
    return this.#step === 'complete';
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#step === 'complete') throw new Error('bytes after the end of the response');
      at =
        this.#step === 'data' || this.#step === 'rest'
          ? this.#body(bytes, at)
          : this.#text(bytes, at);
    }
  }

  #body(bytes: Uint8Array, at: number): number {
    const end = this.#step === 'rest' ? bytes.length : Math.min(bytes.length, at + this.#left);
    this.#onBody(bytes.subarray(at, end));
    this.#left -= end - at;
    if (this.#step === 'data' && this.#left === 0) {
      this.#step = this.framing === 'chunked' ? 'data_end' : 'complete';
    }
    return end;
  }

  /** One line of the head, of a chunk's size or of the trailer. */
  #text(bytes: Uint8Array, at: number): number {
    const end = bytes.indexOf(10, at);
    this.#line += Buffer.from(bytes.subarray(at, end < 0 ? bytes.length : end + 1)).toString(
      'latin1',
    );
    if (end < 0) return bytes.length;
    if (this.#step === 'head') {
      if (this.#line.endsWith(CRLF + CRLF)) this.#headers(this.#take());
      return end + 1;
    }
    const line = this.#take();
    if (!line.endsWith(CRLF)) throw new Error(`a line without CR: ${JSON.stringify(line)}`);
    this.#chunkLine(line.slice(0, -2));
    return end + 1;
  }

  #take(): string {
    const line = this.#line;
    this.#line = '';
    return line;
  }

  #chunkLine(line: string): void {
    if (this.#step === 'data_end') {
      if (line !== '') throw new Error(`no CRLF behind a chunk: ${JSON.stringify(line)}`);
      this.#step = 'size';
      return;
    }
    if (this.#step === 'trailer') {
      if (line === '') this.#step = 'complete';
      return;
    }
    if (!/^[0-9a-fA-F]{1,8}$/.test(line)) throw new Error(`no chunk size: ${JSON.stringify(line)}`);
    this.#left = Number.parseInt(line, 16);
    this.#step = this.#left === 0 ? 'trailer' : 'data';
  }

  #headers(head: string): void {
    const [first = '', ...lines] = head.slice(0, -4).split(CRLF);
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1];
    if (status === undefined) throw new Error(`no status line: ${JSON.stringify(first)}`);
    const headers = new Map(
      lines.map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    this.head = { status: Number(status), headers };
    this.#frame(Number(status), headers);
  }

  #frame(status: number, headers: Map<string, string>): void {
    const length = headers.get('content-length');
    if (status === 204 || status === 304 || length === '0') {
      this.framing = 'none';
      this.#step = 'complete';
    } else if (headers.get('transfer-encoding') === 'chunked') {
      this.framing = 'chunked';
      this.#step = 'size';
    } else if (length === undefined) {
      this.framing = 'until_close';
      this.#step = 'rest';
    } else {
      this.framing = 'length';
      this.#left = Number(length);
      this.#step = 'data';
    }
  }
}
