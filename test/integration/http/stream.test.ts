import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AppError } from '../../../src/errors.ts';
import { settle } from '../../support/fake-clock.ts';
import type { FakeReader } from '../../support/fake-generations.ts';
import { answerOf, codeOf, post, raw, startHttpApp, until } from './harness.ts';
import type { HttpApp } from './harness.ts';

const FRAME = Buffer.from('id: c2\nevent: text_delta\ndata: {"seq":2,"text":"hé"}\n\n');

/** The body of one response in chunks, as text. */
function dechunked(response: string): string {
  let rest = response.slice(response.indexOf('\r\n\r\n') + 4);
  let body = '';
  for (;;) {
    const line = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.slice(0, line), 16);
    if (!(size > 0)) return Buffer.from(body, 'latin1').toString();
    body += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 2 + size + 2);
  }
}

describe('streams over HTTP', () => {
  let app: HttpApp;
  let id: string;
  let url: string;

  beforeEach(async () => {
    app = await startHttpApp({ MAX_STREAMS_PER_USER: '2', HEARTBEAT_INTERVAL: '10s' });
    const { body } = await answerOf(post(app, '/api/chat', { text: 'x' }));
    id = String(body['streamId']);
    url = `${app.url}/api/chat/stream/${id}`;
  });
  afterEach(() => app.close());

  const lastReader = (): FakeReader => {
    const reader = app.generations.readers.at(-1);
    if (reader === undefined) throw new Error('nobody reads');
    return reader;
  };

  const finish = (): void => {
    app.generations.onOpen = (sink) => {
      sink.write(FRAME);
      sink.end();
    };
  };

  /** A socket that asks for the stream and keeps what comes. */
  const dial = async (version = '1.1'): Promise<{ socket: Socket; seen: () => string }> => {
    let seen = '';
    const socket = connect(app.port, '127.0.0.1');
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => (seen += chunk));
    socket.on('error', () => {
      // A reset is one of the ends that these tests make; 'close' follows.
    });
    const readers = app.generations.readers.length;
    socket.write(`GET /api/chat/stream/${id} HTTP/${version}\r\nHost: 127.0.0.1\r\n\r\n`);
    await until(() => app.generations.readers.length > readers && seen.includes('retry:'));
    return { socket, seen: () => seen };
  };

  describe('the answer', () => {
    test('has the headers of the protocol and begins with a comment and retry', async () => {
      finish();

      const { status, headers, text } = await answerOf(fetch(url));

      expect(status).toBe(200);
      expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      expect(headers.get('cache-control')).toBe('no-cache, no-transform');
      expect(headers.get('x-accel-buffering')).toBe('no');
      expect(headers.get('content-encoding')).toBeNull();
      expect(headers.get('content-length')).toBeNull();
      expect(text).toMatch(/^: connected\nretry: [12]\d{3}\n\n/);
      expect(text.endsWith(FRAME.toString())).toBe(true);
    });

    test('comes before any event', async () => {
      const { socket, seen } = await dial();

      expect(seen()).toContain('HTTP/1.1 200 OK');
      expect(seen()).toContain(': connected');
      socket.destroy();
    });

    test('spreads retry', async () => {
      finish();

      const seen = new Set<string>();
      for (let attempt = 0; attempt < 12; attempt += 1) {
        const { text } = await answerOf(fetch(url));
        seen.add(/retry: (\d+)/.exec(text)?.[1] ?? '');
        await until(() => app.openStreams.total === 0);
      }

      expect(seen.size).toBeGreaterThan(6);
    });

    test('to HEAD has the headers alone and opens nothing', async () => {
      const { status, headers, text } = await answerOf(fetch(url, { method: 'HEAD' }));

      expect(status).toBe(200);
      expect(headers.get('content-type')).toContain('text/event-stream');
      expect(text).toBe('');
      expect(app.generations.readers).toHaveLength(0);
      expect((await answerOf(fetch(url, { method: 'HEAD' }))).status).toBe(200);
      expect((await answerOf(fetch(url, { method: 'HEAD' }))).status).toBe(200);
    });

    test('keeps the connection for the next request after a clean end', async () => {
      finish();
      const ask = `GET /api/chat/stream/${id} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
      const health = 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

      const seen = await raw(app.port, ask + ask + health, { until: '{"status":"ok"}' });

      expect(seen.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3);
      expect(seen.match(/event: text_delta/g)).toHaveLength(2);
      expect(seen.match(/\r\n0\r\n\r\n/g)).toHaveLength(2);
    });

    test('to HTTP/1.0 has no chunks and ends with the connection', async () => {
      finish();

      const seen = await raw(app.port, `GET /api/chat/stream/${id} HTTP/1.0\r\n\r\n`);

      expect(seen).not.toContain('Transfer-Encoding');
      expect(seen.endsWith(FRAME.toString('latin1'))).toBe(true);
    });
  });

  describe('the cursor', () => {
    test.each([
      ['nothing', '', {}, { cursor: undefined, snapshot: false }],
      ['an empty after', '?after=', {}, { cursor: undefined, snapshot: false }],
      ['after', '?after=c1', {}, { cursor: 'c1', snapshot: false }],
      ['Last-Event-ID', '', { 'last-event-id': 'c2' }, { cursor: 'c2', snapshot: false }],
      [
        'both: the header',
        '?after=c1',
        { 'last-event-id': 'c2' },
        { cursor: 'c2', snapshot: false },
      ],
      ['an empty header', '?after=c1', { 'last-event-id': '' }, { cursor: 'c1', snapshot: false }],
      ['snapshot', '?snapshot=1', {}, { cursor: undefined, snapshot: true }],
      ['no snapshot', '?snapshot=0&after=c', {}, { cursor: 'c', snapshot: false }],
      ['an unknown key', '?utm=1&after=c', {}, { cursor: 'c', snapshot: false }],
    ])('is taken from %s', async (_name, query, headers, expected) => {
      finish();

      await answerOf(fetch(url + query, { headers }));

      expect(app.generations.called('subscribe').at(-1)?.[1]).toEqual(expected);
    });

    test.each([
      ['snapshot with after', '?snapshot=1&after=c', {}],
      ['snapshot with Last-Event-ID', '?snapshot=1', { 'last-event-id': 'c' }],
      ['snapshot=2', '?snapshot=2', {}],
      ['after twice', '?after=a&after=b', {}],
    ])('is refused with 400: %s', async (_name, query, headers) => {
      expect(await codeOf(fetch(url + query, { headers }))).toBe('400 INVALID_REQUEST');
    });

    test('at the end of a finished stream answers 204 without a body', async () => {
      app.generations.atEnd = true;

      const { status, text } = await answerOf(fetch(`${url}?after=last`));

      expect([status, text]).toEqual([204, '']);
    });
  });

  describe('a refusal is a status, never a stream', () => {
    test('404 for what does not exist', async () => {
      expect(await codeOf(fetch(`${app.url}/api/chat/stream/gen_other`))).toBe('404 NOT_FOUND');
    });

    test('no 503, which would end an EventSource for good, when a store can not be reached', async () => {
      for (let attempt = 0; attempt < 20; attempt += 1) {
        app.generations.refuse(new AppError('UNAVAILABLE', 'No.'));
      }

      const answer = await fetch(url);
      const cut = answer.text();
      cut.catch(() => undefined);

      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toMatch('text/event-stream');
      await app.clock.advance(5_000);
      await expect(cut).rejects.toThrow('terminated');
      expect(app.openStreams.total).toBe(0);
    });

    test('429 past the streams of a user, and a place is free again when one ends', async () => {
      const first = await dial();
      const second = await dial();

      const third = await answerOf(fetch(url));
      first.socket.destroy();
      await until(() => app.openStreams.total === 1);
      const fourth = await dial();

      expect(third.status).toBe(429);
      expect(third.body).toMatchObject({ error: { code: 'TOO_MANY_STREAMS' } });
      expect(third.headers.get('retry-after')).toBe('1');
      second.socket.destroy();
      fourth.socket.destroy();
    });

    test('429 on POST leaves nothing started', async () => {
      const first = await dial();
      const second = await dial();
      const before = app.generations.called('start').length;

      const call = post(app, '/api/chat', { text: 'x' }, { accept: 'text/event-stream' });

      expect(await codeOf(call)).toBe('429 TOO_MANY_STREAMS');
      expect(app.generations.called('start')).toHaveLength(before);
      first.socket.destroy();
      second.socket.destroy();
    });

    test('frees the place of a refused subscription', async () => {
      for (let attempt = 0; attempt < 5; attempt += 1) {
        app.generations.refuse(new AppError('NOT_FOUND', 'No.'));
        expect(await codeOf(fetch(url))).toBe('404 NOT_FOUND');
      }
    });
  });

  describe('an open stream', () => {
    test('closes its reader once when the client leaves', async () => {
      const { socket } = await dial();
      const reader = lastReader();

      socket.destroy();
      await until(() => reader.closed > 0);

      expect(reader.closed).toBe(1);
      expect(reader.sink.write(FRAME)).toBe(false);
      expect(app.openStreams.total).toBe(0);
    });

    test('gets a comment at each period, also between frames', async () => {
      const { socket, seen } = await dial();

      await app.clock.advance(10_000);
      lastReader().sink.write(FRAME);
      await app.clock.advance(20_000);
      await until(() => seen().split(': ping\n\n').length === 4);

      expect(seen()).toContain(FRAME.toString('latin1'));
      socket.destroy();
    });

    test('has no ticker when nobody reads', async () => {
      expect(app.clock.pending).toBe(0);
      const { socket } = await dial();
      expect(app.clock.pending).toBe(1);

      socket.destroy();
      await until(() => app.openStreams.total === 0);

      expect(app.clock.pending).toBe(0);
    });

    test('of a reader that stalls takes no more, no heartbeat either, and goes on at drain', async () => {
      const { socket, seen } = await dial();
      const reader = lastReader();
      socket.pause();
      const block = Buffer.from(`: ${'x'.repeat(65_536 - 4)}\n\n`);
      let written = 0;
      let drained = -1;
      // Until the buffers of the kernel are full too: then nothing drains any more.
      while (drained !== reader.drained && written < 1_000) {
        drained = reader.drained;
        do written += 1;
        while (reader.sink.write(block) && written < 1_000);
        await settle(100);
        // The kernel of a reader may say late that it took something.
        if (drained === reader.drained) await new Promise((later) => setTimeout(later, 100));
      }

      await app.clock.advance(50_000);
      const drainedWhileStalled = reader.drained - drained;
      socket.resume();
      await until(() => reader.drained > drained);
      reader.sink.write(FRAME);
      await until(() => seen().includes('text_delta'));

      expect(written).toBeLessThan(1_000);
      expect(drainedWhileStalled).toBe(0);
      expect(seen()).not.toContain('ping');
      expect(seen().split(block.toString()).length).toBe(written + 1);
      socket.destroy();
    });

    test('is cut, not ended, when the process stops', async () => {
      const { socket, seen } = await dial();
      const closed = new Promise((resolve) => socket.once('close', resolve));

      app.openStreams.destroyAll();
      await closed;

      expect(seen()).not.toContain('\r\n0\r\n\r\n');
      await until(() => app.generations.readers.every((reader) => reader.closed === 1));
    });

    test('is cut when the heart gives it up', async () => {
      const { socket, seen } = await dial();
      const closed = new Promise((resolve) => socket.once('close', resolve));

      lastReader().sink.destroy();
      await closed;

      expect(seen()).not.toContain('\r\n0\r\n\r\n');
    });

    test('that fails while it opens is cut, and logged', async () => {
      app.generations.onOpen = () => {
        throw new Error('broken');
      };

      const seen = await raw(
        app.port,
        `GET /api/chat/stream/${id} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
      );

      expect(seen).not.toContain('\r\n0\r\n\r\n');
      expect(app.log).toContainEqual(expect.objectContaining({ msg: 'request failed' }));
      await until(() => app.openStreams.total === 0);
    });
  });

  test('the bytes are the same by the socket, by res.write of HTTP/1.0 and for a pipelined response', async () => {
    app.generations.onOpen = (sink) => {
      for (let size = 1; size < 200_000; size *= 3) {
        sink.write(Buffer.from(`: ${'é'.repeat(size)}\n\n`));
        sink.write(new Uint8Array(0));
      }
      sink.end();
    };
    const ask = `GET /api/chat/stream/${id} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;

    const direct = await answerOf(fetch(url));
    const old = await raw(app.port, `GET /api/chat/stream/${id} HTTP/1.0\r\n\r\n`);
    const piped = await raw(app.port, `${ask}${ask.replace('Host', 'Connection: close\r\nHost')}`);

    const frames = direct.text.slice(direct.text.indexOf('\n\n'));
    const [first = '', second = ''] = piped.split('HTTP/1.1 200 OK').slice(1).map(dechunked);
    expect(frames.length).toBeGreaterThan(250_000);
    expect(first.endsWith(frames)).toBe(true);
    expect(second.endsWith(frames)).toBe(true);
    expect(Buffer.from(old, 'latin1').toString().endsWith(frames)).toBe(true);
  });
});
