import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { answerOf, codeOf, LOCAL, startHttpApp, until } from './harness.ts';
import type { HttpApp } from './harness.ts';

describe('approvals over HTTP', () => {
  let app: HttpApp;
  beforeEach(async () => {
    app = await startHttpApp();
  });
  afterEach(() => app.close());

  const call = (method: string, path: string, headers: Record<string, string> = {}) =>
    fetch(`${app.url}${path}`, { method, headers });

  test('are listed for who asks, with their roles, page by page', async () => {
    const { status, body } = await answerOf(call('GET', '/api/approvals?limit=5'));

    expect(status).toBe(200);
    expect(body).toMatchObject({ items: [{ actionId: 'act_1' }], nextCursor: null });
    expect(app.approvals.calls).toMatchObject([
      { name: 'pending', by: { ...LOCAL, roles: [] }, args: [{ limit: 5, cursor: undefined }] },
    ]);
  });

  test('one is shown with its status and trail', async () => {
    const { status, body } = await answerOf(call('GET', '/api/approvals/act_1'));

    expect(status).toBe(200);
    expect(body).toMatchObject({
      action: { actionId: 'act_1' },
      status: 'pending',
      audit: [{ event: 'proposed', by: null }],
    });
  });

  test.each(['/api/approvals/none', '/api/approvals/a%20b'])('%s does not exist', async (path) => {
    expect(await codeOf(call('GET', path))).toBe('404 NOT_FOUND');
  });

  test.each([
    '/api/approvals?limit=0',
    '/api/approvals?limit=101',
    '/api/approvals?cursor=%00',
    '/api/approval-rules?limit=x',
    '/api/approval-rules?cursor=nonsense',
  ])('%s is refused', async (path) => {
    expect(await codeOf(call('GET', path))).toBe('400 INVALID_REQUEST');
  });

  test('standing rules are listed and revoked, by whom and from where', async () => {
    const listed = await answerOf(call('GET', '/api/approval-rules'));
    const headers = { 'user-agent': 'x'.repeat(500) };
    const revoked = await answerOf(call('DELETE', '/api/approval-rules/rule_1', headers));

    expect(listed.body).toMatchObject({ items: [{ ruleId: 'rule_1', tool: 'mail' }] });
    expect(revoked.status).toBe(204);
    expect(app.approvals.calls.at(-1)).toMatchObject({
      by: {
        ...LOCAL,
        client: { address: expect.stringContaining('127.0.0.1'), userAgent: 'x'.repeat(200) },
      },
      args: ['rule_1'],
    });
    expect(await codeOf(call('DELETE', '/api/approval-rules/none'))).toBe('404 NOT_FOUND');
  });

  test('a page of another origin may revoke nothing', async () => {
    const headers = { origin: 'https://evil.example' };

    expect(await codeOf(call('DELETE', '/api/approval-rules/rule_1', headers))).toBe(
      '403 FORBIDDEN_ORIGIN',
    );
    expect(app.approvals.calls).toEqual([]);
  });
});

describe('approvals with JWT', () => {
  const SECRET = 'a secret of thirty-two bytes, or more';
  const ORIGIN = 'https://chat.example';
  let app: HttpApp;
  beforeEach(async () => {
    app = await startHttpApp({ AUTH_MODE: 'jwt', JWT_SECRET: SECRET, ALLOWED_ORIGINS: ORIGIN });
  });
  afterEach(() => app.close());

  const bearer = async (sub: string, roles: string[] = []): Promise<Record<string, string>> => {
    const token = await new SignJWT({ sub, roles })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(SECRET));
    return { authorization: `Bearer ${token}` };
  };

  const call = (method: string, path: string, headers: Record<string, string>): Promise<Response> =>
    fetch(`${app.url}${path}`, { method, headers });

  const ROUTES: [string, string][] = [
    ['GET', '/api/approvals'],
    ['GET', '/api/approvals/act_1'],
    ['GET', '/api/approval-rules'],
    ['DELETE', '/api/approval-rules/rule_1'],
  ];
  test.each(ROUTES)('%s %s wants a token', async (method, path) => {
    expect(await codeOf(call(method, path, {}))).toBe('401 UNAUTHENTICATED');
    expect(app.approvals.calls).toEqual([]);
  });

  test.each([
    ['GET', '/api/approvals/act_1'],
    ['GET', '/api/approvals'],
  ])('%s %s is asked with the roles of the token', async (method, path) => {
    await answerOf(call(method, path, await bearer('ann', ['finance'])));

    expect(app.approvals.calls).toMatchObject([
      { by: { tenantId: 'default', userId: 'ann', roles: ['finance'] } },
    ]);
  });

  test.each([
    ['GET', '/api/approvals/', 'act_1', 'approval'],
    ['DELETE', '/api/approval-rules/', 'rule_1', 'rule'],
  ])('%s %s of what is foreign, missing or no id is the same bytes', async (...row) => {
    const [method, path, id, what] = row;
    const seen = async (who: string, name: string): Promise<unknown> => {
      const { status, text, headers } = await answerOf(
        call(method, path + name, await bearer(who)),
      );
      const names = [...headers].filter(([key]) => key !== 'x-request-id' && key !== 'date');
      return { status, text, names };
    };

    const missing = await seen('ann', 'none');

    expect(missing).toMatchObject({
      status: 404,
      text: `{"error":{"code":"NOT_FOUND","message":"No such ${what}."}}`,
    });
    expect(await seen('bob', id)).toEqual(missing);
    expect(await seen('ann', 'a%20b')).toEqual(missing);
    expect(await seen('ann', 'x'.repeat(129))).toEqual(missing);
  });

  test('a cookie reads, and revokes only from an allowed origin', async () => {
    const signedIn = await answerOf(call('POST', '/api/auth/session', await bearer('ann')));
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    const revoke = (more: Record<string, string>): Promise<string> =>
      codeOf(call('DELETE', '/api/approval-rules/rule_1', { cookie, ...more }));

    expect(await codeOf(call('GET', '/api/approvals', { cookie }))).toBe('200 -');
    expect(await revoke({})).toBe('403 FORBIDDEN_ORIGIN');
    expect(await revoke({ origin: 'https://evil.example' })).toBe('403 FORBIDDEN_ORIGIN');
    expect(app.approvals.calls).toHaveLength(1);
    expect(await revoke({ origin: ORIGIN })).toBe('204 -');
  });

  test('other methods are 405 with Allow', async () => {
    const { status, headers } = await answerOf(call('POST', '/api/approval-rules/rule_1', {}));

    expect(status).toBe(405);
    expect(headers.get('allow')).toBe('DELETE, OPTIONS');
  });

  test('neither what is asked nor an id gets into the log', async () => {
    const headers = await bearer('ann');
    for (const [method, path] of ROUTES) await answerOf(call(method, path, headers));

    await until(() => app.log.length >= ROUTES.length);
    expect(JSON.stringify(app.log)).not.toMatch(/act_1|rule_1|Which|mail/);
  });
});
