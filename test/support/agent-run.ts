import type {
  AgentRunner,
  CallPolicy,
  RunnerEvent,
  RunRequest,
  ToolLedger,
  ToolResult,
} from '../../src/agent/agent-runner.ts';
import { createAgentCatalog } from '../../src/agent/catalog.ts';
import type { AgentDefinition } from '../../src/agent/catalog.ts';
import type { Checkpoints } from '../../src/agent/checkpoints.ts';
import { demoAgent } from '../../src/agent/demo-agent.ts';
import { DemoModel } from '../../src/agent/demo-model.ts';
import { createLangGraphRunner } from '../../src/agent/langgraph-runner.ts';
import type { Meter } from '../../src/agent/meter.ts';
import { createModels } from '../../src/agent/models.ts';
import type { Models } from '../../src/agent/models.ts';
import type { RunFiles } from '../../src/agent/run-files.ts';
import type { Summaries } from '../../src/agent/summaries.ts';
import { OPEN_POLICY } from '../../src/hitl/tool-policy.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Message } from '../../src/stream/message.ts';

export type Body = Extract<RunnerEvent, { type: 'event' }>['body'];

/** A ledger as the driver keeps it: shared by the attempts of a generation. */
export class TestLedger implements ToolLedger {
  readonly starts: string[] = [];
  readonly results = new Map<string, ToolResult>();
  refuse: Error | undefined;

  async start({ toolCallId }: { toolCallId: string }) {
    if (this.refuse) throw this.refuse;
    const result = this.results.get(toolCallId);
    if (result) return { go: 'reuse' as const, result };
    this.starts.push(toolCallId);
    return { go: 'run' as const };
  }

  async done(toolCallId: string, result: ToolResult): Promise<void> {
    this.results.set(toolCallId, result);
  }
}

export interface Bench {
  runner: AgentRunner;
  ledger: TestLedger;
  request: (text: string, over?: Partial<RunRequest>) => RunRequest;
}

let ids = 0;
/** Unique in a test run and long enough not to look like a counter. */
export const testId = (): string => `id${String((ids += 1)).padStart(6, '0')}x`;

export function userMessage(text: string): Message {
  return {
    messageId: `m${testId()}`,
    conversationId: 'c1',
    parentMessageId: null,
    role: 'user',
    content: [{ type: 'text', text }],
    status: 'complete',
    agentId: 'demo',
    model: 'demo',
    createdAt: '2026-11-21T00:00:00.000Z',
  };
}

export function createBench(options: {
  checkpoints: Checkpoints;
  clock?: Clock;
  ledgerFile?: string;
  agents?: AgentDefinition[];
  models?: Models;
  /** Without one, every call runs. */
  policy?: CallPolicy;
  stallTimeoutMs?: number;
  summaries?: Summaries;
  meter?: Meter;
  files?: RunFiles;
}): Bench {
  const { checkpoints, clock = systemClock, ledgerFile } = options;
  const demo = demoAgent({ clock, ledgerFile });
  const agents = createAgentCatalog({
    agents: options.agents ?? [demo],
    defaultAgent: options.agents?.[0]?.id ?? 'demo',
    policy: OPEN_POLICY,
  });
  const models =
    options.models ??
    createModels({ env: {}, demo: () => new DemoModel({ clock, newId: testId }) });
  const runner = createLangGraphRunner({
    checkpoints,
    agents,
    models,
    clock,
    newId: testId,
    random: () => 0,
    stallTimeoutMs: options.stallTimeoutMs ?? 60_000,
    maxRetries: 2,
    retried: () => undefined,
    ...(options.summaries && { summaries: options.summaries }),
    ...(options.meter && { meter: options.meter }),
    ...(options.files && { files: options.files }),
  });
  const ledger = new TestLedger();
  return {
    runner,
    ledger,
    request(text, over = {}) {
      const spec = agents.freeze({
        agentId: undefined,
        timezone: null,
        anchor: '2026-01-01T00:00:00.000Z',
        route: { by: 'default' },
        files: [],
        metadata: {},
      });
      if (!spec) throw new Error('no default agent');
      return {
        generationId: `g${testId()}`,
        fence: 1,
        spec,
        conversationId: 'c1',
        owner: { tenantId: 't1', userId: 'u1' },
        history: [userMessage(text)],
        entry: { kind: 'start' },
        steers: async () => [],
        nextPart: 0,
        policy: options.policy ?? (async () => ({ ruling: 'run' })),
        ledger,
        signal: new AbortController().signal,
        drain: new AbortController().signal,
        ...over,
      };
    },
  };
}

export interface Outcome {
  events: RunnerEvent[];
  bodies: Body[];
  text: string;
  error: unknown;
}

/** Reads a run to its end; `each` sees every event as it comes. */
export async function collect(
  run: AsyncIterable<RunnerEvent>,
  each: (event: RunnerEvent) => void = () => undefined,
): Promise<Outcome> {
  const events: RunnerEvent[] = [];
  let error: unknown;
  try {
    for await (const event of run) {
      events.push(event);
      each(event);
    }
  } catch (thrown) {
    error = thrown;
  }
  const bodies = events.flatMap((event) => (event.type === 'event' ? [event.body] : []));
  return { events, bodies, text: textOf(bodies), error };
}

export function textOf(bodies: Body[]): string {
  return bodies.map((body) => (body.type === 'text_delta' ? body.text : '')).join('');
}

export function typesOf({ events }: Outcome): string {
  const types = events.map((event) => (event.type === 'event' ? event.body.type : event.type));
  return types.filter((type, index) => type !== types[index - 1]).join(' ');
}
