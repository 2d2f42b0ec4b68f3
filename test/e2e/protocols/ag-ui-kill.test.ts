import { describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { framesOf, verified } from '../../support/ag-ui.ts';
import { answer, ask, agentOf, inputOf } from '../../support/ag-ui-client.ts';
import { request } from '../../support/api.ts';
import { useServers } from '../../support/server-process.ts';
import { list, object, text } from '../../support/shape.ts';

describe('a server that is killed in the middle', () => {
  const servers = useServers();

  test('goes on with what stands in the place of all that the client has', async () => {
    const server = await servers.start();
    const threadId = randomUUID();
    const agent = agentOf(server.baseUrl, threadId);
    await ask(agent, 'approve');
    await answer(agent, true);
    const response = await fetch(`${server.baseUrl}/ag-ui`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(inputOf('say 200 10', { threadId })),
    });
    const path = response.headers.get('location') ?? '';
    const decoder = new TextDecoder();
    let body = '';
    let killing: Promise<void> | undefined;
    try {
      for await (const chunk of response.body ?? []) {
        body += decoder.decode(chunk, { stream: true });
        if (body.includes('word40')) killing ??= server.kill9();
      }
    } catch {
      // The line went with its server.
    }
    await killing;
    await server.restart();

    const seen = framesOf(body.slice(0, body.lastIndexOf('\n\n') + 2));
    const headers = { 'last-event-id': text(seen.at(-1)?.id) };
    const rest = framesOf((await request(server.baseUrl, { path, headers })).text);
    const events = [...seen, ...rest].map(({ event }) => event);
    await verified(events);
    const snapshot = rest.find(({ event }) => event.type === 'MESSAGES_SNAPSHOT');
    const messages = list(snapshot?.event['messages']).map((message) => object(message));
    expect(messages[0]).toMatchObject({ role: 'user', content: 'approve' });
    const asked = messages.findLast(({ role }) => role === 'user');
    expect(asked).toMatchObject({ content: 'say 200 10' });
    // Nothing of the lost words is left: the model was asked again.
    expect(messages.at(-1)).toBe(asked);
    const anew = rest.slice(rest.findIndex((frame) => frame === snapshot));
    const said = anew.map(({ event }) => text(event['delta'] ?? '')).join('');
    expect(said).toMatch(/^word1 word2 .* word200$/);
    expect(events.at(-1)).toMatchObject({ outcome: { type: 'success' } });
  }, 60_000);
});
