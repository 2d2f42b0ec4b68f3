import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import express from 'express';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { z } from 'zod';
import { AppError } from '../../../src/errors.ts';
import { readBody } from '../../../src/http/body.ts';

/** The time that a body of JSON may take; what Node itself waits for goes by the real clock. */

const rules = { schema: z.json(), limits: { bodyBytes: 1_000, jsonDepth: 9, jsonKeys: 9 } };
const said: string[] = [];
let server: Server;
let client: Socket;
let reading: Promise<void>;

beforeEach(async () => {
  said.length = 0;
  const app = express();
  reading = new Promise((resolve) => {
    app.post('/', (req, res) => {
      const end = (status: number): void => void res.status(status).end(`status ${status}`);
      readBody(req, rules)
        .then(() => end(200))
        .catch((error: unknown) => end(error instanceof AppError ? error.status : 500));
      resolve();
    });
  });
  server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  client = connect(port, '127.0.0.1');
  client.on('data', (chunk) => said.push(String(chunk)));
  client.on('error', () => undefined);
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] });
  const head = ['POST / HTTP/1.1', 'host: a', 'content-type: application/json'];
  client.write([...head, 'content-length: 10', '', '[1,'].join('\r\n'));
  await reading;
});

afterEach(async () => {
  jest.useRealTimers();
  client.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function answered(): Promise<string> {
  if (said.length === 0) await once(client, 'data');
  return said.join('');
}

test('a body that comes slowly is taken for thirty seconds', async () => {
  jest.advanceTimersByTime(29_999);
  client.write('2,3,4 ]');

  expect(await answered()).toContain('status 200');
  expect(jest.getTimerCount()).toBe(0);
});

test('one that is not there by then is answered 408, and what follows of it is not kept', async () => {
  jest.advanceTimersByTime(30_000);

  expect(await answered()).toContain('HTTP/1.1 408');
  client.write('x'.repeat(3_000_000));
  if (!client.closed) await once(client, 'close');
  expect(said.join('')).not.toContain('status 200');
});
