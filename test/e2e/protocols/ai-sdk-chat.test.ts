import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { request } from '../../support/api.ts';
import {
  type Client,
  type ClientOptions,
  clientOf,
  cutAfter,
  loadMessages,
  shown,
  textOf,
  until,
} from '../../support/ai-sdk.ts';
import { type ServerProcess, useServers } from '../../support/server-process.ts';

/** docs/PROTOCOL.md section 10, AI SDK: the stock `Chat` and transport against the built product. */

const words = (count: number, word = 'word'): string =>
  Array.from({ length: count }, (_, index) => `${word}${index + 1}`).join(' ');

/** Lasts until another tab has come to it, on a slow machine too. */
const LIVE_WORDS = 120;
const LIVE = `say ${LIVE_WORDS} 10`;

describe('a stock chat of the AI SDK', () => {
  const servers = useServers();
  let server: ServerProcess;
  let count = 0;
  const open: Client[] = [];

  beforeAll(async () => {
    server = await servers.start({ PROFILE: 'memory' });
  }, 60_000);

  afterEach(async () => {
    await Promise.all(open.splice(0).map(({ chat }) => chat.stop()));
  });

  const newId = (): string => `chat-${(count += 1)}`;
  const client = (options: ClientOptions = {}): Client => {
    const made = clientOf(server.baseUrl, { id: newId(), ...options });
    open.push(made);
    return made;
  };
  const stop = (id: string) =>
    request(server.baseUrl, { method: 'POST', path: `/ai-sdk/chat/${id}/stop` });

  test('sends, and has the answer with what is known of it', async () => {
    const { chat, finished, errors, data } = client();

    await chat.sendMessage({ text: 'say 5 1' });

    expect(chat.status).toBe('ready');
    expect(textOf(chat.lastMessage)).toBe(words(5));
    expect(chat.lastMessage?.metadata).toMatchObject({
      agentId: 'demo',
      model: 'demo',
      status: 'completed',
      generationId: expect.stringMatching(/^gen_/),
      usage: { outputTokens: expect.any(Number) },
    });
    expect(finished).toEqual([{ reason: 'stop', isError: false, isDisconnect: false }]);
    expect(data).toContain('data-title');
    expect(errors).toEqual([]);
  });

  test('goes on in the same conversation, and finds it again under its own id', async () => {
    const { chat } = client();
    await chat.sendMessage({ text: 'say 2 0 first' });
    await chat.sendMessage({ text: 'tool' });

    const messages = await loadMessages(server.baseUrl, chat.id);

    expect(shown(messages)).toEqual(shown(chat.messages));
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
  });

  test('shows reasoning apart from the answer', async () => {
    const { chat } = client();

    await chat.sendMessage({ text: 'think 3 1' });

    const kinds = chat.lastMessage?.parts.map(({ type }) => type);
    expect(kinds).toEqual(['step-start', 'reasoning', 'text']);
    expect(chat.lastMessage?.parts[1]).toMatchObject({ text: words(3, 'thought'), state: 'done' });
    expect(shown(await loadMessages(server.baseUrl, chat.id))).toEqual(shown(chat.messages));
  });

  test('cut behind any frame has the whole answer after resumeStream', async () => {
    // At once: each answer must last until the client is back.
    const played = [1, 2, 5, 20].map(async (frame) => {
      const line = cutAfter(frame);
      const { chat, finished } = client({ fetch: line.fetch });
      await chat.sendMessage({ text: 'say 200 10' });
      expect({ frame, cuts: line.cuts }).toEqual({ frame, cuts: 1 });
      expect(finished).toEqual([{ reason: undefined, isError: true, isDisconnect: true }]);

      await chat.resumeStream();

      expect({ frame, text: textOf(chat.lastMessage) }).toEqual({ frame, text: words(200) });
      expect(chat.messages).toHaveLength(2);
      expect(finished.at(-1)).toEqual({ reason: 'stop', isError: false, isDisconnect: false });
    });
    await Promise.all(played);
  });

  test('reloaded in the middle has the messages, and the answer from its stream', async () => {
    const { chat } = client();
    await chat.sendMessage({ text: 'say 2 0 before' });
    const sending = chat.sendMessage({ text: LIVE });
    await until(() => textOf(chat.lastMessage).includes('word3'));

    const messages = await loadMessages(server.baseUrl, chat.id);
    const reloaded = client({ id: chat.id, messages });
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    await Promise.all([reloaded.chat.resumeStream(), sending]);

    expect(shown(reloaded.chat.messages)).toEqual(shown(chat.messages));
    expect(textOf(reloaded.chat.lastMessage)).toBe(words(LIVE_WORDS));
    expect(reloaded.errors).toEqual([]);
  });

  test('has nothing to resume where nothing is being made, also before its first message', async () => {
    const { chat, errors, finished } = client();
    await chat.resumeStream();
    await chat.sendMessage({ text: 'say 1 0' });
    await chat.resumeStream();

    expect(chat.status).toBe('ready');
    expect(errors).toEqual([]);
    expect(finished).toHaveLength(1);
  });

  test('in a second tab reads along', async () => {
    const { chat } = client();
    const sending = chat.sendMessage({ text: LIVE });
    await until(() => textOf(chat.lastMessage).includes('word2'));
    const tabs = [client({ id: chat.id }), client({ id: chat.id })];

    await Promise.all([sending, ...tabs.map((tab) => tab.chat.resumeStream())]);

    for (const tab of tabs) expect(shown(tab.chat.messages)).toEqual(shown(chat.messages.slice(1)));
  });

  test('that only stops reading does not stop the answer; the route does', async () => {
    const { chat } = client();
    const sending = chat.sendMessage({ text: 'say 2000 10' });
    await until(() => textOf(chat.lastMessage).includes('word3'));
    await chat.stop();
    await sending;
    const tab = client({ id: chat.id });
    const reading = tab.chat.resumeStream();
    await until(() => textOf(tab.chat.lastMessage).includes('word10'));

    const stopped = await stop(chat.id);
    await reading;

    expect(stopped.status).toBe(200);
    expect(stopped.json).toMatchObject({ status: 'aborted', alreadyFinished: false });
    expect((await stop(chat.id)).json).toMatchObject({ alreadyFinished: true });
    expect(tab.chat.status).toBe('ready');
    expect(tab.chat.lastMessage?.metadata).toMatchObject({ status: 'aborted' });
    expect(tab.chat.lastMessage?.parts.at(-1)).toMatchObject({ type: 'text', state: 'done' });
    await tab.chat.sendMessage({ text: 'say 1 0 after' });
    expect(textOf(tab.chat.lastMessage)).toBe('after1');
  });

  test('busy with one answer refuses another message with 409, and goes on', async () => {
    const { chat } = client();
    const sending = chat.sendMessage({ text: LIVE });
    await until(() => textOf(chat.lastMessage).includes('word2'));
    const tab = client({ id: chat.id });

    await tab.chat.sendMessage({ text: 'say 1' });
    await sending;

    expect(tab.chat.status).toBe('error');
    expect(tab.errors.join()).toContain('CONVERSATION_BUSY');
    expect(textOf(chat.lastMessage)).toBe(words(LIVE_WORDS));
  });

  test('is told of a failure, keeps what there is of the answer, and can have it made again', async () => {
    const { chat, errors, finished } = client();
    await chat.sendMessage({ text: 'fail' });
    const failed = chat.lastMessage?.id;

    expect(chat.status).toBe('error');
    expect(errors).toHaveLength(1);
    expect(errors[0]).not.toContain('at ');
    expect(finished).toEqual([{ reason: undefined, isError: true, isDisconnect: false }]);
    expect(textOf(chat.lastMessage)).toBe(words(5));
    const [, kept] = await loadMessages(server.baseUrl, chat.id);
    expect(kept?.metadata).toMatchObject({ error: { message: errors[0] } });

    await chat.regenerate();

    expect(errors).toHaveLength(2);
    expect(chat.messages).toHaveLength(2);
    expect(chat.lastMessage?.id).not.toBe(failed);
  });

  test('has an answer made again beside the old one, from the first message on', async () => {
    const { chat } = client();
    await chat.sendMessage({ text: 'say 2 0 one' });
    const [, first] = chat.messages;
    await chat.regenerate();
    const [, second] = chat.messages;
    await chat.regenerate({ messageId: second?.id ?? '' });
    const [, third] = chat.messages;
    await chat.sendMessage({ text: 'say 1 0 next' });

    expect(new Set([first?.id, second?.id, third?.id]).size).toBe(3);
    expect(textOf(third)).toBe('one1 one2');
    const loaded = await loadMessages(server.baseUrl, chat.id);
    expect(loaded.map(({ id }) => id)).toEqual(chat.messages.map(({ id }) => id));
    expect(loaded[1]?.id).toBe(third?.id);
    expect(loaded.map(textOf)).toEqual(['say 2 0 one', 'one1 one2', 'say 1 0 next', 'next1']);
  });

  test('has an answer in the middle made again: what came after it is another branch', async () => {
    const { chat } = client();
    await chat.sendMessage({ text: 'say 1 0 a' });
    await chat.sendMessage({ text: 'say 1 0 b' });
    await chat.sendMessage({ text: 'say 1 0 c' });

    await chat.regenerate({ messageId: chat.messages[3]?.id ?? '' });

    expect(chat.messages.map(textOf)).toEqual(['say 1 0 a', 'a1', 'say 1 0 b', 'b1']);
    const loaded = await loadMessages(server.baseUrl, chat.id);
    expect(loaded.map(textOf)).toEqual(['say 1 0 a', 'a1', 'say 1 0 b', 'b1']);
    expect(loaded.at(-1)?.id).toBe(chat.lastMessage?.id);
  });

  test('edits a message: a turn beside it, whose answer can be made again', async () => {
    const { chat } = client();
    await chat.sendMessage({ text: 'say 1 0 old' });
    const id = chat.messages[0]?.id ?? '';
    await chat.sendMessage({ text: 'say 1 0 new', messageId: id });
    expect(chat.messages.map(textOf)).toEqual(['say 1 0 new', 'new1']);
    await chat.regenerate();
    expect(chat.messages.map(textOf)).toEqual(['say 1 0 new', 'new1']);
    await chat.sendMessage({ text: 'say 1 0 old', messageId: id });

    expect(chat.messages.map(textOf)).toEqual(['say 1 0 old', 'old1']);
    const loaded = await loadMessages(server.baseUrl, chat.id);
    expect(loaded.map(textOf)).toEqual(['say 1 0 old', 'old1']);
    expect(loaded.at(-1)?.id).toBe(chat.lastMessage?.id);
  });

  test('sends once more what never arrived', async () => {
    let away = true;
    const flaky: typeof fetch = async (...args) => {
      if (!away) return fetch(...args);
      away = false;
      throw new TypeError('fetch failed');
    };
    const { chat } = client({ fetch: flaky });
    await chat.sendMessage({ text: 'say 1 0 here' });
    expect(chat.status).toBe('error');

    await chat.regenerate();

    expect(chat.messages.map(textOf)).toEqual(['say 1 0 here', 'here1']);
    expect(await loadMessages(server.baseUrl, chat.id)).toHaveLength(2);
  });

  test('regenerating what is not there is refused with 404', async () => {
    const { chat } = client();
    await chat.sendMessage({ text: 'say 1 0' });
    const { status, json } = await request(server.baseUrl, {
      path: '/ai-sdk/chat',
      body: { id: chat.id, messages: [], trigger: 'regenerate-message', messageId: 'nobody' },
    });

    expect(status).toBe(404);
    expect(json).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });
});
