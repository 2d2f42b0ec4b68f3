import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AppError } from '../../../src/errors.ts';
import type { EventBody } from '../../../src/stream/events.ts';
import { frameOf, toStored } from '../../../src/stream/frame.ts';
import {
  answerOf,
  codeOf,
  type HttpApp,
  post,
  startHttpApp,
  until,
} from '../../integration/http/harness.ts';
import { AT, created, done, GENERATION, pause, text } from '../../support/openai-log.ts';

/** Calls of OpenAI's clients over a scripted heart. */

const bytesOf = (bodies: EventBody[]): Buffer =>
  Buffer.from(
    bodies
      .map((body, index) =>
        frameOf(GENERATION, toStored({ seq: index + 1, fence: 1, at: AT, body })),
      )
      .join(''),
  );

const CHAT = { model: 'demo-plain', messages: [{ role: 'user', content: 'hi' }] };
const HISTORY = {
  ...CHAT,
  messages: [...CHAT.messages, { role: 'assistant', content: 'ho' }, ...CHAT.messages],
};

describe('a call', () => {
  let app: HttpApp;
  beforeEach(async () => {
    app = await startHttpApp({ MAX_STREAMS_PER_USER: '1' });
  });
  afterEach(() => app.close());

  const logIs = (...bodies: EventBody[]): void => {
    app.generations.onOpen = (sink) => void sink.write(bytesOf(bodies), true);
  };
  const chat = (body: object = {}) => post(app, '/v1/chat/completions', { ...CHAT, ...body });

  test('for a chat completion that pauses nevertheless is refused, and the run is stopped', async () => {
    logIs(created, text('a'), pause(1, 'c1'));

    const streamed = await answerOf(chat({ stream: true }));
    const whole = await answerOf(chat());

    expect(streamed.text).toContain('"code":"agent_requires_approval"');
    expect(streamed.text).toContain('data: [DONE]');
    expect(whole).toMatchObject({
      status: 400,
      body: { error: { code: 'agent_requires_approval' } },
    });
    expect(app.generations.called('abort')).toEqual([
      [{ generationId: 'gen_1' }],
      [{ generationId: 'gen_2' }],
    ]);
  });

  test('that completes stops nothing', async () => {
    logIs(created, text('a'), done());
    await answerOf(chat());

    expect(app.generations.called('abort')).toEqual([]);
  });

  test('whose client leaves gives its place back, and the run goes on', async () => {
    const leaving = new AbortController();
    const left = fetch(`${app.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(CHAT),
      signal: leaving.signal,
    });
    await until(() => app.generations.readers.length === 1);
    expect(await codeOf(chat())).toBe('429 too_many_streams');
    leaving.abort();
    await expect(left).rejects.toThrow('aborted');
    await until(() => app.generations.readers[0]?.closed === 1);

    logIs(created, text('a'), done());
    expect((await answerOf(chat())).status).toBe(200);
    expect(app.generations.called('abort')).toEqual([]);
    expect(app.log.filter((line) => line['msg'] === 'request failed')).toEqual([]);
  });

  test('that is waited for is told to come again where the server stops', async () => {
    const waiting = answerOf(chat());
    await until(() => app.generations.readers.length === 1);
    app.openStreams.destroyAll();
    const { status, headers } = await waiting;

    expect(status).toBe(503);
    expect(headers.get('retry-after')).not.toBeNull();
  });

  test('to a server that stops is refused before anything is kept', async () => {
    app.state.draining = true;

    expect(await codeOf(post(app, '/v1/chat/completions', HISTORY))).toBe('503 unavailable');
    expect(await codeOf(post(app, '/v1/responses', { input: 'x' }))).toBe('503 unavailable');
  });

  test('that is refused leaves no history behind', async () => {
    const kept: unknown[] = [];
    Object.assign(app.conversations, {
      ensure: async () => true,
      upsertMessage: async (message: unknown) => {
        kept.push(message);
        return 'stored';
      },
    });
    app.generations.refuse(new AppError('TOO_MANY_GENERATIONS', 'No.'));

    expect(await codeOf(post(app, '/v1/chat/completions', HISTORY))).toBe(
      '429 too_many_generations',
    );
    expect(kept).toHaveLength(2);
    expect(app.generations.called('deleteConversation')).toHaveLength(1);
    expect(app.openStreams.total).toBe(0);
  });

  test('with a key that is none is refused', async () => {
    const headers = { 'idempotency-key': 'a key' };

    expect(await codeOf(post(app, '/v1/responses', { input: 'x' }, headers))).toBe(
      '400 invalid_request',
    );
  });

  test('where the log can not be read yet is told so, or waited for', async () => {
    app.generations.later = 1;
    expect(await codeOf(chat())).toBe('503 unavailable');
  });

  test('is not there where the protocol is switched off', async () => {
    const without = await startHttpApp({ PROTOCOLS: 'ai-sdk,ag-ui' });
    try {
      expect(await codeOf(post(without, '/v1/responses', { input: 'x' }))).toBe('404 NOT_FOUND');
    } finally {
      await without.close();
    }
  });
});
