import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { answerOf, codeOf, post, raw, startHttpApp } from './harness.ts';
import type { HttpApp } from './harness.ts';

function wide(keys: number): unknown {
  const entries = Array.from({ length: keys }, (_each, n) => [`k${n}`, n]);
  return { text: 'x', metadata: Object.fromEntries(entries) };
}

/** A body of exactly so many bytes. */
function sized(size: number): string {
  const shell = '{"text":"x","metadata":{"a":"'.length + '"}}'.length;
  return `{"text":"x","metadata":{"a":"${'y'.repeat(size - shell)}"}}`;
}

/** docs/PROTOCOL.md section 1. */
describe('common rules over HTTP', () => {
  let app: HttpApp;
  beforeAll(async () => {
    app = await startHttpApp({ ALLOWED_ORIGINS: 'https://chat.example' });
  });
  afterAll(() => app.close());

  const send = (type: string | undefined, more: Record<string, string> = {}) =>
    fetch(`${app.url}/api/chat`, {
      method: 'POST',
      headers: { ...(type === undefined ? {} : { 'content-type': type }), ...more },
      body: new Uint8Array(Buffer.from('{"text":"x"}')),
    });

  test('an unknown route is 404 in JSON', async () => {
    const { status, text, headers } = await answerOf(fetch(`${app.url}/nope?secret=1`));

    expect(status).toBe(404);
    expect(text).toBe('{"error":{"code":"NOT_FOUND","message":"No such route."}}');
    expect(headers.get('content-type')).toContain('application/json');
  });

  test('the case of a path counts', async () => {
    expect(await codeOf(fetch(`${app.url}/API/chat/active`))).toBe('404 NOT_FOUND');
  });

  test.each([
    ['GET', '/api/chat', 'POST, OPTIONS'],
    ['PUT', '/api/chat/stream/x', 'GET, HEAD, OPTIONS'],
    ['POST', '/api/chat/active', 'GET, HEAD, OPTIONS'],
    ['POST', '/api/conversations/x', 'GET, PATCH, DELETE, HEAD, OPTIONS'],
    ['DELETE', '/healthz', 'GET, HEAD, OPTIONS'],
    ['GET', '/api/auth/session', 'POST, DELETE, OPTIONS'],
  ])('%s %s is 405 with Allow', async (method, path, allow) => {
    const { status, body, headers } = await answerOf(fetch(app.url + path, { method }));

    expect(status).toBe(405);
    expect(body).toMatchObject({ error: { code: 'METHOD_NOT_ALLOWED' } });
    expect(headers.get('allow')).toBe(allow);
  });

  test('OPTIONS answers 204 with Allow, also without an origin', async () => {
    const { status, headers } = await answerOf(fetch(`${app.url}/api/chat`, { method: 'OPTIONS' }));

    expect(status).toBe(204);
    expect(headers.get('allow')).toBe('POST, OPTIONS');
    expect(headers.get('access-control-allow-methods')).toBeNull();
  });

  test('HEAD answers as GET without a body', async () => {
    const { status, text, headers } = await answerOf(
      fetch(`${app.url}/api/chat/active`, { method: 'HEAD' }),
    );

    expect([status, text]).toEqual([200, '']);
    expect(headers.get('content-type')).toContain('application/json');
  });

  describe('X-Request-Id', () => {
    test('is echoed where it is well-formed', async () => {
      const answer = await fetch(`${app.url}/healthz`, { headers: { 'x-request-id': 'a.b:c-1' } });

      expect(answer.headers.get('x-request-id')).toBe('a.b:c-1');
    });

    test.each(['a b', 'x'.repeat(129), '<script>', ''])('is minted instead of %j', async (id) => {
      const answer = await fetch(`${app.url}/nope`, { headers: { 'x-request-id': id } });

      expect(answer.headers.get('x-request-id')).toMatch(/^req_[0-9a-z]{26,}$/);
    });
  });

  describe('content type', () => {
    test.each([
      undefined,
      'text/plain',
      'application/json-patch+json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/json; charset=utf-16',
      'json',
    ])('%s is 415', async (type) => {
      expect(await codeOf(send(type))).toBe('415 UNSUPPORTED_MEDIA_TYPE');
    });

    test.each(['application/json', 'Application/JSON; charset="UTF-8"', 'application/json;x=y'])(
      '%s is taken',
      async (type) => {
        expect((await send(type)).status).toBe(202);
      },
    );

    test('a compressed body is 415', async () => {
      const call = send('application/json', { 'content-encoding': 'gzip' });

      expect(await codeOf(call)).toBe('415 UNSUPPORTED_MEDIA_TYPE');
    });
  });

  describe('the body', () => {
    test.each([
      ['nothing', ''],
      ['half an object', '{"text":"x'],
      ['two values', '{} {}'],
      ['a comment', '{/**/}'],
      ['bad UTF-8', new Uint8Array(Buffer.from('{"text":"\xff\xfe"}', 'latin1'))],
      ['UTF-16', new Uint8Array(Buffer.from('{"text":"x"}', 'utf16le'))],
    ])('%s is 400 INVALID_JSON, without quoting it', async (_name, body) => {
      const answer = await answerOf(
        fetch(`${app.url}/api/chat`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        }),
      );

      expect(answer.status).toBe(400);
      expect(answer.text).toBe(
        '{"error":{"code":"INVALID_JSON","message":"The body is not valid JSON in UTF-8."}}',
      );
    });

    test('a byte order mark is skipped', async () => {
      expect((await post(app, '/api/chat', '\ufeff{"text":"x"}')).status).toBe(202);
    });

    test.each([
      ['objects', '{"a":', '}'],
      ['lists', '[', ']'],
    ])('%s nested deeper than 32 are 400, however deep', async (_name, open, close) => {
      const nest = (depth: number): string =>
        `{"text":"x","metadata":{"n":${open.repeat(depth)}1${close.repeat(depth)}}}`;

      expect((await post(app, '/api/chat', nest(30))).status).toBe(202);
      expect(await codeOf(post(app, '/api/chat', nest(31)))).toBe('400 INVALID_REQUEST');
      expect(await codeOf(post(app, '/api/chat', nest(40_000)))).toBe('400 INVALID_REQUEST');
    });

    test('an object of more than 1,000 keys is 400', async () => {
      expect((await post(app, '/api/chat', wide(1_000))).status).toBe(202);
      expect(await codeOf(post(app, '/api/chat', wide(1_001)))).toBe('400 INVALID_REQUEST');
    });

    test('at the limit it is taken, one byte past it 413, and the connection lives on', async () => {
      expect((await post(app, '/api/chat', sized(262_144))).status).toBe(202);
      expect(await codeOf(post(app, '/api/chat', sized(262_145)))).toBe('413 PAYLOAD_TOO_LARGE');
    });

    test('too large is told from Content-Length, before the body comes', async () => {
      const head =
        'POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n';

      const seen = await raw(app.port, `${head}Content-Length: 99999999999\r\n\r\n`, {
        until: '}}',
      });

      expect(seen).toContain('HTTP/1.1 413');
      expect(seen).toContain('PAYLOAD_TOO_LARGE');
    });

    test('too large in chunks is 413 once the limit is passed, and endless ones are cut', async () => {
      const head =
        'POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n';
      const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;

      const send = (count: number, until?: string): Promise<string> =>
        raw(
          app.port,
          `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(count)}`,
          until === undefined ? {} : { until },
        );

      expect(await send(5, '}}')).toContain('HTTP/1.1 413');
      // No `until`: it resolves because the server closes.
      await send(64);
      expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
    });

    test('cut off by a half-closed client is answered, and is no failure of ours', async () => {
      const head =
        'POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n';
      const before = app.log.filter((line) => line['msg'] === 'request failed').length;

      const seen = await raw(app.port, `${head}Content-Length: 20\r\n\r\n{"text"`, {
        halfClose: true,
      });
      await fetch(`${app.url}/healthz`);

      expect(seen).toContain('HTTP/1.1 400');
      expect(seen).toContain('"INVALID_REQUEST"');
      expect(app.log.filter((line) => line['msg'] === 'request failed')).toHaveLength(before);
    });
  });

  describe('what Node refuses itself', () => {
    test.each([
      ['a method that is none', 'BREW /api/chat HTTP/1.1\r\nHost: x\r\n\r\n', '400'],
      ['no HTTP', '\u0016\u0003\u0001\u0000hello\r\n\r\n', '400'],
      [
        'a header past the limit',
        `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(40_000)}\r\n\r\n`,
        '431',
      ],
      [
        'a length that is none',
        'POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
        '400',
      ],
      [
        'two framings',
        'POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        '400',
      ],
    ])('%s has the JSON error body', async (_name, bytes, status) => {
      const seen = await raw(app.port, bytes);

      expect(seen).toContain(`HTTP/1.1 ${status}`);
      expect(JSON.parse(seen.slice(seen.indexOf('\r\n\r\n')))).toMatchObject({
        error: { code: 'INVALID_REQUEST' },
      });
    });

    test.each(['/api/conversations/%', '/api/chat/stream/%ff', '/api/chat/status/%E0%A4%A'])(
      'the undecodable path %s is 400',
      async (path) => {
        const seen = await raw(
          app.port,
          `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`,
        );

        expect(seen).toContain('HTTP/1.1 400');
        expect(seen).toContain('"INVALID_REQUEST"');
      },
    );
  });

  describe('CORS', () => {
    const origin = 'https://chat.example';

    test('an allowed origin sees the exposed headers, with credentials', async () => {
      const { headers } = await fetch(`${app.url}/api/chat/active`, { headers: { origin } });

      expect(headers.get('access-control-allow-origin')).toBe(origin);
      expect(headers.get('access-control-allow-credentials')).toBe('true');
      expect(headers.get('access-control-expose-headers')).toContain(
        'Location, X-Request-Id, X-Generation-Id',
      );
      expect(headers.get('vary')).toContain('Origin');
    });

    test('its preflight says what may be sent', async () => {
      const { status, headers } = await fetch(`${app.url}/api/conversations/x`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'PATCH' },
      });

      expect(status).toBe(204);
      expect(headers.get('access-control-allow-methods')).toContain('PATCH');
      expect(headers.get('access-control-allow-headers')).toContain('Last-Event-ID');
    });

    test('another origin gets no permission', async () => {
      const { headers } = await fetch(`${app.url}/api/chat/active`, {
        method: 'OPTIONS',
        headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' },
      });

      expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    });
  });

  test('a request is one line of log without path, query, header or text', async () => {
    await answerOf(
      post(
        app,
        '/api/chat?q=SECRET1',
        { text: 'SECRET2' },
        { 'x-request-id': 'line', cookie: 'SECRET3' },
      ),
    );

    const line = app.log.find((entry) => entry['requestId'] === 'line');
    expect(line).toMatchObject({ method: 'POST', route: '/api/chat', status: 202, ms: 0 });
    expect(JSON.stringify(app.log)).not.toContain('SECRET');
  });
});
