import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EPOCH } from '../../support/fake-clock.ts';
import { aMessage } from '../../contract/conversation-store-kit.ts';
import { AppError } from '../../../src/errors.ts';
import { answerOf, codeOf, LOCAL, post, startHttpApp } from './harness.ts';
import type { Answer, HttpApp } from './harness.ts';

const STRANGER = { tenantId: 'default', userId: 'someone' };
const OTHER_TENANT = { tenantId: 'other', userId: 'local' };

/** What a client sees, request id aside. */
const same = ({ headers, status, text }: Answer): unknown => {
  const names = [...headers].filter(([name]) => name !== 'x-request-id' && name !== 'date');
  return { names, status, text };
};

describe('conversations over HTTP', () => {
  let app: HttpApp;
  beforeEach(async () => {
    app = await startHttpApp();
    app.conversations.add('mine', LOCAL);
    app.conversations.add('theirs', STRANGER);
    app.conversations.add('tenants', OTHER_TENANT);
    app.conversations.add('over', LOCAL, EPOCH);
    app.conversations.add('brief', LOCAL, EPOCH + 1);
  });
  afterEach(() => app.close());

  const call = (method: string, path: string, body?: unknown): Promise<Response> =>
    fetch(`${app.url}/api/conversations${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });

  test('one is shown without its owner and purge time', async () => {
    const { status, body } = await answerOf(call('GET', '/mine'));

    expect(status).toBe(200);
    expect(body).toEqual({
      conversationId: 'mine',
      title: null,
      temporary: false,
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.000Z',
    });
    expect((await call('GET', '/brief')).status).toBe(200);
  });

  test.each([
    ['GET', '', undefined],
    ['GET', '/messages', undefined],
    ['GET', '/messages?leaf=latest', undefined],
    ['POST', '/fork', { messageId: 'm' }],
    ['PATCH', '', { title: 'x' }],
    ['DELETE', '', undefined],
  ])(
    '%s of what is missing, foreign, or past its time are the same bytes',
    async (method, rest, body) => {
      const [missing, ...others] = await Promise.all(
        ['none', 'theirs', 'tenants', 'over', 'a%20b'].map(async (id) =>
          same(await answerOf(call(method, `/${id}${rest}`, body))),
        ),
      );

      expect(missing).toMatchObject({
        status: 404,
        text: '{"error":{"code":"NOT_FOUND","message":"No such conversation."}}',
      });
      for (const other of others) expect(other).toEqual(missing);
      expect(app.conversations.records.get('theirs')?.title).toBeNull();
      expect(app.generations.called('deleteConversation')).toHaveLength(0);
      expect(app.generations.called('fork')).toHaveLength(0);
    },
  );

  test('streams and status too answer alike for foreign and missing', async () => {
    await app.generations.start(STRANGER, {
      text: 'x',
      onBusy: 'reject',
      temporary: false,
      files: [],
      metadata: {},
      bodyHash: '',
    });
    const [a, b, c, d] = await Promise.all(
      ['stream/gen_1', 'stream/gen_9', 'status/conv_1', 'status/conv_9'].map(async (path) =>
        same(await answerOf(fetch(`${app.url}/api/chat/${path}`))),
      ),
    );

    expect(a).toMatchObject({ status: 404 });
    expect(a).toEqual(b);
    expect(c).toEqual(d);
  });

  test('pages are asked for with limit and cursor', async () => {
    await answerOf(call('GET', ''));
    await answerOf(call('GET', '?limit=100&cursor=page-2&x=y'));
    await answerOf(call('GET', '/mine/messages?limit=1&cursor='));

    expect(app.conversations.pages).toEqual([
      { limit: 20, cursor: undefined },
      { limit: 100, cursor: 'page-2' },
      { limit: 1, cursor: undefined },
    ]);
  });

  test('the list has the shape of a page', async () => {
    const { body } = await answerOf(call('GET', '?limit=1'));

    expect(body).toEqual({
      items: [expect.objectContaining({ conversationId: 'mine' })],
      nextCursor: null,
    });
  });

  test.each([
    'limit=0',
    'limit=101',
    'limit=x',
    'limit=-1',
    'limit=1.5',
    'limit=1&limit=2',
    'cursor=?',
  ])('refuses a page of %s with 400', async (query) => {
    expect(await codeOf(call('GET', `?${query}`))).toBe('400 INVALID_REQUEST');
  });

  test('PATCH trims the title and answers with the conversation', async () => {
    const { status, body } = await answerOf(call('PATCH', '/mine', { title: '  A title ' }));

    expect(status).toBe(200);
    expect(body).toMatchObject({ conversationId: 'mine', title: 'A title' });
    expect(body).not.toHaveProperty('owner');
  });

  test.each([
    [{}],
    [{ title: '' }],
    [{ title: '   ' }],
    [{ title: 'x'.repeat(201) }],
    [{ title: 'a\u0000b' }],
    [{ title: 1 }],
    [{ title: 'x', temporary: true }],
  ])('PATCH refuses %j with 400', async (body) => {
    expect(await codeOf(call('PATCH', '/mine', body))).toBe('400 INVALID_REQUEST');
  });

  test('DELETE asks the heart, and answers 204 without a body', async () => {
    const { status, text } = await answerOf(call('DELETE', '/mine'));

    expect([status, text]).toEqual([204, '']);
    expect(app.generations.called('deleteConversation')).toEqual([['mine']]);
  });

  describe('branches and forks', () => {
    beforeEach(() => {
      const parents = { a: null, b: 'a', b2: 'a', c: 'b' };
      app.conversations.tree = Object.entries(parents).map(([messageId, parentMessageId]) =>
        aMessage(messageId, { parentMessageId }),
      );
    });

    test('a branch comes in pages, each message with its siblings', async () => {
      const first = await answerOf(call('GET', '/mine/messages?leaf=c&limit=2'));
      const cursor = encodeURIComponent(String(first.body['nextCursor']));
      const second = await answerOf(call('GET', `/mine/messages?leaf=c&limit=2&cursor=${cursor}`));

      expect(first.body['items']).toMatchObject([
        { messageId: 'a', siblings: ['a'] },
        { messageId: 'b', siblings: ['b', 'b2'] },
      ]);
      expect(second.body).toMatchObject({ items: [{ messageId: 'c' }], nextCursor: null });
    });

    test.each([
      ['leaf=latest', '200 -'],
      ['through=b2', '200 -'],
      ['through=nobody', '404 NOT_FOUND'],
      ['through=b2&leaf=b2', '400 INVALID_REQUEST'],
      ['through=b2&cursor=c/b', '400 INVALID_REQUEST'],
      ['leaf=nobody', '404 NOT_FOUND'],
      ['leaf=', '400 INVALID_REQUEST'],
      ['leaf=a%20b', '400 INVALID_REQUEST'],
      ['leaf=a&leaf=b', '400 INVALID_REQUEST'],
      ['leaf=c&cursor=b', '400 INVALID_REQUEST'],
      ['leaf=c&cursor=b2/a', '400 INVALID_REQUEST'],
      ['leaf=latest&cursor=c/b2', '400 INVALID_REQUEST'],
      ['leaf=latest&cursor=nobody/a', '404 NOT_FOUND'],
      ['leaf=latest&cursor=__proto__/a', '404 NOT_FOUND'],
    ])('messages?%s is %s', async (query, code) => {
      expect(await codeOf(call('GET', `/mine/messages?${query}`))).toBe(code);
    });

    test.each([
      ['through=a', ['a', 'b2']],
      ['through=b', ['a', 'b', 'c']],
      ['leaf=b', ['a', 'b']],
    ])('the branch of ?%s is %j', async (query, branch) => {
      const { body } = await answerOf(call('GET', `/mine/messages?${query}`));

      expect(body['items']).toMatchObject(branch.map((messageId) => ({ messageId })));
    });

    test('a fork is 201, and says where it is', async () => {
      const answer = await answerOf(
        post(app, '/api/conversations/mine/fork', { messageId: 'c' }, { 'idempotency-key': 'k' }),
      );

      expect(answer.status).toBe(201);
      expect(answer.headers.get('location')).toBe('/api/conversations/fork_1');
      expect(answer.body).toMatchObject({ conversationId: 'fork_1', temporary: false });
      expect(app.generations.called('fork')).toEqual([
        [{ conversationId: 'mine', messageId: 'c', idempotencyKey: 'k' }],
      ]);
    });

    test.each([
      [{}, 'k'],
      [{ messageId: 1 }, 'k'],
      [{ messageId: 'a b' }, 'k'],
      [{ messageId: 'c', title: 'x' }, 'k'],
      [{ messageId: 'c' }, 'a b'],
    ])('a fork refuses %j under the key %j with 400', async (body, key) => {
      const path = '/api/conversations/mine/fork';

      expect(await codeOf(post(app, path, body, { 'idempotency-key': key }))).toBe(
        '400 INVALID_REQUEST',
      );
    });
  });

  describe('an answer that is made again, or gone on with', () => {
    let conversationId: string;
    beforeEach(async () => {
      const { body } = await answerOf(post(app, '/api/chat', { text: 'x' }));
      conversationId = String(body['conversationId']);
    });

    test.each(['regenerate', 'continue'])('%s is handed on with its defaults', async (kind) => {
      const given = { conversationId, messageId: 'r1', agentId: 'demo' };

      const answer = await answerOf(
        post(app, `/api/chat/${kind}`, given, { 'idempotency-key': 'k' }),
      );

      expect(answer.status).toBe(202);
      expect(answer.body).toMatchObject({ messageId: 'r1', status: 'started' });
      expect(answer.headers.get('location')).toMatch(/^\/api\/chat\/stream\/gen_\d+$/);
      const [[request] = []] = app.generations.called('again');
      expect(request).toMatchObject({
        kind,
        conversationId,
        target: 'r1',
        agentId: 'demo',
        onBusy: 'reject',
        metadata: {},
        idempotencyKey: 'k',
      });
    });

    test('one key for two kinds, or two answers, is not one request', async () => {
      for (const [kind, messageId] of [
        ['regenerate', 'r1'],
        ['continue', 'r1'],
        ['regenerate', 'r2'],
        ['regenerate', 'r1'],
      ]) {
        await post(app, `/api/chat/${kind}`, { conversationId, messageId });
      }

      const hashes = app.generations
        .called('again')
        .map((args) => /"bodyHash":"(\w+)"/.exec(JSON.stringify(args))?.[1]);
      expect(new Set(hashes.slice(0, 3)).size).toBe(3);
      expect(hashes[3]).toBe(hashes[0]);
    });

    test('with Accept: text/event-stream it is the stream itself', async () => {
      app.generations.onOpen = (sink) => sink.end();
      const given = { conversationId, messageId: 'r1' };

      const answer = await answerOf(
        post(app, '/api/chat/regenerate', given, { accept: 'text/event-stream' }),
      );

      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    });

    test.each([
      ['no conversation', { conversationId: undefined }],
      ['no message', { messageId: undefined }],
      ['a null message', { messageId: null }],
      ['a text', { text: 'x' }],
      ['a policy of messages alone', { onBusy: 'steer' }],
      ['a zone that is none', { timezone: 'Mars/Olympus' }],
      ['metadata that is no object', { metadata: [] }],
    ])('%s is refused with 400', async (_name, over) => {
      const body = { conversationId, messageId: 'r1', ...over };

      expect(await codeOf(post(app, '/api/chat/regenerate', body))).toBe('400 INVALID_REQUEST');
      expect(await codeOf(post(app, '/api/chat/continue', body))).toBe('400 INVALID_REQUEST');
    });

    test('what is not there is 404, what is complete 409, and a shutdown 503', async () => {
      const body = { conversationId, messageId: 'r1' };
      app.generations.refuse(new AppError('ANSWER_COMPLETE', 'No.'));

      expect(await codeOf(post(app, '/api/chat/continue', body))).toBe('409 ANSWER_COMPLETE');
      expect(
        await codeOf(post(app, '/api/chat/continue', { ...body, conversationId: 'none' })),
      ).toBe('404 NOT_FOUND');
      app.state.draining = true;
      expect(await codeOf(post(app, '/api/chat/regenerate', body))).toBe('503 UNAVAILABLE');
    });

    test('a turn beside the first one has null as its parent', async () => {
      await post(app, '/api/chat', { conversationId, text: 'x', parentMessageId: null });

      expect(app.generations.called('start').at(-1)).toMatchObject([{ parentMessageId: null }]);
    });
  });
});
