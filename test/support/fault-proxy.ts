import { freePort } from './ports.ts';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

interface Trip {
  marker: Buffer;
  place: 'before' | 'after';
  spring(): void;
}

/** A TCP proxy in front of a store that does to its connections what networks do. */
export class FaultProxy {
  #target: { host: string; port: number };
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  #hanging = false;
  #lag = 0;
  #lose: { marker: Buffer; times: number } = { marker: Buffer.alloc(0), times: 0 };
  #trip: Trip | undefined;

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  static async start(target: { host: string; port: number }): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    proxy.#port = await freePort();
    await proxy.up();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Replies that were still to be lost. */
  get unlost(): number {
    return this.#lose.times;
  }

  /** Takes connections again, on the same port, and lets bytes pass. */
  async up(): Promise<void> {
    this.#hanging = false;
    for (const socket of this.#sockets) socket.resume();
    if (this.#server) return;
    const server = createServer((client) => this.#link(client));
    this.#server = server;
    await new Promise<void>((resolve) => {
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = portOf(server.address());
  }

  /** Refuses connections, and resets those there are. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => {
      if (server) server.close(() => resolve());
      else resolve();
    });
    this.cut();
    await closed;
  }

  /** Resets every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Takes connections and bytes, and passes nothing on: a server that was stopped. */
  hang(): void {
    this.#hanging = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Connections that there are pass nothing on any more, and new ones do: another server has the address now. */
  strand(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  /**
   * The next request that holds `marker` takes the server down: before it gets there, or with the answer. Resolves when
   * that has happened.
   */
  downAt(marker: string, place: 'before' | 'after'): Promise<void> {
    return new Promise((sprung, failed) => {
      const spring = (): void => void this.down().then(sprung, failed);
      this.#trip = { marker: Buffer.from(marker), place, spring };
    });
  }

  /** Where connections lead to from now on; `cut` makes those that there are come back. */
  retarget(target: { host: string; port: number }): void {
    this.#target = target;
  }

  /** From now on each answer takes `ms` more, in its order; 0: no more of that. */
  slow(ms: number): void {
    this.#lag = ms;
  }

  /** The next `times` requests that hold `marker` reach the server, and their connections are reset at its answer. */
  loseReplies(marker: string, times: number): void {
    this.#lose = { marker: Buffer.from(marker), times };
  }

  #link(client: Socket): void {
    const upstream = connect({ ...this.#target, noDelay: true });
    client.setNoDelay(true);
    let losing = false;
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      // The other half is told by `close`.
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
      if (this.#hanging) socket.pause();
    }
    let tripped: Trip | undefined;
    client.on('data', (bytes) => {
      if (this.#trip && bytes.includes(this.#trip.marker)) {
        tripped = this.#trip;
        this.#trip = undefined;
        if (tripped.place === 'before') return tripped.spring();
      }
      if (this.#lose.times > 0 && bytes.includes(this.#lose.marker)) {
        this.#lose.times -= 1;
        losing = true;
      }
      upstream.write(bytes);
    });
    const answers = new LateBytes(client);
    upstream.on('data', (bytes) => {
      if (tripped) tripped.spring();
      else if (losing) client.resetAndDestroy();
      else answers.push(bytes, this.#lag);
    });
    client.on('close', () => {
      answers.drop();
      upstream.destroy();
    });
    upstream.on('close', () => client.destroy());
  }
}

/** Writes each piece after its time, and never before those that came earlier. */
class LateBytes {
  readonly #to: Socket;
  readonly #waiting: { due: number; bytes: Uint8Array }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(to: Socket) {
    this.#to = to;
  }

  push(bytes: Uint8Array, lag: number): void {
    if (lag === 0 && this.#waiting.length === 0) {
      this.#to.write(bytes);
      return;
    }
    this.#waiting.push({ due: Date.now() + lag, bytes });
    this.#plan();
  }

  drop(): void {
    this.#waiting.length = 0;
    clearTimeout(this.#timer);
  }

  #plan(): void {
    const [first] = this.#waiting;
    if (!first || this.#timer) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#waiting.shift();
        this.#to.write(first.bytes);
        this.#plan();
      },
      Math.max(0, first.due - Date.now()),
    );
  }
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
