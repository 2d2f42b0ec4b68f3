import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { FakeReader } from '../../support/fake-generations.ts';
import { answerOf, type HttpApp, post, startHttpApp, until } from './harness.ts';

const FRAME = Buffer.from('id: c2\nevent: text_delta\ndata: {"seq":2,"text":"a"}\n\n');

let app: HttpApp;
let id: string;
let url: string;

beforeEach(async () => {
  app = await startHttpApp({ HEARTBEAT_INTERVAL: '60s' });
  const { body } = await answerOf(post(app, '/api/chat', { text: 'x' }));
  id = String(body['streamId']);
  url = `${app.url}/api/chat/stream/${id}`;
});
afterEach(() => app.close());

function lastReader(): FakeReader {
  const reader = app.generations.readers.at(-1);
  if (reader === undefined) throw new Error('nobody reads');
  return reader;
}

/** Headers and a comment, and no reader. */
async function wait(): Promise<{ socket: Socket; seen: () => string }> {
  let seen = '';
  const socket = connect(app.port, '127.0.0.1');
  socket.on('data', (chunk: Buffer) => (seen += chunk.toString('latin1')));
  socket.on('error', () => {
    // The cut; 'close' follows.
  });
  socket.write(`GET /api/chat/stream/${id} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  await until(() => seen.includes('retry:'));
  return { socket, seen: () => seen };
}

describe('a stream that can not be read yet', () => {
  test('goes on in the same answer as soon as it can', async () => {
    app.generations.later = 3;
    const { socket, seen } = await wait();

    await app.clock.advance(300);
    expect(app.generations.readers).toHaveLength(0);
    await app.clock.advance(400);
    lastReader().sink.write(FRAME);
    await until(() => seen().includes('text_delta'));

    expect(app.generations.called('subscribe')).toHaveLength(4);
    socket.destroy();
    await until(() => lastReader().closed === 1);
  });

  test('is cut after five seconds, not ended', async () => {
    app.generations.later = Infinity;
    const { socket, seen } = await wait();
    const closed = new Promise((resolve) => socket.once('close', resolve));

    await app.clock.advance(5_000);
    await closed;

    expect(seen()).not.toContain('\r\n0\r\n\r\n');
    await until(() => app.openStreams.total === 0);
    expect(app.clock.pending).toBe(0);
  });

  test('is cut where it turns out to be gone, or at its end: the next request is told', async () => {
    app.generations.later = 1;
    const { socket } = await wait();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    app.generations.atEnd = true;

    await app.clock.advance(100);
    await closed;

    expect((await fetch(url)).status).toBe(204);
  });

  test('is not looked for any more once the client left', async () => {
    app.generations.later = Infinity;
    const { socket } = await wait();

    socket.destroy();
    await until(() => app.openStreams.total === 0);
    const asked = app.generations.called('subscribe').length;
    await app.clock.advance(10_000);

    expect(app.generations.called('subscribe')).toHaveLength(asked);
    expect(app.clock.pending).toBe(0);
  });
});
