import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AppError } from '../../../src/errors.ts';
import type { ErrorCode } from '../../../src/errors.ts';
import { startedSchema } from '../../../src/http/schemas.ts';
import { hashOf } from '../../../src/lib/json.ts';
import { answerOf, codeOf, LOCAL, post, startHttpApp } from './harness.ts';
import type { HttpApp } from './harness.ts';

describe('the chat routes over HTTP', () => {
  let app: HttpApp;
  beforeAll(async () => {
    app = await startHttpApp();
  });
  afterAll(() => app.close());

  describe('POST /api/chat', () => {
    test('answers 202 with the ids, Location and X-Generation-Id', async () => {
      const answer = await answerOf(post(app, '/api/chat', { text: 'hi', messageId: 'm-1' }));

      const { streamId } = answer.body;
      expect(answer.status).toBe(202);
      expect(answer.body).toMatchObject({ messageId: 'm-1', status: 'started' });
      expect(answer.headers.get('location')).toBe(`/api/chat/stream/${String(streamId)}`);
      expect(answer.headers.get('x-generation-id')).toBe(streamId);
      expect(answer.headers.get('cache-control')).toBe('no-store');
    });

    test('hands the request on with its defaults, for the local user', async () => {
      await answerOf(post(app, '/api/chat', { text: 'hi' }, { 'idempotency-key': 'k1' }));

      const last = app.generations.calls.at(-1);
      expect(last?.owner).toEqual(LOCAL);
      expect(last?.args).toEqual([
        {
          text: 'hi',
          idempotencyKey: 'k1',
          roles: [],
          onBusy: 'reject',
          temporary: false,
          files: [],
          metadata: {},
          bodyHash: hashOf({
            text: 'hi',
            onBusy: 'reject',
            temporary: false,
            files: [],
            metadata: {},
          }),
        },
      ]);
    });

    test('hands on that a message is to steer, and answers with the generation that it steers', async () => {
      const { body } = await answerOf(post(app, '/api/chat', { text: 'hi' }));
      const { conversationId, generationId } = body;
      app.generations.steers = true;

      const answer = await answerOf(
        post(app, '/api/chat', { text: 'and', conversationId, messageId: 'm-2', onBusy: 'steer' }),
      );

      app.generations.steers = false;
      expect(app.generations.called('start').at(-1)).toMatchObject([{ onBusy: 'steer' }]);
      expect(answer.status).toBe(202);
      const ids = { generationId, streamId: generationId, conversationId, messageId: 'm-2' };
      expect(answer.body).toMatchObject({ ...ids, status: 'steered' });
      expect(() => startedSchema.parse(answer.body)).not.toThrow();
      expect(answer.headers.get('location')).toBe(`/api/chat/stream/${String(generationId)}`);
    });

    test('hashes the body alike with and without conversationId, defaults and key', async () => {
      const { body } = await answerOf(post(app, '/api/chat', { text: 'same' }));
      const again = { onBusy: 'reject', text: 'same', conversationId: body['conversationId'] };
      await answerOf(post(app, '/api/chat', again, { 'idempotency-key': 'k2' }));
      await answerOf(post(app, '/api/chat', { text: 'other' }));

      const [first, second, third] = app.generations
        .called('start')
        .slice(-3)
        .map(([request]) => JSON.stringify(request).match(/"bodyHash":"(\w+)"/)?.[1]);
      expect(second).toBe(first);
      expect(third).not.toBe(first);
    });

    test('takes a key and a messageId that agree', async () => {
      const same = post(
        app,
        '/api/chat',
        { text: 'x', messageId: 'a' },
        { 'idempotency-key': 'a' },
      );

      expect((await same).status).toBe(202);
    });

    const bodies: [string, unknown, string][] = [
      ['an unknown key', { text: 'x', model: 'gpt' }, '"model"'],
      ['no text', {}, '"text"'],
      ['an empty text', { text: ' \n\t ' }, 'must not be empty'],
      ['a text past the limit', { text: 'x'.repeat(100_001) }, '"text"'],
      ['a text that is a number', { text: 1 }, '"text"'],
      ['a message id with a space', { text: 'x', messageId: 'a b' }, '"messageId"'],
      ['a message id past 128', { text: 'x', messageId: 'a'.repeat(129) }, '"messageId"'],
      ['a null id', { text: 'x', conversationId: null }, '"conversationId"'],
      ['an unknown policy', { text: 'x', onBusy: 'wait' }, '"onBusy"'],
      ['a zone that is none', { text: 'x', timezone: 'Mars/Olympus' }, 'IANA'],
      ['a zone that is an offset', { text: 'x', timezone: '+02:00' }, 'IANA'],
      ['files that are no list', { text: 'x', files: {} }, '"files"'],
      ['metadata that is no object', { text: 'x', metadata: [] }, '"metadata"'],
      ['a list', [], 'Invalid input'],
      ['null', null, 'Invalid input'],
      ['__proto__', '{"text":"x","__proto__":{"temporary":true}}', '__proto__'],
      ['a lone surrogate', '{"text":"\\ud800"}', 'lone surrogate'],
      ['an endless number', '{"text":"x","metadata":{"n":1e999}}', 'too large'],
    ];
    test.each(bodies)('refuses %s with 400 that says so', async (_name, body, word) => {
      const before = app.generations.calls.length;

      const answer = await answerOf(post(app, '/api/chat', body));

      expect(answer.status).toBe(400);
      expect(answer.body).toMatchObject({ error: { code: 'INVALID_REQUEST' } });
      expect(answer.text).toContain(word.replaceAll('"', '\\"'));
      expect(app.generations.calls.length).toBe(before);
    });

    test.each(['', 'a b', 'ä', 'x'.repeat(129), 'a, b'])(
      'refuses the Idempotency-Key %j',
      async (key) => {
        const call = post(app, '/api/chat', { text: 'x' }, { 'idempotency-key': key });

        expect(await codeOf(call)).toBe('400 INVALID_REQUEST');
      },
    );

    test('refuses a key and a messageId that differ', async () => {
      const call = post(
        app,
        '/api/chat',
        { text: 'x', messageId: 'a' },
        { 'idempotency-key': 'b' },
      );

      expect(await codeOf(call)).toBe('400 INVALID_REQUEST');
    });

    test('takes the names that are only data', async () => {
      const body = '{"text":"x","metadata":{"constructor":{"prototype":1},"toString":2}}';

      expect((await post(app, '/api/chat', body)).status).toBe(202);
      expect(Object.prototype.toString.call({})).toBe('[object Object]');
    });

    const refusals: [ErrorCode, number][] = [
      ['NOT_FOUND', 404],
      ['CONVERSATION_BUSY', 409],
      ['IDEMPOTENCY_CONFLICT', 409],
      ['TOO_MANY_GENERATIONS', 429],
    ];
    test.each(refusals)(
      'answers %s of the heart with %d, details and headers',
      async (code, status) => {
        app.generations.refuse(
          new AppError(code, 'No.', {
            details: { generationId: 'g' },
            headers: { 'Retry-After': '3' },
          }),
        );

        const answer = await answerOf(post(app, '/api/chat', { text: 'x' }));

        expect(answer.status).toBe(status);
        expect(answer.body).toEqual({
          error: { code, message: 'No.', details: { generationId: 'g' } },
        });
        expect(answer.headers.get('retry-after')).toBe('3');
      },
    );

    test('answers an unforeseen error with 500 and keeps its words to the log', async () => {
      app.generations.refuse(new Error('the secret is 42'));

      const answer = await answerOf(
        post(app, '/api/chat', { text: 'x' }, { 'x-request-id': 'r1' }),
      );

      expect(answer.status).toBe(500);
      expect(answer.text).toBe(
        '{"error":{"code":"INTERNAL","message":"Something went wrong on our side."}}',
      );
      expect(app.log).toContainEqual(expect.objectContaining({ requestId: 'r1', level: 50 }));
    });

    test('refuses new work while draining, and says when to come back', async () => {
      app.state.draining = true;

      const answer = await answerOf(post(app, '/api/chat', { text: 'x' }));
      app.state.draining = false;

      expect(answer.status).toBe(503);
      expect(answer.body).toMatchObject({ error: { code: 'UNAVAILABLE' } });
      expect(answer.headers.get('retry-after')).toBe('1');
    });
  });

  describe('POST /api/chat with Accept: text/event-stream', () => {
    test('answers 200 with the stream itself, Location still set', async () => {
      app.generations.onOpen = (sink) => {
        sink.write(Buffer.from('id: c1\nevent: created\ndata: {"seq":1}\n\n'));
        sink.end();
      };

      const answer = await answerOf(
        post(app, '/api/chat', { text: 'x' }, { accept: 'text/event-stream' }),
      );

      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      expect(answer.headers.get('location')).toMatch(/^\/api\/chat\/stream\/gen_\d+$/);
      expect(answer.headers.get('x-generation-id')).toMatch(/^gen_/);
      expect(answer.text).toMatch(
        /^: connected\nretry: \d{4}\n\nid: c1\nevent: created\ndata: {"seq":1}\n\n$/,
      );
    });

    test.each([
      '*/*',
      'application/json',
      'application/json, text/event-stream;q=0.5',
      'text/html',
    ])('answers JSON to Accept: %s', async (accept) => {
      expect((await post(app, '/api/chat', { text: 'x' }, { accept })).status).toBe(202);
    });
  });

  describe('POST /api/chat/abort', () => {
    test('hands the one id on and answers 200', async () => {
      const { body } = await answerOf(post(app, '/api/chat', { text: 'x' }));
      const { conversationId } = body;

      const answer = await answerOf(post(app, '/api/chat/abort', { conversationId }));

      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({ status: 'aborted', alreadyFinished: false });
      expect(app.generations.called('abort').at(-1)).toEqual([{ conversationId }]);
    });

    test('goes on while draining', async () => {
      const { body } = await answerOf(post(app, '/api/chat', { text: 'x' }));
      app.state.draining = true;

      const call = post(app, '/api/chat/abort', { generationId: body['generationId'] });

      expect((await call).status).toBe(200);
      app.state.draining = false;
    });

    test.each([
      [{}],
      [{ generationId: 'a', conversationId: 'b' }],
      [{ generationId: 1 }],
      [{ generationId: 'a', why: 'x' }],
    ])('refuses %j with 400', async (body) => {
      expect(await codeOf(post(app, '/api/chat/abort', body))).toBe('400 INVALID_REQUEST');
    });

    test('answers 404 for what does not exist', async () => {
      expect(await codeOf(post(app, '/api/chat/abort', { generationId: 'gen_x' }))).toBe(
        '404 NOT_FOUND',
      );
    });
  });

  describe('GET /api/chat/status and /api/chat/active', () => {
    test('tell what the heart tells', async () => {
      const { body } = await answerOf(post(app, '/api/chat', { text: 'x' }));
      const id = String(body['conversationId']);

      const status = await answerOf(fetch(`${app.url}/api/chat/status/${id}`));
      const active = await answerOf(fetch(`${app.url}/api/chat/active`));

      expect(status.body).toEqual({ conversationId: id, active: false });
      expect(active.body).toEqual({
        generations: expect.arrayContaining([
          expect.objectContaining({ generationId: body['generationId'] }),
        ]),
      });
    });

    test.each(['nope', 'a%20b', '%F0%9F%92%A9', 'x'.repeat(300)])(
      'status answers 404 to %s',
      async (id) => {
        expect(await codeOf(fetch(`${app.url}/api/chat/status/${id}`))).toBe('404 NOT_FOUND');
      },
    );
  });
});
