import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { malformedRequest, wireBytes } from '../../support/malformed.ts';
import type { Target } from '../../support/malformed.ts';
import { raw, startHttpApp } from './harness.ts';
import type { HttpApp } from './harness.ts';

/** I12: no input gives a 5xx or an exit, and every refusal is JSON. */

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 50);

const get = (path: string): Target => ({ method: 'GET', path, bodies: [] });

const TARGETS: Target[] = [
  {
    method: 'POST',
    path: '/api/chat',
    bodies: [
      { text: 'hi' },
      {
        text: 'hi',
        conversationId: 'c',
        messageId: 'm',
        parentMessageId: 'p',
        agentId: 'a',
        onBusy: 'enqueue',
        temporary: true,
        timezone: 'UTC',
        files: [],
        metadata: {},
      },
    ],
  },
  {
    method: 'POST',
    path: '/api/chat/resume',
    bodies: [
      {
        generationId: 'gen_1',
        actionId: 'a',
        decisions: [{ toolCallId: 't', decision: 'edit', editedArgs: {} }],
      },
      { conversationId: 'c', actionId: 'a', answers: { q: ['x'] } },
      { conversationId: 'c', actionId: 'a', answer: 'x' },
    ],
  },
  {
    method: 'POST',
    path: '/api/chat/abort',
    bodies: [{ generationId: 'gen_1' }, { conversationId: 'c' }],
  },
  get('/api/approvals'),
  get('/api/approvals/:actionId'),
  get('/api/approval-rules'),
  { method: 'DELETE', path: '/api/approval-rules/:ruleId', bodies: [] },
  { method: 'PATCH', path: '/api/conversations/:id', bodies: [{ title: 'x' }] },
  { method: 'DELETE', path: '/api/conversations/:id', bodies: [] },
  get('/api/conversations/:id'),
  get('/api/conversations/:id/messages'),
  get('/api/conversations'),
  get('/api/chat/stream/:streamId'),
  get('/api/chat/status/:conversationId'),
  get('/api/chat/active'),
  { method: 'POST', path: '/api/auth/session', bodies: [] },
  { method: 'DELETE', path: '/api/auth/session', bodies: [] },
  get('/healthz'),
  get('/:anything'),
];

interface Seen {
  status: number;
  head: string;
  body: string;
}

function parse(all: string): Seen {
  const answer = all.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
  const end = answer.indexOf('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
  return { status, head: answer.slice(0, end), body: answer.slice(end + 4) };
}

/** The code of a JSON error body; undefined if it is none. */
function errorCode(body: string): unknown {
  const text = body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1);
  const parsed: { error?: { code?: unknown } } = JSON.parse(text);
  return parsed.error?.code;
}

describe.each([
  ['dev', {}],
  ['jwt', { AUTH_MODE: 'jwt', JWT_SECRET: 'x'.repeat(32) }],
])('malformed requests in %s mode', (mode, env) => {
  let app: HttpApp;
  beforeAll(async () => {
    app = await startHttpApp({ ...env, MAX_STREAMS_PER_USER: '100000' });
    app.generations.onOpen = (sink) => sink.end();
  });
  afterAll(() => app.close());

  // Where every request is refused at the door a few runs are enough.
  const numRuns = mode === 'dev' ? RUNS : Math.ceil(RUNS / 8);

  test.each(TARGETS.map((target): [string, Target] => [`${target.method} ${target.path}`, target]))(
    '%s never fails on our side, and refuses in JSON',
    async (_name, target) => {
      await fc.assert(
        fc.asyncProperty(malformedRequest(target), async (request) => {
          const halfClose = request.framing === 'short';
          const { status, head, body } = parse(
            await raw(app.port, wireBytes(request), { halfClose }),
          );

          expect(status).toBeGreaterThanOrEqual(200);
          expect(status).toBeLessThan(500);
          if (status < 400) return;
          expect(head.toLowerCase()).toContain('content-type: application/json');
          expect(errorCode(body)).toMatch(/^[A-Z_]+$/);
        }),
        { numRuns },
      );

      expect(app.log.filter((line) => line['msg'] === 'request failed')).toEqual([]);
      expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
    },
    60_000,
  );
});
