import { z } from 'zod';
import type { AgentDefinition } from '../../src/agent/catalog.ts';
import { OPEN_POLICY } from '../../src/hitl/tool-policy.ts';
import { createModels } from '../../src/agent/models.ts';
import { defineTool } from '../../src/agent/tools.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { createBench } from './agent-run.ts';
import { role, say, startFakeOpenAi } from './fake-openai.ts';
import type { Act, Answer, FakeOpenAi } from './fake-openai.ts';
import { createMemoryCheckpoints } from './memory-checkpoints.ts';
import { ScriptedModel } from './scripted-model.ts';

export const KEY = 'sk-test-secret';
const open: FakeOpenAi[] = [];
export async function closeServers(): Promise<void> {
  for (const server of open.splice(0)) await server[Symbol.asyncDispose]();
}

const ADD = defineTool({
  name: 'add',
  description: 'Adds two numbers.',
  schema: z.object({ a: z.number(), b: z.number() }),
  effects: 'read',
  run: async ({ a, b }) => String(a + b),
});

/** A run of the real client: `now` makes pauses before a retry take no time. */
export async function openAiBench(
  answers: Answer[],
  over: { stallTimeoutMs?: number; now?: boolean } = {},
) {
  const server = await startFakeOpenAi(answers);
  open.push(server);
  const agent: AgentDefinition = {
    id: 'chat',
    model: 'openai:gpt-4o-mini',
    instructions: 'Be brief.',
    tools: [ADD],
    toolApproval: OPEN_POLICY,
    maxSteps: 4,
    parameters: { temperature: 0.2 },
  };
  const models = createModels({
    env: { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: server.baseURL },
    demo: () => new ScriptedModel(() => []),
  });
  const made = createBench({
    checkpoints: createMemoryCheckpoints(),
    agents: [agent],
    models,
    clock: over.now ? hasty : systemClock,
    ...(over.stallTimeoutMs === undefined ? {} : { stallTimeoutMs: over.stallTimeoutMs }),
  });
  return { server, ...made };
}

/** Pauses of up to 5 s are over at once: those before a retry. The stall timeout stays. */
const hasty: Clock = {
  now: () => systemClock.now(),
  after: (ms, fn) => systemClock.after(ms <= 5_000 ? 0 : ms, fn),
};

export const usage: Act = { usage: { prompt: 20, completion: 5, cached: 8, reasoning: 2 } };
export const whole = (...words: string[]): Answer => ({
  acts: [role, ...say(...words), { finish: 'stop' }, usage, { done: true }],
});
export const calls = (acts: Act[], over: Partial<Answer> = {}): Answer => ({
  acts: [role, ...acts, { finish: 'tool_calls' }, usage, { done: true }],
  ...over,
});
