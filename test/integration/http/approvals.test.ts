import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { answerOf, codeOf, LOCAL, startHttpApp } from './harness.ts';
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

  test.each(['/api/approvals?limit=0', '/api/approval-rules?limit=x'])(
    '%s is refused',
    async (path) => {
      expect(await codeOf(call('GET', path))).toBe('400 INVALID_REQUEST');
    },
  );

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
