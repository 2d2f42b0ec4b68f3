import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { CryptoKey, JWTPayload } from 'jose';
import { EPOCH } from '../../support/fake-clock.ts';
import { answerOf, codeOf, raw, startHttpApp } from './harness.ts';
import type { HttpApp } from './harness.ts';

const SECRET = 'a secret of thirty-two bytes, or more';
const NOW = EPOCH / 1_000;
const ORIGIN = 'https://chat.example';

function sign(claims: JWTPayload, secret = SECRET, alg = 'HS256'): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(new TextEncoder().encode(secret));
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

describe('auth with JWT over HTTP', () => {
  let app: HttpApp;
  let token: string;
  beforeEach(async () => {
    app = await startHttpApp({ AUTH_MODE: 'jwt', JWT_SECRET: SECRET, ALLOWED_ORIGINS: ORIGIN });
    token = await sign({ sub: 'ann', tenant: 'acme', roles: ['admin'], exp: NOW + 3_600 });
  });
  afterEach(() => app.close());

  const active = (headers: Record<string, string>, query = ''): Promise<Response> =>
    fetch(`${app.url}/api/chat/active${query}`, { headers });

  const start = (headers: Record<string, string>): Promise<Response> =>
    fetch(`${app.url}/api/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: '{"text":"x"}',
    });

  const signIn = async (): Promise<string> => {
    const answer = await answerOf(
      fetch(`${app.url}/api/auth/session`, { method: 'POST', headers: bearer(token) }),
    );
    return answer.headers.get('set-cookie')?.split(';')[0] ?? '';
  };

  test('a bearer token names the owner', async () => {
    expect((await active(bearer(token))).status).toBe(200);
    expect(app.generations.calls.at(-1)?.owner).toEqual({ tenantId: 'acme', userId: 'ann' });
  });

  test('a token without tenant is of the default one', async () => {
    await active(bearer(await sign({ sub: 'bob' })));

    expect(app.generations.calls.at(-1)?.owner).toEqual({ tenantId: 'default', userId: 'bob' });
  });

  test('without a token it is 401 with a challenge', async () => {
    const { status, headers, body } = await answerOf(active({}));

    expect(status).toBe(401);
    expect(body).toMatchObject({ error: { code: 'UNAUTHENTICATED' } });
    expect(headers.get('www-authenticate')).toBe('Bearer realm="holdfast"');
  });

  const bad: [string, () => Promise<string>][] = [
    ['of another secret', () => sign({ sub: 'x' }, 'another secret of thirty-two bytes')],
    ['of another algorithm', () => sign({ sub: 'x' }, SECRET, 'HS512')],
    ['that is over', () => sign({ sub: 'x', exp: NOW - 6 })],
    ['that is not yet valid', () => sign({ sub: 'x', nbf: NOW + 60 })],
    ['without sub', () => sign({ tenant: 'x' })],
    ['with an empty sub', () => sign({ sub: '' })],
    ['with a control character in sub', () => sign({ sub: 'a\u0000b' })],
    ['with a tenant that is a list', () => sign({ sub: 'x', tenant: ['a'] })],
    ['with roles that are text', () => sign({ sub: 'x', roles: 'admin' })],
    ['that is none', () => Promise.resolve('a.b.c')],
    [
      'with no signature',
      () => Promise.resolve(`${btoa('{"alg":"none"}')}.${btoa('{"sub":"x"}')}.`),
    ],
  ];
  test.each(bad)('a token %s is 401', async (_name, make) => {
    const { status, headers } = await answerOf(active(bearer(await make())));

    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toContain('error="invalid_token"');
  });

  test('a token that is over by less than the tolerance still counts', async () => {
    expect((await active(bearer(await sign({ sub: 'x', exp: NOW - 3 })))).status).toBe(200);
  });

  test.each(['Basic YTpi', 'Bearer', 'Bearer ', 'Bearer a b', 'Token x'])(
    'Authorization: %s is 401',
    async (authorization) => {
      expect(await codeOf(active({ authorization }))).toBe('401 UNAUTHENTICATED');
    },
  );

  test('a token in the URL is none', async () => {
    for (const name of ['access_token', 'token', 'authorization']) {
      expect(await codeOf(active({}, `?${name}=${token}`))).toBe('401 UNAUTHENTICATED');
    }
  });

  test('auth comes before the body and the existence of things', async () => {
    expect(await codeOf(fetch(`${app.url}/api/chat`, { method: 'POST', body: 'x' }))).toBe(
      '401 UNAUTHENTICATED',
    );
    expect(await codeOf(fetch(`${app.url}/api/conversations/x`))).toBe('401 UNAUTHENTICATED');
  });

  describe('a cookie session', () => {
    test('is set HttpOnly and SameSite=Strict, for no longer than the token', async () => {
      const { status, headers, body } = await answerOf(
        fetch(`${app.url}/api/auth/session`, { method: 'POST', headers: bearer(token) }),
      );

      expect(status).toBe(200);
      expect(body).toEqual({
        tenantId: 'acme',
        userId: 'ann',
        roles: ['admin'],
        expiresAt: new Date(EPOCH + 3_600_000).toISOString(),
      });
      expect(headers.get('set-cookie')).toMatch(
        /^holdfast_session=[\w.-]+; Max-Age=3600; Path=\/api; HttpOnly; SameSite=Strict$/,
      );
    });

    test('is Secure behind a proxy that says https', async () => {
      const behind = await startHttpApp({
        AUTH_MODE: 'jwt',
        JWT_SECRET: SECRET,
        TRUST_PROXY: '1',
      });
      const headers = { ...bearer(token), 'x-forwarded-proto': 'https' };

      const trusted = await fetch(`${behind.url}/api/auth/session`, { method: 'POST', headers });
      const untrusted = await fetch(`${app.url}/api/auth/session`, { method: 'POST', headers });

      expect(trusted.headers.get('set-cookie')).toMatch(/; Secure$/);
      expect(untrusted.headers.get('set-cookie')).not.toContain('Secure');
      await behind.close();
    });

    test('lasts at most 12 hours, also of a token without an end', async () => {
      token = await sign({ sub: 'ann' });
      const cookie = await signIn();

      await app.clock.advance(12 * 3_600_000 - 1_000);
      expect((await active({ cookie })).status).toBe(200);
      await app.clock.advance(10_000);
      expect(await codeOf(active({ cookie }))).toBe('401 UNAUTHENTICATED');
    });

    test('opens GET routes', async () => {
      const cookie = `other=1; ${await signIn()}; more=2`;

      expect((await active({ cookie })).status).toBe(200);
      expect(app.generations.calls.at(-1)?.owner).toEqual({ tenantId: 'acme', userId: 'ann' });
    });

    test('changes state only from an allowed origin', async () => {
      const cookie = await signIn();

      expect(await codeOf(start({ cookie }))).toBe('403 FORBIDDEN_ORIGIN');
      expect(await codeOf(start({ cookie, origin: 'https://evil.example' }))).toBe(
        '403 FORBIDDEN_ORIGIN',
      );
      expect(await codeOf(start({ cookie, origin: 'null' }))).toBe('403 FORBIDDEN_ORIGIN');
      expect((await start({ cookie, origin: ORIGIN })).status).toBe(202);
      expect((await start({ cookie, origin: app.url })).status).toBe(202);
    });

    test('does not save a bad bearer token', async () => {
      const cookie = await signIn();

      expect(await codeOf(active({ cookie, ...bearer('x.y.z') }))).toBe('401 UNAUTHENTICATED');
    });

    test('is no bearer token, and a bearer token no session', async () => {
      const cookie = await signIn();
      const session = cookie.slice(cookie.indexOf('=') + 1);

      expect(await codeOf(active(bearer(session)))).toBe('401 UNAUTHENTICATED');
      expect(await codeOf(active({ cookie: `holdfast_session=${token}` }))).toBe(
        '401 UNAUTHENTICATED',
      );
    });

    test('is cleared by DELETE', async () => {
      const { status, headers } = await fetch(`${app.url}/api/auth/session`, { method: 'DELETE' });

      expect(status).toBe(204);
      expect(headers.get('set-cookie')).toMatch(/^holdfast_session=; Max-Age=0; Path=\/api;/);
    });

    test('is neither made nor cleared for a page of another origin', async () => {
      const origin = 'https://evil.example';
      const url = `${app.url}/api/auth/session`;

      const made = fetch(url, { method: 'POST', headers: { ...bearer(token), origin } });
      const cleared = fetch(url, { method: 'DELETE', headers: { origin } });

      expect(await codeOf(made)).toBe('403 FORBIDDEN_ORIGIN');
      expect(await codeOf(cleared)).toBe('403 FORBIDDEN_ORIGIN');
    });

    test('is not renewed by itself', async () => {
      const cookie = await signIn();
      const call = fetch(`${app.url}/api/auth/session`, { method: 'POST', headers: { cookie } });

      expect(await codeOf(call)).toBe('401 UNAUTHENTICATED');
    });
  });
});

describe('auth with a key set over HTTP', () => {
  let keys: { privateKey: CryptoKey; publicKey: CryptoKey };
  let served: { status: number; body: string };
  const jwks = createServer((_req, res) => {
    res.writeHead(served.status, { 'content-type': 'application/json', connection: 'close' });
    res.end(served.body);
  });
  let url: string;

  beforeAll(async () => {
    keys = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256' };
    served = { status: 200, body: JSON.stringify({ keys: [jwk] }) };
    await new Promise<void>((resolve) => {
      jwks.listen(0, '127.0.0.1', resolve);
    });
    const { port } = jwks.address() as AddressInfo; // oxlint-disable-line typescript/no-unsafe-type-assertion -- a TCP server's address is one
    url = `http://127.0.0.1:${port}/jwks`;
  });
  afterAll(() => {
    jwks.closeAllConnections();
    return new Promise((resolve) => jwks.close(resolve));
  });

  const call = async (claims: JWTPayload, kid = 'k1', env = {}): Promise<string> => {
    const app = await startHttpApp({ AUTH_MODE: 'jwt', JWKS_URL: url, ...env });
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(keys.privateKey);
    const code = await codeOf(fetch(`${app.url}/api/chat/active`, { headers: bearer(token) }));
    await app.close();
    return code;
  };

  test('takes a token that a key of the set signed', async () => {
    expect(await call({ sub: 'ann' })).toBe('200 -');
  });

  test('refuses a key that is not in the set with 401', async () => {
    expect(await call({ sub: 'ann' }, 'k2')).toBe('401 UNAUTHENTICATED');
  });

  test('checks issuer and audience where they are configured', async () => {
    const env = { JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'chat' };

    expect(await call({ sub: 'a', iss: 'https://id.example', aud: 'chat' }, 'k1', env)).toBe(
      '200 -',
    );
    expect(await call({ sub: 'a', iss: 'https://id.example' }, 'k1', env)).toContain('401');
    expect(await call({ sub: 'a', iss: 'https://x.example', aud: 'chat' }, 'k1', env)).toContain(
      '401',
    );
  });

  test('never takes an HMAC made with the public key', async () => {
    const app = await startHttpApp({ AUTH_MODE: 'jwt', JWKS_URL: url });
    const token = await new SignJWT({ sub: 'x' })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .sign(new TextEncoder().encode(served.body));

    const code = await codeOf(fetch(`${app.url}/api/chat/active`, { headers: bearer(token) }));

    expect(code).toBe('401 UNAUTHENTICATED');
    await app.close();
  });

  test.each([
    ['answers 500', 500, 'oops'],
    ['is no JSON', 200, '<html>'],
    ['is no key set', 200, '{"keys":1}'],
  ])('says 503, not 401, where the set %s', async (_name, status, body) => {
    const good = served;
    served = { status, body };

    const code = await call({ sub: 'ann' });
    served = good;

    expect(code).toBe('503 UNAVAILABLE');
  });
});

