import { createHmac, timingSafeEqual } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';
import { WebhookDispatcher } from '../../../src/hitl/webhooks.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { createIds } from '../../../src/lib/ids.ts';
import { createSqliteOutbox, openDatabase } from '../../../src/store/sqlite/index.ts';

const SECRET = 'a secret of the receiver';

interface Received {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingHttpHeaders;
  body: string;
}

/** As a receiver does it, from PROTOCOL.md section 10 alone. */
function isOurs({ headers, body }: Received): boolean {
  const id = String(headers['holdfast-id']);
  const timestamp = String(headers['holdfast-timestamp']);
  const age = Math.abs(Date.now() / 1_000 - Number(timestamp));
  const [, hex = ''] = /^v1=([0-9a-f]{64})$/.exec(String(headers['holdfast-signature'])) ?? [];
  const mac = createHmac('sha256', SECRET).update(`${id}.${timestamp}.${body}`).digest();
  const given = Buffer.from(hex, 'hex');
  return age < 300 && given.length === mac.length && timingSafeEqual(given, mac);
}

/** A receiver that answers by path. `heard` resolves with the first `count` requests. */
async function receiver(answers: Record<string, { status: number; location?: string }>) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const { method, url, headers } = request;
      const body = await text(request);
      const { status, location } = answers[url ?? ''] ?? { status: 404 };
      response.writeHead(status, location === undefined ? {} : { location });
      response.end('a body that nobody reads');
      received.push({ method, url, headers, body });
      server.emit('heard');
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    origin: `http://127.0.0.1:${port}`,
    received,
    async heard(count: number): Promise<Received[]> {
      while (received.length < count) await once(server, 'heard');
      return received;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Resolves with the first item that the outbox was told of. */
function noting() {
  const events = new EventEmitter();
  return {
    promise: once(events, 'noted').then(([id]: unknown[]) => id),
    resolve: (id: string) => void events.emit('noted', id),
  };
}

const log = { info() {}, warn() {}, error() {} };

const now = async () => Date.now();

function dispatcherTo(url: string, noted: (id: string) => void) {
  const db = openDatabase(':memory:');
  const store = createSqliteOutbox({ db });
  const outbox: typeof store = {
    ...store,
    async delivered(id) {
      await store.delivered(id);
      noted(id);
    },
    async failed(id, nextAt) {
      await store.failed(id, nextAt);
      noted(id);
    },
  };
  const ids = createIds(() => Date.now());
  const deps = { outbox, clock: systemClock, ids, secret: SECRET, fetch, log, now };
  const dispatcher = new WebhookDispatcher({ ...deps, url });
  return {
    outbox,
    dispatcher,
    async [Symbol.asyncDispose]() {
      await dispatcher[Symbol.asyncDispose]();
      db.close();
    },
  };
}

test('a receiver verifies what it gets over a real connection, and it is delivered', async () => {
  await using hooks = await receiver({ '/in': { status: 202 } });
  const { promise: delivered, resolve } = noting();
  await using sender = dispatcherTo(`${hooks.origin}/in`, resolve);
  const payload = { actionId: 'act_1', tools: ['send_email', 'a\u2028🐙'] };
  const createdAt = Date.now();
  await sender.outbox.put({
    id: 'act_1:approval.waiting',
    event: 'approval.waiting',
    createdAt,
    payload,
  });

  sender.dispatcher.start();
  const [request] = await hooks.heard(1);
  expect(await delivered).toBe('act_1:approval.waiting');

  if (!request) throw new Error('nothing came');
  expect(request).toMatchObject({ method: 'POST', url: '/in' });
  expect(request.headers['content-type']).toBe('application/json');
  expect(isOurs(request)).toBe(true);
  expect(isOurs({ ...request, body: request.body.replace('act_1', 'act_2') })).toBe(false);
  expect(JSON.parse(request.body)).toEqual({
    id: 'act_1:approval.waiting',
    event: 'approval.waiting',
    createdAt: new Date(createdAt).toISOString(),
    data: payload,
  });
  expect(await sender.outbox.due(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
});

test('a redirect is not followed: it is a failure', async () => {
  await using hooks = await receiver({
    '/in': { status: 307, location: '/elsewhere' },
    '/elsewhere': { status: 200 },
  });
  const { promise: noted, resolve } = noting();
  await using sender = dispatcherTo(`${hooks.origin}/in`, resolve);
  await sender.outbox.put({
    id: 'a',
    event: 'generation.finished',
    createdAt: Date.now(),
    payload: {},
  });

  sender.dispatcher.start();
  await noted;

  expect(hooks.received.map(({ url }) => url)).toEqual(['/in']);
  expect(await sender.outbox.due(Number.MAX_SAFE_INTEGER, 10)).toMatchObject([{ attempts: 1 }]);
});
