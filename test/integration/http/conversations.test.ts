import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EPOCH } from '../../support/fake-clock.ts';
import { answerOf, codeOf, LOCAL, startHttpApp } from './harness.ts';
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
});
