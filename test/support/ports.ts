import { createServer } from 'node:net';

/**
 * Below the ports that outgoing connections take: one that is free stays free while its server is away. And so are those
 * that are 10,000 higher, on which a node of a Redis Cluster listens too, and which are never given to others.
 */
const FIRST = 12_000;
const LAST = 22_000;

function isFree(port: number): Promise<boolean> {
  return new Promise((found) => {
    const probe = createServer();
    probe.once('error', () => found(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => found(true)));
  });
}

/** A port that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await isFree(port)) return port;
  }
}
