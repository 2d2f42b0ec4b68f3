import { FakeApprovals } from '../../support/fake-approvals.ts';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import type { AgentCard } from '../../../src/agent/agent-runner.ts';
import { createApp } from '../../../src/app.ts';
import type { AppContext } from '../../../src/app.ts';
import { loadConfig } from '../../../src/config/config.ts';
import type { RawEnv } from '../../../src/config/env.ts';
import { openContent } from '../../../src/admission/admission.ts';
import { createMetrics } from '../../../src/http/metrics.ts';
import { OpenStreams } from '../../../src/http/open-streams.ts';
import { createHttpServer } from '../../../src/http/server.ts';
import { createIds } from '../../../src/lib/ids.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { fakeUserData, memoryFiles, type MemoryFiles } from '../../support/files.ts';
import { fakeUsage } from '../../support/fake-usage.ts';
import { FakeConversations, FakeGenerations } from '../../support/fake-generations.ts';

function aCard(agentId: string, can: Partial<AgentCard['capabilities']>): AgentCard {
  const capabilities = {
    approvals: false,
    questions: false,
    files: ['*/*'],
    subagents: [],
    handoffs: [],
    ...can,
  };
  return { agentId, name: agentId, description: '', capabilities };
}

/** As the demo's are. */
const AGENTS = [
  aCard('demo', { approvals: true, questions: true, subagents: ['helper'] }),
  aCard('demo-plain', {}),
];

export const LOCAL = { tenantId: 'default', userId: 'local' };

export interface HttpApp {
  url: string;
  port: number;
  generations: FakeGenerations;
  conversations: FakeConversations;
  files: MemoryFiles;
  clock: FakeClock;
  openStreams: OpenStreams;
  /** Lines of the log, parsed. */
  approvals: FakeApprovals;
  log: Record<string, unknown>[];
  state: { draining: boolean; readiness: () => Promise<void> };
  close(): Promise<void>;
}

/** The application as main.ts serves it, on a free port, with a scripted heart and a clock that stands. */
export async function startHttpApp(env: RawEnv = {}): Promise<HttpApp> {
  const config = loadConfig(env);
  const clock = new FakeClock();
  const generations = new FakeGenerations();
  const conversations = new FakeConversations();
  const approvals = new FakeApprovals();
  const files = memoryFiles(config.limits, () => clock.now());
  const log: Record<string, unknown>[] = [];
  const state = { draining: false, readiness: (): Promise<void> => Promise.resolve() };
  const openStreams = new OpenStreams({
    clock,
    heartbeatMs: config.stream.heartbeatMs,
    maxPerUser: config.limits.maxStreamsPerUser,
  });
  const ctx: AppContext = {
    config,
    generations,
    conversations,
    approvals,
    files: files.files,
    userData: fakeUserData,
    usage: fakeUsage(() => clock.now()),
    content: openContent,
    agents: () => AGENTS,
    routed: () => false,
    clock,
    now: async () => clock.now(),
    ids: createIds(() => clock.now()),
    logger: pino({ level: 'debug' }, { write: (line) => void log.push(JSON.parse(line)) }),
    metrics: createMetrics({ ofProcess: false }),
    openStreams,
    readiness: () => state.readiness(),
    isDraining: () => state.draining,
  };
  const server = createHttpServer(createApp(ctx));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo; // oxlint-disable-line typescript/no-unsafe-type-assertion -- a TCP server's address is one
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    generations,
    conversations,
    approvals,
    files,
    clock,
    openStreams,
    log,
    state,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      files.close();
    },
  };
}

export function post(
  app: HttpApp,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(app.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
  text: string;
}

/** The whole answer; `body` is {} where it is no JSON object. */
export async function answerOf(response: Promise<Response>): Promise<Answer> {
  const { status, headers, ...rest } = await response.then(async (r) => ({
    status: r.status,
    headers: r.headers,
    text: await r.text(),
  }));
  let body: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(rest.text);
    if (typeof parsed === 'object' && parsed !== null) body = { ...parsed };
  } catch {
    // No JSON: the test sees it in `text`.
  }
  return { status, headers, body, text: rest.text };
}

export async function codeOf(response: Promise<Response>): Promise<string> {
  const { status, body } = await answerOf(response);
  const { error } = body;
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '-';
  return `${status} ${String(code)}`;
}

interface RawOptions {
  /** Enough was seen when this was. */
  until?: string;
  /** The client sends no more, and still reads. */
  halfClose?: boolean;
}

/** Sends bytes as they are; resolves with all that comes back until the server closes, or `until` is in it. */
export function raw(
  port: number,
  bytes: string | Uint8Array,
  { until, halfClose = false }: RawOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let seen = '';
    const finish = (): void => {
      socket.destroy();
      resolve(seen);
    };
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      seen += chunk;
      if (until !== undefined && seen.includes(until)) finish();
    });
    socket.on('close', finish);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') finish();
      else reject(error);
    });
    if (halfClose) socket.end(bytes);
    else socket.write(bytes);
  });
}

const UNTIL_MS = 20_000;

/** Settles when `condition` holds, turn by turn of the loop. Gives up by itself: a time limit of Jest's ends no loop. */
export async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + UNTIL_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`it never came to be: ${condition.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
