import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { createRoutes } from '../../../src/app.ts';
import { loadConfig } from '../../../src/config/config.ts';
import { createAuthenticator } from '../../../src/http/auth.ts';
import { docsPage } from '../../../src/http/docs-page.ts';
import { openContent } from '../../../src/admission/admission.ts';
import { createMetrics } from '../../../src/http/metrics.ts';
import { OpenStreams } from '../../../src/http/open-streams.ts';
import { openApiDocument } from '../../../src/http/openapi.ts';
import type { Route } from '../../../src/http/route.ts';
import { exampleOf, list, member, text as words } from '../../../src/http/schema-example.ts';
import { createIds } from '../../../src/lib/ids.ts';
import { jsonObjectSchema } from '../../../src/stream/message.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeApprovals } from '../../support/fake-approvals.ts';
import { fakeUsage } from '../../support/fake-usage.ts';
import { FakeConversations, FakeGenerations } from '../../support/fake-generations.ts';
import { fakeUserData, memoryFiles } from '../../support/files.ts';

function routes(): Route[] {
  const config = loadConfig({});
  const clock = new FakeClock();
  const ctx = {
    config,
    clock,
    now: async () => clock.now(),
    generations: new FakeGenerations(),
    conversations: new FakeConversations(),
    approvals: new FakeApprovals(),
    files: memoryFiles().files,
    userData: fakeUserData,
    usage: fakeUsage(() => clock.now()),
    content: openContent,
    agents: () => [],
    routed: () => false,
    ids: createIds(() => 0),
    logger: pino({ level: 'silent' }),
    metrics: createMetrics({ ofProcess: false }),
    openStreams: new OpenStreams({ clock, heartbeatMs: 1_000, maxPerUser: 1 }),
    readiness: () => Promise.resolve(),
    isDraining: () => false,
  };
  return createRoutes(ctx, createAuthenticator({ ...config, clock }));
}

const document = openApiDocument(routes());
const text = JSON.stringify(document);

function at(...keys: string[]): unknown {
  let value: unknown = document;
  for (const key of keys) value = jsonObjectSchema.parse(value)[key];
  return value;
}

/** Protocols that have tests of their own. */
const OTHERS: string[] = ['ai-sdk', 'ag-ui', 'openai'] satisfies Route['tag'][];

