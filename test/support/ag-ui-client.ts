import { type AgentSubscriber, HttpAgent, type RunAgentParameters } from '@ag-ui/client';
import type { Interrupt, ResumeEntry } from '@ag-ui/core';
import { afterEach, beforeAll, beforeEach, expect, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ApiAnswer, getJson, leftLive, request } from './api.ts';
import type { AgUiEvent } from './ag-ui.ts';
import { type ServerProcess, useServers } from './server-process.ts';
import { list, object, type Shape, text } from './shape.ts';

/** The stock client of AG-UI as an application uses it, and its request without it. */

export interface Ran {
  events: AgUiEvent[];
  /** The last thing that was said. */
  said: string;
  interrupts: Interrupt[];
  /** What the stock client threw. */
  error: Error | undefined;
}

export function agentOf(baseUrl: string, threadId: string = randomUUID()): HttpAgent {
  return new HttpAgent({ url: `${baseUrl}/ag-ui`, threadId });
}

export async function ask(
  agent: HttpAgent,
  question: string,
  parameters: RunAgentParameters = {},
): Promise<Ran> {
  agent.addMessage({ id: randomUUID(), role: 'user', content: question });
  return run(agent, parameters);
}

export async function run(
  agent: HttpAgent,
  parameters: RunAgentParameters = {},
  more: AgentSubscriber = {},
): Promise<Ran> {
  const events: AgUiEvent[] = [];
  const subscriber: AgentSubscriber = {
    ...more,
    onEvent: ({ event }) => void events.push({ ...event, type: event.type }),
  };
  let error: Error | undefined;
  try {
    await agent.runAgent(parameters, subscriber);
  } catch (cause) {
    error = cause instanceof Error ? cause : new Error(String(cause));
  }
  const last = agent.messages.at(-1)?.content;
  const said = typeof last === 'string' ? last : '';
  return { events, said, interrupts: agent.pendingInterrupts, error };
}

export function answer(agent: HttpAgent, ...payloads: unknown[]): Promise<Ran> {
  const resume = agent.pendingInterrupts.map(({ id }, index): ResumeEntry => {
    const payload = payloads[Math.min(index, payloads.length - 1)];
    return { interruptId: id, status: 'resolved', payload };
  });
  return run(agent, { resume });
}

export function cancelled(agent: HttpAgent): ResumeEntry[] {
  return agent.pendingInterrupts.map(({ id }) => ({ interruptId: id, status: 'cancelled' }));
}

/** Of the generation that a run was: as our metadata of RUN_STARTED has them. */
export function placeOf({ events }: Pick<Ran, 'events'>): {
  generationId: string;
  conversationId: string;
} {
  const started = events.find(({ type }) => type === 'RUN_STARTED');
  const { holdfast } = object(started?.['metadata']);
  const ours = object(holdfast);
  return {
    generationId: text(ours['generationId']),
    conversationId: text(ours['conversationId']),
  };
}

/** RunAgentInput as the stock client sends it. */
export function inputOf(question: string, over: Shape = {}): Shape {
  return {
    threadId: randomUUID(),
    runId: randomUUID(),
    tools: [],
    context: [],
    forwardedProps: {},
    state: {},
    messages: [{ id: randomUUID(), role: 'user', content: question }],
    ...over,
  };
}

export function post(
  baseUrl: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<ApiAnswer> {
  return request(baseUrl, { path, method: 'POST', body, headers });
}

/** The file comes with the first effect. */
function ledgerText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** A server whose side effects are counted, and a stock client that must have nothing to warn of. */
export interface Scene {
  readonly baseUrl: string;
  /** Arguments of the e-mails that this generation really sent. */
  sentBy(generationId: string): unknown[];
  /** Role and text of each message, as the server has them. */
  history(conversationId: string): Promise<string[]>;
  untilIdle(): Promise<void>;
}

/** Inside `describe`. */
export function useAgUi(env: Record<string, string> = {}): Scene {
  const servers = useServers();
  let server: ServerProcess;
  beforeAll(async () => {
    server = await servers.start({ PROFILE: 'memory', DEMO_LEDGER: 'ledger.jsonl', ...env });
  }, 60_000);

  // The stock client warns of all that it does not know, and reports what it throws.
  let warned: jest.SpiedFunction<typeof console.warn>;
  beforeEach(() => {
    warned = jest.spyOn(console, 'warn').mockImplementation(() => {});
    jest.spyOn(console, 'error').mockImplementation(() => {});
  });
  afterEach(() => {
    expect(warned.mock.calls).toEqual([]);
    jest.restoreAllMocks();
  });

  return {
    get baseUrl() {
      return server.baseUrl;
    },
    sentBy: (generationId) =>
      ledgerText(join(server.dataDir, 'ledger.jsonl'))
        .split('\n')
        .filter((line) => line.includes(generationId))
        .map((line) => object(JSON.parse(line)))
        .filter((entry) => entry['name'] === 'send_email')
        .map((entry) => entry['args']),
    history: async (conversationId) => {
      const page = await getJson(server.baseUrl, `/api/conversations/${conversationId}/messages`);
      return list(page['items']).map((item) => {
        const message = object(item);
        const texts = list(message['content']).map((part) => text(object(part)['text'] ?? ''));
        return `${text(message['role'])}: ${texts.join('')}`;
      });
    },
    untilIdle: async () => {
      const live = await leftLive(server.baseUrl, 20_000);
      if (live.length > 0) throw new Error('something still runs');
    },
  };
}
