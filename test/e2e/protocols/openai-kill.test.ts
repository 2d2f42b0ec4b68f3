import { beforeAll, describe, expect, test } from '@jest/globals';
import { ask, framesOf, openAi, wholeOf } from '../../support/openai-client.ts';
import { type ServerProcess, useServers } from '../../support/server-process.ts';

/** Streams of OpenAI's protocols over a crash. */

describe('a crash of the server', () => {
  const servers = useServers();
  let server: ServerProcess;
  beforeAll(async () => {
    server = await servers.start({ LEASE_TTL: '2s', SCAN_INTERVAL: '500ms' });
  }, 60_000);

  test('is a pause for who comes back with the cursor, and a fold for who comes anew', async () => {
    const url = `${server.baseUrl}/v1`;
    const chatBody = {
      model: 'demo-plain',
      stream: true,
      messages: [{ role: 'user', content: 'say 60 10' }],
    };
    const [chat, response] = await Promise.all([
      ask(`${url}/chat/completions`, { body: chatBody, leaveAfter: 10 }),
      ask(`${url}/responses`, { body: { stream: true, input: 'say 60 10' }, leaveAfter: 10 }),
    ]);
    await server.kill9();
    await server.restart();

    for (const begun of [chat, response]) {
      const location = server.baseUrl + (begun.headers.get('location') ?? '');
      const had = framesOf(begun.text);
      const rest = framesOf((await ask(location, { cursor: had.at(-1)?.id ?? '' })).text);
      const whole = framesOf((await ask(location)).text);

      expect(rest.length).toBeGreaterThan(0);
      expect(wholeOf(rest)).toEqual(wholeOf(whole).slice(-rest.length));
    }
    const id = /resp_\w+/.exec(response.text)?.[0] ?? '';
    const { status, output_text: text } = await openAi(server.baseUrl).responses.retrieve(id);
    expect(status).toBe('completed');
    expect(text.split(' ').map((word) => Number(word.slice(4)))).toEqual(
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
    const completed = await openAi(server.baseUrl).chat.completions.create({
      model: 'demo-plain',
      messages: [{ role: 'user', content: 'say 1 0' }],
    });
    expect(completed.choices[0]?.message.content).toBe('word1');
  }, 30_000);
});
