import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP proxy in front of a store that does to its connections what networks do. */
export class FaultProxy {
  readonly #target: { host: string; port: number };
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  #hanging = false;
  #lose: { marker: Buffer; times: number } = { marker: Buffer.alloc(0), times: 0 };

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  static async start(target: { host: string; port: number }): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
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
    client.on('data', (bytes) => {
      if (this.#lose.times > 0 && bytes.includes(this.#lose.marker)) {
        this.#lose.times -= 1;
        losing = true;
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      if (losing) client.resetAndDestroy();
      else client.write(bytes);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  }
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
