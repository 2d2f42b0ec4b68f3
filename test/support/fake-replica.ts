import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';

export interface SeenRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/**
 * What it does with requests that are no stream. `serve`: 202 with its name. `drain`: 503 to everything, as a stopping
 * replica. `die`: reads the request, then its connection breaks.
 */
export type Mood = 'serve' | 'drain' | 'die';

/** Stands for a replica behind a proxy: streams whose every byte the test sends, and answers by its mood. */
export class FakeReplica {
  readonly name: string;
  /** Asked at each request. */
  mood: () => Mood = () => 'serve';
  readonly requests: SeenRequest[] = [];
  readonly streams: ServerResponse[] = [];
  #server: Server | undefined;
  #port = 0;
  readonly #sockets = new Set<Socket>();
  #closedStreams = 0;

  constructor(name: string) {
    this.name = name;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Streams whose reader has gone. */
  get closedStreams(): number {
    return this.#closedStreams;
  }

  /** Listens, at the same port after a kill. */
  async start(): Promise<this> {
    const server = createServer({ keepAliveTimeout: 65_000 }, (req, res) => {
      void this.#handle(req, res);
    });
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => {
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    this.#port = address.port;
    this.#server = server;
    return this;
  }

  /** As `kill -9` does it: nobody listens, every connection breaks. */
  async kill(): Promise<void> {
    const closed = new Promise((resolve) => {
      if (this.#server) this.#server.close(resolve);
      else resolve(undefined);
    });
    this.#server = undefined;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  /** To every open stream. */
  send(bytes: string): void {
    for (const stream of this.streams) stream.write(bytes);
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await text(req);
    const { method = '', url = '', headers } = req;
    this.requests.push({ method, path: url, headers, body });
    const mood = this.mood();
    if (mood === 'drain') this.#json(res, 503, { error: { code: 'UNAVAILABLE' } });
    else if (mood === 'die') req.socket.resetAndDestroy();
    else if (headers.accept === 'text/event-stream') this.#stream(res);
    else this.#json(res, 202, { by: this.name });
  }

  #json(res: ServerResponse, status: number, body: object): void {
    const more = status === 503 ? { 'Retry-After': '1' } : {};
    res.writeHead(status, { 'Content-Type': 'application/json', ...more });
    res.end(JSON.stringify(body));
  }

  /** Without X-Accel-Buffering, so that the proxy's own settings are what is seen. */
  #stream(res: ServerResponse): void {
    res.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-cache, no-transform',
    });
    res.write(`: ${this.name}\n\n`);
    this.streams.push(res);
    res.once('close', () => {
      this.#closedStreams += 1;
    });
  }
}
