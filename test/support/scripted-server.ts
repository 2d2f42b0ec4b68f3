import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Step = (res: ServerResponse, req: IncomingMessage) => void;

/** What was asked, in order. */
export interface Asked {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface ScriptedServer {
  url: string;
  asked: Asked[];
  close(): Promise<void>;
}

/** Answers each request by the next step; the last one stays. */
export async function startScriptedServer(steps: Step[]): Promise<ScriptedServer> {
  const asked: Asked[] = [];
  const server = createServer((req, res) => {
    let body = '';
    req.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    req.on('end', () => {
      const step = steps[Math.min(asked.length, steps.length - 1)];
      const { method = '', url = '', headers } = req;
      asked.push({ method, url, headers, body });
      step?.(res, req);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server's address is one
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const STREAM = { 'content-type': 'text/event-stream; charset=utf-8' };

function begin(res: ServerResponse, bytes: string | Uint8Array, location?: string): void {
  res.writeHead(200, { ...STREAM, ...(location !== undefined && { location }) });
  res.flushHeaders();
  if (bytes.length > 0) res.write(bytes);
}

/** Sends the bytes, and then the connection is reset, once they are out. */
export function cutAfter(bytes: string | Uint8Array, location?: string): Step {
  return (res) => {
    begin(res, bytes, location);
    res.write('', () => res.socket?.resetAndDestroy());
  };
}

/** Sends the bytes and ends the response as if it were whole. */
export function endAfter(bytes: string | Uint8Array, location?: string): Step {
  return (res) => {
    begin(res, bytes, location);
    res.end();
  };
}

/** Sends the bytes and then nothing more. */
export function silentAfter(bytes: string | Uint8Array, location?: string): Step {
  return (res) => begin(res, bytes, location);
}

export function answer(status: number, headers: Record<string, string> = {}, body = ''): Step {
  return (res) => {
    res.writeHead(status, headers).end(body);
  };
}

/** Goes before it answered. */
export const hangUp: Step = (res) => void res.socket?.resetAndDestroy();