describe('the OpenAPI document', () => {
  test('has every route of the protocol', () => {
    const native = routes().filter(({ tag }) => !OTHERS.includes(tag));
    const all = native.map((route) => `${route.method} ${route.path}`);

    expect(all.toSorted()).toEqual(
      [
        'get /api/agents',
        'get /api/approvals',
        'get /api/approvals/:actionId',
        'get /api/approval-rules',
        'delete /api/approval-rules/:ruleId',
        'post /api/files',
        'get /api/files',
        'get /api/files/:id',
        'delete /api/files/:id',
        'get /api/me/export',
        'delete /api/me',
        'post /api/chat',
        'post /api/chat/regenerate',
        'post /api/chat/continue',
        'get /api/chat/stream/:streamId',
        'post /api/chat/resume',
        'post /api/chat/abort',
        'get /api/chat/status/:conversationId',
        'get /api/chat/active',
        'get /api/conversations',
        'get /api/conversations/:id',
        'patch /api/conversations/:id',
        'delete /api/conversations/:id',
        'get /api/conversations/:id/messages',
        'post /api/conversations/:id/fork',
        'get /api/usage',
        'post /api/auth/session',
        'delete /api/auth/session',
        'get /healthz',
        'get /readyz',
        'get /metrics',
        'get /openapi.json',
        'get /docs',
        'get /',
        'get /web/:file',
      ].toSorted(),
    );
    for (const route of routes()) {
      const path = route.path.replace(/:(\w+)/g, '{$1}');
      expect(at('paths', path, route.method)).toMatchObject({ summary: route.doc.summary });
    }
  });

  test('shows the refusals of a protocol in its own form', () => {
    const all = routes().filter(({ tag }) => tag === 'openai');
    const schemas = all.map(({ path, method }) =>
      at(
        'paths',
        path.replace(/:(\w+)/g, '{$1}'),
        method,
        'responses',
        '401',
        'content',
        'application/json',
        'schema',
        'properties',
        'error',
      ),
    );

    expect(all.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'post /v1/chat/completions',
      'get /v1/chat/completions/:id',
      'post /v1/responses',
      'get /v1/responses/:id',
      'post /v1/responses/:id/cancel',
      'get /v1/models',
      'get /v1/models/:model',
    ]);
    for (const schema of schemas) {
      expect(schema).toMatchObject({ required: ['message', 'type', 'code', 'param'] });
    }
  });

  test('resolves every reference, and leaves none to JSON Schema files', () => {
    const names = Object.keys(jsonObjectSchema.parse(at('components', 'schemas')));
    const refs = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref);

    expect(refs.length).toBeGreaterThan(50);
    for (const ref of new Set(refs)) {
      expect(names.map((name) => `#/components/schemas/${name}`)).toContain(ref);
    }
    expect(text).not.toContain('$defs');
    expect(text).not.toContain('"$schema"');
  });

  test('shows bodies strict, with their bounds', () => {
    expect(
      at('paths', '/api/chat', 'post', 'requestBody', 'content', 'application/json', 'schema'),
    ).toMatchObject({
      type: 'object',
      required: ['text'],
      additionalProperties: false,
      properties: {
        text: { type: 'string', maxLength: 100_000 },
        messageId: { pattern: '^[A-Za-z0-9_.:-]{1,128}$' },
        onBusy: { enum: ['reject', 'enqueue', 'interrupt', 'steer'], default: 'reject' },
      },
    });
    expect(
      at(
        'paths',
        '/api/chat/resume',
        'post',
        'requestBody',
        'content',
        'application/json',
        'schema',
      ),
    ).toMatchObject({ additionalProperties: false, required: ['actionId'] });
  });

  test('names the errors of a route under their statuses', () => {
    expect(at('paths', '/api/chat', 'post', 'responses', '409', 'description')).toBe(
      '`CONVERSATION_BUSY`, `IDEMPOTENCY_CONFLICT`',
    );
    expect(
      Object.keys(jsonObjectSchema.parse(at('paths', '/api/chat', 'post', 'responses'))),
    ).toEqual([
      '200',
      '202',
      '204',
      '400',
      '401',
      '402',
      '403',
      '404',
      '405',
      '409',
      '413',
      '415',
      '422',
      '429',
      '500',
      '503',
    ]);
  });

  test('shows the whole ladder of a resume', () => {
    const responses = jsonObjectSchema.parse(at('paths', '/api/chat/resume', 'post', 'responses'));
    const codes = Object.entries(responses).flatMap(([status, answer]) =>
      status.startsWith('2') ? [] : [`${status} ${words(member(answer, 'description'))}`],
    );

    expect(codes).toEqual([
      '400 `INVALID_REQUEST`, `INVALID_JSON`, `UNDECIDED`, `UNKNOWN_TOOL_CALL`, `DUPLICATE_DECISION`, `INCOMPLETE_DECISION`',
      '401 `UNAUTHENTICATED`',
      '403 `FORBIDDEN_ORIGIN`, `FORBIDDEN`, `DECISION_NOT_ALLOWED`',
      '404 `NOT_FOUND`',
      '405 `METHOD_NOT_ALLOWED`',
      '409 `STALE_ACTION`, `NO_PENDING_ACTION`, `ACTION_ALREADY_RESOLVED`, `AGENT_CHANGED`',
      '410 `ACTION_EXPIRED`',
      '413 `PAYLOAD_TOO_LARGE`',
      '415 `UNSUPPORTED_MEDIA_TYPE`',
      '422 `CONTENT_REFUSED`, `EDITED_ARGS_INVALID`, `RESPONSE_INVALID`',
      '429 `TOO_MANY_GENERATIONS`',
      '500 `INTERNAL`',
      '503 `UNAVAILABLE`',
    ]);
    expect(responses['200']).toMatchObject({ headers: { Location: {}, 'X-Generation-Id': {} } });
    expect(responses['202']).toMatchObject({ headers: { Location: {}, 'X-Generation-Id': {} } });
  });

  test('gives examples of bodies that the routes take', () => {
    const checked = routes().flatMap((route) => {
      const { body } = route.doc;
      if (body === undefined) return [];
      const path = route.path.replace(/:(\w+)/g, '{$1}');
      const schema = jsonObjectSchema.parse(
        at('paths', path, route.method, 'requestBody', 'content', 'application/json', 'schema'),
      );
      const shown = [
        exampleOf(schema, jsonObjectSchema.parse(at('components', 'schemas'))),
        ...list(member(schema, 'examples')),
      ];
      return shown.map((example) => `${route.path} ${body.safeParse(example).success}`);
    });

    expect(checked.filter((it) => it.endsWith('false'))).toEqual([]);
    expect(checked.filter((it) => it.startsWith('/api/'))).toEqual([
      '/api/chat true',
      '/api/chat/regenerate true',
      '/api/chat/continue true',
      ...Array(4).fill('/api/chat/resume true'),
      ...Array(3).fill('/api/chat/abort true'),
      '/api/conversations/:id true',
      '/api/conversations/:id/fork true',
      '/api/me true',
    ]);
  });

  test('asks for a token where one is asked for', () => {
    expect(at('paths', '/api/chat/active', 'get', 'security')).toEqual([
      { bearer: [] },
      { session: [] },
    ]);
    expect(at('paths', '/healthz', 'get', 'security')).toEqual([]);
  });
});

describe('the docs page', () => {
  const { html, policy } = docsPage(document);

  test('shows every route, schema and an example, and loads nothing', () => {
    for (const route of routes()) {
      expect(html).toContain(`<code>${route.path.replace(/:(\w+)/g, '{$1}')}</code>`);
    }
    expect(html).toContain('id="schema-PendingAction"');
    expect(html).toContain('&quot;text&quot;: &quot;say 5 200&quot;');
    expect(html).not.toMatch(/<script|src=|href="(?!#|\/openapi\.json")|url\(|@import/);
  });

  test('has a policy that allows its one style and nothing else', () => {
    const style = /<style>([\s\S]*)<\/style>/.exec(html)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');

    expect(policy).toContain(`default-src 'none'; style-src 'sha256-${hash}'`);
    expect(html).not.toContain('style="');
  });

  test('escapes what the document says', () => {
    const evil = docsPage({
      info: { title: '<b>&"' },
      paths: { '/<i>': { get: { tags: ['x'], summary: '<script>alert(1)</script>' } } },
    });

    expect(evil.html).not.toContain('<script>');
    expect(evil.html).not.toContain('<i>');
    expect(evil.html).toContain('&lt;b&gt;&amp;&quot;');
  });
});