describe('dev auth over HTTP', () => {
  let app: HttpApp;
  beforeAll(async () => {
    app = await startHttpApp({ ALLOWED_ORIGINS: ORIGIN });
  });
  afterAll(() => app.close());

  const start = (headers: Record<string, string>): Promise<string> =>
    codeOf(
      fetch(`${app.url}/api/chat`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: '{"text":"x"}',
      }),
    );

  test('everybody is the local user, whatever they bring', async () => {
    expect(await start({ authorization: 'Bearer nonsense' })).toBe('202 -');
    expect(app.generations.calls.at(-1)?.owner).toEqual({ tenantId: 'default', userId: 'local' });
  });

  test('a page of another origin changes nothing', async () => {
    expect(await start({ origin: 'https://evil.example' })).toBe('403 FORBIDDEN_ORIGIN');
    expect(await start({ origin: ORIGIN })).toBe('202 -');
  });

  test.each(['evil.example', 'evil.example:3000', '192.168.0.7', '127.0.0.1.evil.example'])(
    'a name that points here from outside is refused: %s',
    async (host) => {
      const seen = await raw(
        app.port,
        `GET /api/chat/active HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );

      expect(seen).toContain('HTTP/1.1 403');
    },
  );

  test.each(['localhost:1', '127.0.0.1', '[::1]:3000', '127.9.9.9'])(
    'loopback is ours: %s',
    async (host) => {
      const seen = await raw(
        app.port,
        `GET /api/chat/active HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );

      expect(seen).toContain('HTTP/1.1 200');
    },
  );

  test('signing in says who one is and sets nothing', async () => {
    const { status, body, headers } = await answerOf(
      fetch(`${app.url}/api/auth/session`, { method: 'POST' }),
    );

    expect(status).toBe(200);
    expect(body).toEqual({ tenantId: 'default', userId: 'local', roles: [], expiresAt: null });
    expect(headers.get('set-cookie')).toBeNull();
  });
});
