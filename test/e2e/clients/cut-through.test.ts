import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { HttpAgent } from '@ag-ui/client';
import { AbstractChat, type ChatState, DefaultChatTransport, type UIMessage } from 'ai';
import { randomUUID } from 'node:crypto';
import OpenAI from 'openai';
import { startTurn } from '../../support/api.ts';
import { type CutThrough, startCutThrough } from '../../support/cut-through.ts';
import { type ServerProcess, useServers } from '../../support/server-process.ts';

/**
 * Stock clients over a line that is cut again and again, with nothing of ours but the fetch they are given.
 * CUTS=200 npm test -- test/e2e/clients/cut-through
 */
const CUTS = Number(process.env['CUTS'] ?? 15);
const WORDS = CUTS * 8;
const SAY = `say ${WORDS} 1 wörd`;
const WHOLE = Array.from({ length: WORDS }, (_, n) => `wörd${n + 1}`).join(' ');

class State implements ChatState<UIMessage> {
  status: ChatState<UIMessage>['status'] = 'ready';
  error: Error | undefined = undefined;
  messages: UIMessage[] = [];
  pushMessage = (message: UIMessage): void => void this.messages.push(message);
  popMessage = (): void => void this.messages.pop();
  replaceMessage = (index: number, message: UIMessage): void => {
    this.messages[index] = message;
  };
  snapshot = <T>(thing: T): T => structuredClone(thing);
}

class Chat extends AbstractChat<UIMessage> {}

async function chatWith(client: OpenAI): Promise<string> {
  const messages = [{ role: 'user' as const, content: SAY }];
  const request = { model: 'demo-plain', messages, stream: true as const };
  let said = '';
  for await (const { choices } of await client.chat.completions.create(request)) {
    said += choices[0]?.delta.content ?? '';
  }
  return said;
}

async function respondWith(client: OpenAI): Promise<string> {
  let said = '';
  const request = { model: 'demo', input: SAY, stream: true as const };
  for await (const event of await client.responses.create(request)) {
    if (event.type === 'response.output_text.delta') said += event.delta;
  }
  return said;
}

describe('a line that is cut', () => {
  const servers = useServers();
  let server: ServerProcess;
  let line: CutThrough | undefined;
  beforeAll(async () => {
    server = await servers.start({ PROFILE: 'memory', MAX_STREAMS_PER_USER: '1000' });
  }, 60_000);
  afterEach(async () => {
    await line?.close();
    line = undefined;
  });

  async function cutLine(): Promise<CutThrough> {
    line = await startCutThrough({ baseUrl: server.baseUrl, cuts: CUTS });
    return line;
  }

  test('loses and repeats nothing of the native stream', async () => {
    const turn = await startTurn(server.baseUrl, { text: SAY });
    const cut = await cutLine();

    const response = await cut.fetch(`${cut.baseUrl}${turn.streamPath}`);
    const ids: string[] = [];
    let said = '';
    for (const block of (await response.text()).split('\n\n')) {
      const [, id = '', event, data = ''] = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(block) ?? [];
      if (id !== '') ids.push(id);
      if (event === 'text_delta') said += String(JSON.parse(data).text);
    }

    expect(said).toBe(WHOLE);
    expect(new Set(ids).size).toBe(ids.length);
    expect(cut.cuts()).toBeGreaterThanOrEqual(CUTS);
  }, 60_000);

  test('is not noticed by the AI SDK: one message, one onFinish, no error', async () => {
    const cut = await cutLine();
    const finished: boolean[] = [];
    const errors: Error[] = [];
    const chat = new Chat({
      id: randomUUID(),
      state: new State(),
      transport: new DefaultChatTransport({ api: `${cut.baseUrl}/ai-sdk/chat`, fetch: cut.fetch }),
      onFinish: ({ isError, isDisconnect }) => finished.push(!isError && !isDisconnect),
      onError: (error) => errors.push(error),
    });

    await chat.sendMessage({ text: SAY });

    const parts = chat.lastMessage?.parts ?? [];
    const texts = parts.flatMap((part) => (part.type === 'text' ? [part.text] : []));
    expect(errors).toEqual([]);
    expect(finished).toEqual([true]);
    expect(texts).toEqual([WHOLE]);
    expect(cut.cuts()).toBeGreaterThanOrEqual(CUTS);
  }, 60_000);

  test('is not noticed by HttpAgent: one run, each event once', async () => {
    const cut = await cutLine();
    const agent = new HttpAgent({ url: `${cut.baseUrl}/ag-ui`, fetch: cut.fetch });
    agent.addMessage({ id: randomUUID(), role: 'user', content: SAY });
    const ends: string[] = [];

    await agent.runAgent(
      {},
      {
        onRunFinishedEvent: () => void ends.push('finished'),
        onRunErrorEvent: () => void ends.push('error'),
        onRunFailed: () => void ends.push('failed'),
      },
    );

    expect(ends).toEqual(['finished']);
    expect(agent.messages.at(-1)?.content).toBe(WHOLE);
    expect(cut.cuts()).toBeGreaterThanOrEqual(CUTS);
  }, 60_000);

  test('is not noticed by the openai package: chat and responses', async () => {
    for (const api of ['chat', 'responses']) {
      const cut = await cutLine();
      const client = new OpenAI({
        baseURL: `${cut.baseUrl}/v1`,
        apiKey: 'none',
        maxRetries: 0,
        fetch: cut.fetch,
      });

      const said = api === 'chat' ? await chatWith(client) : await respondWith(client);

      expect(said).toBe(WHOLE);
      expect(cut.cuts()).toBeGreaterThanOrEqual(CUTS);
      await cut.close();
    }
  }, 60_000);
});
