import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { AppError } from '../../../src/errors.ts';
import type { ErrorCode } from '../../../src/errors.ts';
import { answerOf, codeOf, LOCAL, post, raw, startHttpApp, until } from './harness.ts';
import type { HttpApp } from './harness.ts';

/** docs/PROTOCOL.md section 4. */

const SECRET = 'a secret of thirty-two bytes, or more';
const ORIGIN = 'https://chat.example';
const decisions = [{ toolCallId: 't 1', decision: 'approve' }];
const target = { generationId: 'gen_1', actionId: 'act_1' };
const right = { ...target, decisions };

const startTurn = (app: HttpApp, headers: Record<string, string> = {}): Promise<unknown> =>
  answerOf(post(app, '/api/chat', { text: 'x' }, headers));

const resume = (
  app: HttpApp,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> => post(app, '/api/chat/resume', body, headers);

const bearer = async (claims: object): Promise<Record<string, string>> => {
  const token = await new SignJWT({ ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(SECRET));
  return { authorization: `Bearer ${token}` };
};

/** What a client sees, request id and date aside. */
const seen = async (app: HttpApp, who: object, to: object): Promise<unknown> => {
  const body = { ...to, actionId: 'act_1', decisions };
  const { status, text, headers } = await answerOf(resume(app, body, await bearer(who)));
  const names = [...headers].filter(([name]) => name !== 'x-request-id' && name !== 'date');
  return { status, text, names };
};

describe('POST /api/chat/resume', () => {
  let app: HttpApp;
  beforeAll(async () => {
    app = await startHttpApp();
    await startTurn(app);
  });
  afterAll(() => app.close());

  const resumed = {
    generationId: 'gen_1',
    streamId: 'gen_1',
    conversationId: 'conv_1',
    status: 'resuming',
  };

  test.each([
    ['decisions', { decisions }],
    ['answers', { answers: { q: ['a', 'b'], r: 'c' } }],
    ['one answer', { answer: 'yes' }],
    ['an empty answer, which is for the ladder to refuse', { answer: '' }],
  ])('hands %s on and answers 202', async (_name, verdict) => {
    const answer = await answerOf(resume(app, { ...target, ...verdict }));

    expect(answer.status).toBe(202);
    expect(answer.body).toEqual(resumed);
    expect(answer.headers.get('location')).toBe('/api/chat/stream/gen_1');
    expect(answer.headers.get('x-generation-id')).toBe('gen_1');
    expect(app.generations.called('resume').at(-1)).toEqual([{ ...target, ...verdict }]);
  });

  test('takes every key of a decision, and a conversation instead of a generation', async () => {
    const full = {
      toolCallId: 't',
      decision: 'edit',
      editedArgs: { to: 'ann', deep: [{ n: 1 }] },
      responseText: 'x'.repeat(10_000),
      reason: 'y'.repeat(10_000),
      scope: 'always',
    };
    const body = { conversationId: 'conv_1', actionId: 'a', decisions: [full] };

    expect((await answerOf(resume(app, body))).status).toBe(202);
    expect(app.generations.called('resume').at(-1)).toEqual([body]);
  });

  test('answers 200 to the identical repeat, otherwise the same', async () => {
    const first = await answerOf(resume(app, right));
    app.generations.repeated = true;

    const again = await answerOf(resume(app, right));
    app.generations.repeated = false;

    expect([first.status, again.status]).toEqual([202, 200]);
    expect(again.text).toBe(first.text);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    expect(again.headers.get('x-generation-id')).toBe('gen_1');
  });

  test.each([
    ['two targets', { ...right, conversationId: 'c' }],
    ['no target', { actionId: 'a', decisions }],
    ['no verdict', target],
    ['decisions and an answer', { ...right, answer: 'x' }],
    ['decisions and answers', { ...right, answers: {} }],
    ['answers and an answer', { ...target, answers: { q: 'x' }, answer: 'x' }],
    ['no action', { generationId: 'gen_1', decisions }],
    ['an action that is no id', { ...right, actionId: 'a b' }],
    ['a null verdict', { ...target, decisions: null, answer: 'x' }],
    ['an unknown decision', { ...target, decisions: [{ toolCallId: 't', decision: 'maybe' }] }],
    ['a decision for no call', { ...target, decisions: [{ decision: 'approve' }] }],
    ['an unknown key in a decision', { ...target, decisions: [{ ...decisions[0], tool: 'rm' }] }],
    ['an unknown scope', { ...target, decisions: [{ ...decisions[0], scope: 'forever' }] }],
    [
      'arguments that are no object',
      { ...target, decisions: [{ toolCallId: 't', decision: 'edit', editedArgs: [] }] },
    ],
    ['a decision that is null', { ...target, decisions: [null] }],
    [
      'a reason past its limit',
      { ...target, decisions: [{ ...decisions[0], reason: 'x'.repeat(10_001) }] },
    ],
    [
      'a response past its limit',
      { ...target, decisions: [{ ...decisions[0], responseText: 'x'.repeat(10_001) }] },
    ],
    ['an answer past its limit', { ...target, answer: 'x'.repeat(10_001) }],
    ['one of the answers past its limit', { ...target, answers: { q: ['x'.repeat(10_001)] } }],
    ['more decisions than a batch has', { ...target, decisions: Array(1_001).fill(decisions[0]) }],
    ['answers that are numbers', { ...target, answers: { q: 1 } }],
    ['answers that are a list', { ...target, answers: ['x'] }],
    ['an answer that is a list', { ...target, answer: ['x'] }],
    // What shapes the run comes from the record alone.
    ...['agentId', 'model', 'files', 'tools', 'text', 'timezone', 'metadata', 'repeated'].map(
      (key): [string, unknown] => [`the key ${key}`, { ...right, [key]: 'x' }],
    ),
  ])('refuses %s with 400, and asks nobody', async (_name, body) => {
    const before = app.generations.calls.length;

    expect(await codeOf(resume(app, body))).toBe('400 INVALID_REQUEST');
    expect(app.generations.calls).toHaveLength(before);
  });

  const codes: [ErrorCode, number][] = [
    ['NOT_FOUND', 404],
    ['STALE_ACTION', 409],
    ['NO_PENDING_ACTION', 409],
    ['ACTION_ALREADY_RESOLVED', 409],
    ['FORBIDDEN', 403],
    ['ACTION_EXPIRED', 410],
    ['UNDECIDED', 400],
    ['UNKNOWN_TOOL_CALL', 400],
    ['DUPLICATE_DECISION', 400],
    ['DECISION_NOT_ALLOWED', 403],
    ['INCOMPLETE_DECISION', 400],
    ['EDITED_ARGS_INVALID', 422],
    ['AGENT_CHANGED', 409],
    ['TOO_MANY_GENERATIONS', 429],
  ];
  test.each(codes)('answers %s with %d, its details and headers', async (code, status) => {
    const details = { actionId: 'act_1' };
    app.generations.refuse(new AppError(code, 'No.', { details, headers: { 'Retry-After': '5' } }));

    const answer = await answerOf(resume(app, right));

    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({ error: { code, message: 'No.', details } });
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(answer.headers.get('location')).toBeNull();
  });

  test('is 503 while draining, and nothing is decided', async () => {
    const before = app.generations.calls.length;
    app.state.draining = true;

    const answer = await answerOf(resume(app, right));
    app.state.draining = false;

    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    expect(app.generations.calls).toHaveLength(before);
  });

  test('other methods and content types are refused', async () => {
    expect(await codeOf(fetch(`${app.url}/api/chat/resume`))).toBe('405 METHOD_NOT_ALLOWED');
    expect(await codeOf(resume(app, right, { 'content-type': 'text/plain' }))).toBe(
      '415 UNSUPPORTED_MEDIA_TYPE',
    );
  });

  test('no argument, reason or answer gets into the log, whatever becomes of it', async () => {
    const body = {
      ...target,
      decisions: [
        {
          toolCallId: 'CANARY1',
          decision: 'edit',
          editedArgs: { to: 'CANARY2' },
          reason: 'CANARY3',
        },
      ],
    };
    const before = app.log.length;
    await answerOf(resume(app, body));
    await answerOf(resume(app, { ...body, CANARY4: 'CANARY5' }));
    app.generations.refuse(
      new AppError('EDITED_ARGS_INVALID', 'CANARY6', { details: { at: 'CANARY7' } }),
    );
    await answerOf(resume(app, body));
    await answerOf(resume(app, { ...target, answers: { CANARY8: 'CANARY9' } }));

    await until(() => app.log.length >= before + 4);
    expect(JSON.stringify(app.log)).not.toContain('CANARY');
  });
});

describe('who answers, and from where', () => {
  let app: HttpApp;
  afterEach(() => app.close());

  const personOfLast = (): unknown => app.generations.calls.at(-1)?.owner;

  test('is the local user without roles in dev mode, at the address of the peer', async () => {
    app = await startHttpApp();
    await startTurn(app);

    await answerOf(
      resume(app, right, { 'user-agent': 'x'.repeat(201), 'x-forwarded-for': '203.0.113.9' }),
    );

    const client = { address: '127.0.0.1', userAgent: 'x'.repeat(200) };
    expect(personOfLast()).toEqual({ ...LOCAL, roles: [], client });
  });

  test('has an empty user agent where none is sent', async () => {
    app = await startHttpApp();
    await startTurn(app);
    const body = JSON.stringify(right);

    await raw(
      app.port,
      `POST /api/chat/resume HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );

    expect(personOfLast()).toMatchObject({ client: { userAgent: '' } });
  });

  test.each([
    ['the last hop', '198.51.100.1, 203.0.113.9', '203.0.113.9'],
    ['an IPv6 address', '2001:db8::7', '2001:db8::7'],
    ['the peer, where the proxy says nothing', undefined, '127.0.0.1'],
    ['no more than a line of what is no address', 'y'.repeat(5_000), 'y'.repeat(100)],
  ])('is, behind a trusted proxy, %s', async (_name, forwarded, address) => {
    app = await startHttpApp({ TRUST_PROXY: '1' });
    await startTurn(app);

    const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
    await answerOf(resume(app, right, headers));

    expect(personOfLast()).toMatchObject({ client: { address } });
  });
});

describe('resume with JWT', () => {
  let app: HttpApp;
  beforeEach(async () => {
    app = await startHttpApp({ AUTH_MODE: 'jwt', JWT_SECRET: SECRET, ALLOWED_ORIGINS: ORIGIN });
    await startTurn(app, await bearer({ sub: 'ann', tenant: 'acme' }));
  });
  afterEach(() => app.close());

  test('the roles are those of the token', async () => {
    const headers = await bearer({ sub: 'ann', tenant: 'acme', roles: ['finance', 'admin'] });

    expect((await answerOf(resume(app, right, headers))).status).toBe(202);
    expect(app.generations.calls.at(-1)?.owner).toMatchObject({
      tenantId: 'acme',
      userId: 'ann',
      roles: ['finance', 'admin'],
    });
  });

  test.each([
    ['generation', { generationId: 'gen_1' }, { generationId: 'gen_9' }],
    ['conversation', { conversationId: 'conv_1' }, { conversationId: 'conv_9' }],
  ])('a foreign %s and a missing one are the same bytes', async (what, foreign, missing) => {
    const none = await seen(app, { sub: 'ann', tenant: 'acme' }, missing);

    expect(none).toMatchObject({
      status: 404,
      text: `{"error":{"code":"NOT_FOUND","message":"No such ${what}."}}`,
    });
    expect(await seen(app, { sub: 'bob', tenant: 'acme' }, foreign)).toEqual(none);
    expect(await seen(app, { sub: 'ann', tenant: 'other' }, foreign)).toEqual(none);
  });

  test('without a token it is 401, before the body is looked at', async () => {
    expect(await codeOf(resume(app, '{'))).toBe('401 UNAUTHENTICATED');
  });

  test('a cookie decides only from an allowed origin', async () => {
    const signedIn = await fetch(`${app.url}/api/auth/session`, {
      method: 'POST',
      headers: await bearer({ sub: 'ann', tenant: 'acme' }),
    });
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    await signedIn.text();
    const before = app.generations.calls.length;

    for (const origin of [{}, { origin: 'https://evil.example' }, { origin: 'null' }]) {
      expect(await codeOf(resume(app, right, { cookie, ...origin }))).toBe('403 FORBIDDEN_ORIGIN');
    }
    expect(app.generations.calls).toHaveLength(before);
    expect((await answerOf(resume(app, right, { cookie, origin: ORIGIN }))).status).toBe(202);
  });
});
