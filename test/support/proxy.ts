import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import type { Random } from './random.ts';

export interface Cuts {
  reset: number;
  clean: number;
}

export interface CuttingProxy {
  baseUrl: string;
  cuts: Cuts;
  /** From now on nothing is cut. */
  calm(): void;
  close(): Promise<void>;
}

export interface ProxyOptions {
  /** Where the server listens; or servers, of which each connection takes another one that listens. */
  baseUrl: string | readonly string[];
  random: Random;
  /** Bytes of the answer that get through before the cut. */
  budget(random: Random): number;
  /** Passes bytes on in pieces of odd sizes. */
  split?: boolean;
}

/** A TCP proxy, and balancer, that cuts each connection after so many bytes of the answer: by a reset, or by a FIN in the middle. */
export async function startCuttingProxy(options: ProxyOptions): Promise<CuttingProxy> {
  const cuts: Cuts = { reset: 0, clean: 0 };
  const sockets = new Set<Socket>();
  let calm = false;
  const targets = [options.baseUrl].flat();
  let next = 0;
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    // The other half is told by `close`.
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    const random = options.random.fork();
    client.pause();
    keep(client);
    const tryNext = (left: number): void => {
      const { hostname, port } = new URL(targets[next % targets.length] ?? '');
      next += 1;
      const upstream = connect({ host: hostname, port: Number(port), noDelay: true });
      keep(upstream);
      const refused = (): void => {
        if (left > 1 && !client.destroyed) tryNext(left - 1);
        else client.resetAndDestroy();
      };
      upstream.once('error', refused);
      upstream.once('connect', () => {
        upstream.off('error', refused);
        const link = { client, upstream, random, cuts, split: options.split === true };
        forward(link, calm ? Number.POSITIVE_INFINITY : options.budget(random));
        client.resume();
      });
      client.once('close', () => upstream.destroy());
    };
    tryNext(targets.length);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    baseUrl: `http://127.0.0.1:${portOf(server.address())}`,
    cuts,
    calm: () => {
      calm = true;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function portOf(address: string | AddressInfo | null): number {
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

interface Link {
  client: Socket;
  upstream: Socket;
  random: Random;
  cuts: Cuts;
  split: boolean;
}

function forward(link: Link, budget: number): void {
  const { client, upstream } = link;
  let left = budget;
  client.setNoDelay(true);
  client.on('data', (bytes) => upstream.write(bytes));
  client.on('close', () => upstream.destroy());
  upstream.on('data', (bytes) => {
    if (client.destroyed) return;
    const rest = bytes.length > left;
    const allowed = rest ? bytes.subarray(0, left) : bytes;
    left -= allowed.length;
    const flowing = pass(link, allowed);
    if (rest) cut(link);
    else if (!flowing) {
      upstream.pause();
      client.once('drain', () => upstream.resume());
    }
  });
  // What the server does to its side is done to ours: a FIN stays a FIN, a reset a reset.
  upstream.on('end', () => client.end());
  upstream.on('error', () => client.resetAndDestroy());
  upstream.on('close', (failed) => failed || client.end());
}

/** False: the client's buffer is full. */
function pass({ client, random, split }: Link, bytes: Uint8Array): boolean {
  if (!split) return bytes.length === 0 || client.write(bytes);
  let flowing = true;
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + random.logBetween(1, 5000));
    flowing = client.write(bytes.subarray(at, end));
    at = end;
  }
  return flowing;
}

function cut({ client, upstream, random, cuts }: Link): void {
  upstream.destroy();
  if (random.next() < 0.5) {
    cuts.reset += 1;
    client.resetAndDestroy();
    return;
  }
  cuts.clean += 1;
  client.end();
}
