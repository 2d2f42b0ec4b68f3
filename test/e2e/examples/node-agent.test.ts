import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import { getJson, request, startTurn, type Turn } from '../../support/api.ts';
import { useServers, type ServerProcess } from '../../support/server-process.ts';
import { list, object, text } from '../../support/shape.ts';
import { readWithResume } from '../../support/sse-client.ts';
import type { Frame } from '../../support/sse-parser.ts';

/** Node runs the first script it is given; the product's own then is an argument that nobody reads. */
const EXAMPLE = [resolve(import.meta.dirname, '../../../examples/node-agent/main.mjs')];

const quit = new AbortController();

interface Watched {
  read: ReturnType<typeof readWithResume>;
  /** Resolves with the first frame that fits. */
  saw(fits: (frame: Frame, count: number) => boolean): Promise<Frame>;
}

/** Reads the answer to its end, over the death of the server. */
function watch({ baseUrl }: ServerProcess, { streamPath: path }: Turn): Watched {
  const frames: Frame[] = [];
  const waiting = new Set<() => void>();
  const read = readWithResume({
    baseUrl,
    path,
    strategy: () => 'cursor',
    retryOn: [503],
    signal: quit.signal,
    onFrame: (frame) => {
      frames.push(frame);
      for (const look of waiting) look();
    },
  });
  // Awaited later; a failure before that must not be an unhandled rejection.
  read.catch(() => {});
  return {
    read,
    saw: (fits) =>
      new Promise((settle) => {
        const look = (): void => {
          const found = frames.find((frame, index) => fits(frame, index + 1));
          if (!found) return;
          waiting.delete(look);
          settle(found);
        };
        waiting.add(look);
        look();
      }),
  };
}

async function answerOf({ baseUrl }: ServerProcess, { conversationId }: Turn): Promise<string> {
  const page = await getJson(baseUrl, `/api/conversations/${conversationId}/messages`);
  const { content, status } = object(list(page['items']).at(-1));
  expect(status).toBe('complete');
  const texts = list(content).map((part) => object(part)['text']);
  return texts.filter((said) => typeof said === 'string').join('');
}

describe('examples/node-agent, as its README says', () => {
  const servers = useServers();
  let other: ServerProcess;
  beforeAll(async () => {
    other = await servers.start({ PROFILE: 'memory' }, EXAMPLE);
  }, 60_000);
  afterAll(() => quit.abort());

  test('kill -9 in the middle of a story: after the restart it is told to the end', async () => {
    const server = await servers.start({ WORD_MS: '200' }, EXAMPLE);
    const turn = await startTurn(server.baseUrl, { text: 'Tell me something.' });
    const cut = watch(server, turn);
    const custom = await cut.saw(({ event }) => event === 'custom');
    await cut.saw((_frame, count) => count > 5);

    await server.kill9();
    await server.restart({ WORD_MS: '5' });
    const read = await cut.read;
    const whole = await startTurn(server.baseUrl, { text: 'Tell me something.' });
    await watch(server, whole).read;

    expect(object(custom.data)['data']).toEqual({
      progress: 'chosen',
      hero: 'a lighthouse keeper',
    });
    expect(read.done.data).toMatchObject({ status: 'completed' });
    const story = await answerOf(server, turn);
    expect(story).toMatch(/^Once there was a lighthouse keeper .* The end\.$/);
    expect(await answerOf(server, whole)).toBe(story);
  }, 40_000);

  test('a postcard waits for a person, over kill -9 too, and is sent once', async () => {
    const server = await servers.start({ WORD_MS: '5' }, EXAMPLE);
    const { baseUrl } = server;
    const asked = { text: 'Send a postcard to Ada', agentId: 'postman' };
    const turn = await startTurn(baseUrl, asked);
    const reader = watch(server, turn);
    const pause = await reader.saw(({ event }) => event === 'pending_action');
    const action = object(object(pause.data)['action']);
    const call = object(list(action['requests'])[0]);

    await server.kill9();
    await server.restart();
    const answer = await request(baseUrl, {
      path: '/api/chat/resume',
      body: {
        generationId: turn.generationId,
        actionId: text(action['actionId'], 'actionId'),
        decisions: [{ toolCallId: call['toolCallId'], decision: 'approve' }],
      },
    });
    const read = await reader.read;

    expect(call['args']).toEqual({ to: 'Ada', text: 'Greetings from the valley!' });
    expect(answer.status).toBe(202);
    expect(read.done.data).toMatchObject({ status: 'completed' });
    expect(await answerOf(server, turn)).toContain('The postman says: sent to Ada.');
    expect(server.output().match(/^postcard gen_\S+: .* to Ada$/gm)).toHaveLength(1);
  }, 40_000);

  test('the florist asks in its own form, over kill -9 too, and takes only what fits', async () => {
    const server = await servers.start({ WORD_MS: '1' }, EXAMPLE);
    const { baseUrl } = server;
    const turn = await startTurn(baseUrl, { text: 'A bouquet, please', agentId: 'florist' });
    const reader = watch(server, turn);
    const pause = await reader.saw(({ event }) => event === 'pending_action');
    const action = object(object(pause.data)['action']);
    const say = (response: unknown) => {
      const { generationId } = turn;
      const actionId = text(action['actionId'], 'actionId');
      const body = { generationId, actionId, response };
      return request(baseUrl, { path: '/api/chat/resume', body });
    };

    const refused = await say({ euros: 2, flower: 'rose' });
    await server.kill9();
    await server.restart();
    const taken = await say({ euros: 20, flower: 'rose' });
    const again = await say({ flower: 'rose', euros: 20 });
    const read = await reader.read;

    expect(action).toMatchObject({
      kind: 'custom',
      value: { ask: 'What may the bouquet cost?' },
      responseSchema: { required: ['euros', 'flower'] },
    });
    expect([refused.status, JSON.parse(refused.text)]).toMatchObject([
      422,
      { error: { code: 'RESPONSE_INVALID', details: { faults: [{ path: '/euros' }] } } },
    ]);
    expect([taken.status, again.status]).toEqual([202, 200]);
    expect(read.done.data).toMatchObject({ status: 'completed' });
    expect(await answerOf(server, turn)).toBe('A bouquet of one rose for 20 euros, no card.');
  }, 40_000);

  test('built-in agents are not there beside them', async () => {
    const answer = await request(other.baseUrl, {
      path: '/api/chat',
      body: { text: 'say 1', agentId: 'demo' },
    });

    expect(answer.status).toBe(404);
  });
});
