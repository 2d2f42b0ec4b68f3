import { connect, type Socket } from 'node:net';
import { type Head, ResponseReader } from './http-wire.ts';

const PATIENCE_MS = 20_000;

/** One request on a connection of its own, whose answer is watched as it comes. */
export class RawStream {
  text = '';
  closed = false;
  readonly #socket: Socket;
  readonly #reader = new ResponseReader((bytes) => {
    this.text += Buffer.from(bytes).toString('utf8');
  });
  #changed: () => void = () => {};

  /** `head`: request line and headers, without the empty line that ends them. */
  constructor(port: number, head: string[]) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.write(`${head.join('\r\n')}\r\n\r\n`);
    this.#socket.on('data', (bytes) => {
      this.#reader.push(bytes);
      this.#changed();
    });
    // A reset is one way to be cut; `close` follows and tells.
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.closed = true;
      this.#changed();
    });
  }

  get head(): Head | undefined {
    return this.#reader.head;
  }

  /** By its own framing: a cut answer never is. */
  get complete(): boolean {
    return this.#reader.complete;
  }

  /** Resolves once it holds; rejects, with what came, where it does not for long. */
  async until(condition: (stream: this) => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!condition(this)) {
      const left = deadline - Date.now();
      if (left <= 0)
        throw new Error(`it never came: ${condition.toString()}; ${this.text.slice(-200)}`);
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
  }

  /** Reads no more until `resume`. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  leave(): void {
    this.#socket.destroy();
  }
}
