import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { settle } from '../../support/fake-clock.ts';
import { answerOf, codeOf, post, startHttpApp } from './harness.ts';
import type { HttpApp } from './harness.ts';

describe('ops over HTTP', () => {
  let app: HttpApp;
  beforeEach(async () => {
    app = await startHttpApp({ AUTH_MODE: 'jwt', JWT_SECRET: 'x'.repeat(32) });
  });
  afterEach(() => app.close());

  const get = (path: string): Promise<Response> => fetch(app.url + path);

  test('none of them asks for a token', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json', '/docs']) {
      expect((await answerOf(get(path))).status).toBe(200);
    }
  });

  test('ready is 503 while draining, health is not', async () => {
    app.state.draining = true;

    expect(await codeOf(get('/readyz'))).toBe('503 UNAVAILABLE');
    expect((await answerOf(get('/healthz'))).body).toEqual({ status: 'ok' });
  });

  test('ready is 503 while a store fails, without its words', async () => {
    app.state.readiness = () => Promise.reject(new Error('disk full at /secret'));

    const { status, text } = await answerOf(get('/readyz'));

    expect(status).toBe(503);
    expect(text).not.toContain('disk');
  });

  test('ready is 503 where a store does not answer in time', async () => {
    app.state.readiness = () => new Promise(() => {});
    const call = codeOf(get('/readyz'));
    while (app.clock.pending === 0) await settle();

    await app.clock.advance(2_000);

    expect(await call).toBe('503 UNAVAILABLE');
    expect(app.clock.pending).toBe(0);
  });

  test('metrics count requests by the pattern of their route, never by path', async () => {
    await answerOf(get('/api/conversations/some-private-id'));
    await answerOf(get('/some/private/path'));
    await answerOf(post(app, '/api/chat', { text: 'x' }));

    const { text, headers } = await answerOf(get('/metrics'));

    expect(headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(text).toContain(
      'holdfast_http_request_seconds_count{method="GET",route="/api/conversations/:id",status="401"} 1',
    );
    expect(text).toContain('route="unmatched",status="404"');
    expect(text).not.toContain('private');
  });

  test.each([
    'holdfast_generations_in_flight',
    'holdfast_queue_wait_seconds',
    'holdfast_streams_open',
    'holdfast_stream_bytes_total',
    'holdfast_stream_reconnects_total',
    'holdfast_takeovers_total',
    'holdfast_append_seconds',
    'holdfast_generations_finished_total',
    'holdfast_stream_resets_total',
    'holdfast_actions_resolved_total',
  ])('metrics name %s', async (name) => {
    expect((await answerOf(get('/metrics'))).text).toContain(`# TYPE ${name} `);
  });

  test('pages forbid scripts, JSON forbids everything', async () => {
    const docs = await answerOf(get('/docs'));
    const json = await answerOf(get('/openapi.json'));

    expect(docs.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'/,
    );
    expect(json.headers.get('content-security-policy')).toBe(
      "default-src 'none';frame-ancestors 'none'",
    );
    expect(json.headers.get('x-content-type-options')).toBe('nosniff');
    expect(json.headers.get('x-powered-by')).toBeNull();
  });
});
