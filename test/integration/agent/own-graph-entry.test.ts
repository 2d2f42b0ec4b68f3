import { expect, test } from '@jest/globals';
import { AgentError, startHoldfast } from '../../../src/index.ts';
import { getJson, request, startTurn } from '../../support/api.ts';
import { PlainModel, sayer, state, words } from '../../support/graphs.ts';
import { list, object } from '../../support/shape.ts';

/** `src/index.ts`, as a program uses it. */

const env = { PROFILE: 'memory', PORT: '0', LOG_LEVEL: 'silent', DRAIN_GRACE: '1s' };
const echo = { id: 'echo', graph: sayer((said) => `you said ${said}`).compile() };

test('serves the agents it is given, the first one by default, until it is closed', async () => {
  const shout = { id: 'shout', graph: sayer((said) => `${said}!`).compile() };
  const holdfast = await startHoldfast({ agents: [echo, shout], env });
  const { url } = holdfast;

  const turns = [
    await startTurn(url, { text: 'hi' }),
    await startTurn(url, { text: 'hi', agentId: 'shout' }),
  ];
  const texts: unknown[] = [];
  for (const { streamPath, conversationId } of turns) {
    await request(url, { path: streamPath });
    const { items } = await getJson(url, `/api/conversations/${conversationId}/messages`);
    texts.push(object(list(list(items).map((it) => object(it)['content'])[1])[0])['text']);
  }
  const { data } = await getJson(url, '/v1/models');
  await Promise.all([holdfast.close(), holdfast.close()]);

  expect(texts).toEqual(['you said hi', 'hi!']);
  expect(list(data).map((it) => object(it)['id'])).toEqual(['echo', 'shout']);
  await expect(request(url, { path: '/healthz' })).rejects.toThrow('ECONNREFUSED');
});

test('closed while an answer is made: it does not wait for longer than the grace time', async () => {
  const endless = new PlainModel(async function* (_n, _messages, signal) {
    yield* words('begun ');
    await new Promise((resolve) => signal?.addEventListener('abort', resolve));
  });
  const graph = state()
    .addNode('say', async ({ messages }) => ({ messages: [await endless.invoke(messages)] }))
    .addEdge('__start__', 'say')
    .compile();
  const holdfast = await startHoldfast({ agents: [{ id: 'endless', graph }], env });
  await startTurn(holdfast.url, { text: 'hi' });

  const began = performance.now();
  await holdfast.close();

  expect(performance.now() - began).toBeLessThan(10_000);
});

test.each([
  ['no agent', { agents: [] }, 'There must be an agent.'],
  ['two of one id', { agents: [echo, echo] }, 'Two agents have the same id.'],
])('%s: refused with a sentence', async (_what, options, sentence) => {
  const started = startHoldfast({ ...options, env });

  await expect(started).rejects.toThrow(AgentError);
  await expect(started).rejects.toThrow(sentence);
});

test('a configuration that is wrong is refused with every fault', async () => {
  const started = startHoldfast({ agents: [echo], env: { ...env, PORT: 'x' } });

  await expect(started).rejects.toThrow('PORT');
});
