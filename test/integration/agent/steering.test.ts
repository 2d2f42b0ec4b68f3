import { describe, expect, test } from '@jest/globals';
import { HumanMessage, ToolMessage, type BaseMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { createAgent } from 'langchain';
import { z } from 'zod';
import type { RunRequest, SteerMessage } from '../../../src/agent/agent-runner.ts';
import type { AgentDefinition } from '../../../src/agent/catalog.ts';
import { ownAgent, type GraphDeps } from '../../../src/agent/own-graph.ts';
import { subAgentTool } from '../../../src/agent/sub-agent.ts';
import { defineTool, type ToolDefinition } from '../../../src/agent/tools.ts';
import { OPEN_POLICY } from '../../../src/hitl/tool-policy.ts';
import type { EventBody } from '../../../src/stream/events.ts';
import { foldEvents } from '../../../src/stream/fold.ts';
import { whatStands } from '../../../src/stream/recovery.ts';
import { collect, createBench, type Bench, type Outcome } from '../../support/agent-run.ts';
import { DyingCheckpoints } from '../../support/dying-checkpoints.ts';
import { created, logOf } from '../../support/events.ts';
import { sayer } from '../../support/graphs.ts';
import { createMemoryCheckpoints } from '../../support/memory-checkpoints.ts';
import { callsOf, modelsOf, ScriptedModel, type Fields } from '../../support/scripted-model.ts';

/** What the user writes while an agent answers: heard before its next model call, once. */

const ticking = (name: string): ToolDefinition =>
  defineTool({ name, description: 'ticks', schema: z.object({}), run: async () => 'tock' });

function agentWith(tools: ToolDefinition[], over: Partial<AgentDefinition> = {}): AgentDefinition {
  return {
    id: 'a',
    model: 'scripted',
    instructions: 'test',
    tools,
    maxSteps: 6,
    parameters: {},
    toolApproval: OPEN_POLICY,
    ...over,
  };
}

const tick = (n: number, name = 'tick'): Fields =>
  callsOf({ id: `call_tick_${n}x`, name, args: {} });
const steer = (messageId: string): SteerMessage => ({ messageId, text: `say ${messageId}` });

/** What the user's side of a model's input says, and where results stand between. */
function heardIn(messages: readonly BaseMessage[] | undefined): string[] {
  return (messages ?? []).flatMap((message) => {
    if (ToolMessage.isInstance(message)) return ['result'];
    return HumanMessage.isInstance(message) ? [message.text] : [];
  });
}

/** Says the agent's steps one after the other; `during` is told of each call. */
function playing(steps: Fields[][], during: (call: number) => void): ScriptedModel {
  return new ScriptedModel((call) => {
    during(call);
    return steps[call - 1] ?? [{ content: `answer ${call}` }];
  });
}

describe('a message that comes meanwhile', () => {
  test('is heard after the tools of the step, before the next model call', async () => {
    const came: SteerMessage[] = [];
    const model = playing([[tick(1)]], (call) => {
      if (call === 1) came.push(steer('s1'), steer('s2'));
    });
    const bench = createBench({
      checkpoints: createMemoryCheckpoints(),
      agents: [agentWith([ticking('tick')])],
      models: modelsOf(model),
    });
    const { bodies, error } = await collect(
      bench.runner.run(bench.request('go', { steers: async () => came })),
    );

    expect(error).toBeUndefined();
    expect(model.sent.map(heardIn)).toEqual([['go'], ['go', 'result', 'say s1', 'say s2']]);
    expect(bodies.flatMap((body) => ('part' in body ? [[body.type, body.part]] : []))).toEqual([
      ['tool_call', 0],
      ['steered', 1],
      ['steered', 2],
      ['text_delta', 3],
    ]);
  });

  test('makes an agent go on that was through, again and again, with tools and without', async () => {
    for (const tools of [[], [ticking('tick')]]) {
      const came: SteerMessage[] = [];
      const model = playing([], (call) => {
        if (call < 3) came.push(steer(`s${call}`));
      });
      const bench = createBench({
        checkpoints: createMemoryCheckpoints(),
        agents: [agentWith(tools)],
        models: modelsOf(model),
      });
      const request = bench.request('go', { steers: async () => came });
      const { text, bodies } = await collect(bench.runner.run(request));

      expect(text).toBe('answer 1answer 2answer 3');
      expect(model.sent.map(heardIn).at(-1)).toEqual(['go', 'say s1', 'say s2']);
      expect(bodies.map(({ type }) => type)).toEqual([
        'text_delta',
        'steered',
        'text_delta',
        'steered',
        'text_delta',
      ]);
      const { steered } = await bench.runner.adopt({ ...request, fence: 2 });
      expect(steered.map(({ messageId }) => messageId)).toEqual(['s1', 's2']);
    }
  });

  test("is a further input of a developer's own graph", async () => {
    const came: SteerMessage[] = [];
    const graph = sayer((question) => {
      if (came.length === 0) came.push(steer('s1'));
      return `you said ${question}. `;
    });
    const bench = createBench({
      checkpoints: createMemoryCheckpoints(),
      agents: [ownAgent({ id: 'own', graph: graph.compile() })],
    });
    const { text, bodies, error } = await collect(
      bench.runner.run(bench.request('go', { steers: async () => came })),
    );

    expect(error).toBeUndefined();
    expect(text).toBe('you said go. you said say s1. ');
    expect(bodies.filter(({ type }) => type === 'steered')).toHaveLength(1);
  });

  test("is heard by a developer's own agent that uses the middleware it is given, between two steps", async () => {
    const came: SteerMessage[] = [];
    const model = playing([[tick(1)]], (call) => {
      if (call === 1) came.push(steer('s1'));
    });
    const theirs = tool(async () => 'tock', { name: 'tick', schema: z.object({}) });
    const graph = ({ guard, middleware }: GraphDeps) =>
      createAgent({ model: guard(model), tools: [theirs], middleware });
    const bench = createBench({
      checkpoints: createMemoryCheckpoints(),
      agents: [ownAgent({ id: 'own', graph })],
    });
    const { bodies, error } = await collect(
      bench.runner.run(bench.request('go', { steers: async () => came })),
    );

    expect(error).toBeUndefined();
    expect(model.sent.map(heardIn)).toEqual([['go'], ['go', 'result', 'say s1']]);
    expect(bodies.filter(({ type }) => type === 'steered')).toHaveLength(1);
  });

  test('is for the agent that answers, not for one below it', async () => {
    const came: SteerMessage[] = [];
    const inner = playing([[tick(7)]], (call) => {
      if (call === 1) came.push(steer('s1'));
    });
    const task = { id: 'call_below_1x', name: 'below', args: { task: 'help' } };
    const outer = playing([[callsOf(task)]], () => undefined);
    const below = agentWith([ticking('tick')], { id: 'below', model: 'inner' });
    const bench = createBench({
      checkpoints: createMemoryCheckpoints(),
      agents: [agentWith([subAgentTool({ name: 'below', description: 'helps', agent: below })])],
      models: {
        check: async () => undefined,
        resolve: async (name) => ({
          model: name === 'inner' ? inner : outer,
          requiresFinish: false,
        }),
      },
    });
    const { bodies, error } = await collect(
      bench.runner.run(bench.request('go', { steers: async () => came })),
    );

    expect(error).toBeUndefined();
    expect(inner.sent.map(heardIn).at(-1)).toEqual(['help', 'result']);
    expect(outer.sent.map(heardIn).at(-1)).toEqual(['go', 'result', 'say s1']);
    expect(bodies.filter(({ type }) => type === 'steered')).toHaveLength(1);
  });

  test('is heard by whom the user was handed to', async () => {
    const came: SteerMessage[] = [];
    const handing = callsOf({ id: 'call_hand_off_1x', name: 'hand_off_to_b', args: {} });
    const model = playing([[handing], [tick(2)]], (call) => {
      if (call === 2) came.push(steer('s1'));
    });
    const b = agentWith([ticking('tick')], { id: 'b' });
    const bench = createBench({
      checkpoints: createMemoryCheckpoints(),
      agents: [agentWith([], { handOffs: [b] }), b],
      models: modelsOf(model),
    });
    const { error } = await collect(
      bench.runner.run(bench.request('go', { steers: async () => came })),
    );

    expect(error).toBeUndefined();
    expect(heardIn(model.sent[2])).toEqual(['go', 'result', 'result', 'say s1']);
    expect(model.sent).toHaveLength(3);
  });

  test('gives no further tool calls and no further steps', async () => {
    const came: SteerMessage[] = [];
    const model = playing([[tick(1)], [tick(2)], [tick(3)]], (call) => {
      came.push(steer(`s${call}`));
    });
    const bench = createBench({
      checkpoints: createMemoryCheckpoints(),
      agents: [agentWith([ticking('tick')], { maxToolCalls: 2, maxSteps: 5 })],
      models: modelsOf(model),
    });
    const { error } = await collect(
      bench.runner.run(bench.request('go', { steers: async () => came })),
    );

    expect(bench.ledger.starts).toEqual(['call_tick_1x', 'call_tick_2x']);
    expect(error).toMatchObject({ code: 'MAX_STEPS' });
    expect(model.sent).toHaveLength(5);
  });

  test('may name itself as anything', async () => {
    const came: SteerMessage[] = [];
    const bench = createBench({
      checkpoints: createMemoryCheckpoints(),
      agents: [agentWith([ticking('tick')])],
      models: modelsOf(playing([[tick(1)]], () => undefined)),
    });
    const request = bench.request('go', { steers: async () => came });
    came.push(steer(request.history[0]?.messageId ?? ''), steer('steered:x'), steer('__proto__'));
    const { bodies } = await collect(bench.runner.run(request));

    expect(bodies.flatMap((body) => (body.type === 'steered' ? [body.messageId] : []))).toEqual(
      came.map(({ messageId }) => messageId),
    );
  });
});

const dead = new Error('killed');

function throwIfFailed({ error }: Outcome): void {
  if (error !== undefined) throw new Error('it failed', { cause: error });
}

/** A turn of three model calls, during each of which something comes; its driver dies after so many writes. */
async function dying(
  writes: number,
): Promise<{ died: boolean; log: EventBody[]; heard: string[] }> {
  const checkpoints = new DyingCheckpoints(createMemoryCheckpoints(), writes);
  const came: SteerMessage[] = [];
  const steps = [
    [{ content: 'first ' }, tick(1)],
    [{ content: 'second ' }, tick(2)],
  ];
  const model: ScriptedModel = new ScriptedModel((_call, messages) => {
    const done = messages.filter((message) => ToolMessage.isInstance(message)).length;
    if (came.length <= done) came.push(steer(`s${done}`));
    return steps[done] ?? [{ content: 'third' }];
  });
  const bench: Bench = createBench({
    checkpoints,
    agents: [agentWith([ticking('tick')])],
    models: modelsOf(model),
  });
  const kill = new AbortController();
  checkpoints.onDeath(() => kill.abort(dead));
  const steers: RunRequest['steers'] = async () => came;
  const request = bench.request('go', { steers, signal: kill.signal });
  const first = await collect(bench.runner.run(request));
  const log: EventBody[] = [created(), ...first.bodies];
  const died = first.error === dead;
  if (!died) throwIfFailed(first);
  if (died) {
    const standing = await bench.runner.adopt({ ...request, fence: 2 });
    const fold = foldEvents(logOf(log));
    const { content, calls, keep } = whatStands(fold, standing, log.length);
    const before = fold.state();
    const state = { ...before, message: { ...before.message, content } };
    log.push({ type: 'segment', reason: 'recovered', keep, state, calls });
    const second = await collect(
      bench.runner.run({
        ...request,
        fence: 2,
        signal: new AbortController().signal,
        entry: { kind: standing.resumable ? 'continue' : 'start' },
        nextPart: content.length,
      }),
    );
    throwIfFailed(second);
    log.push(...second.bodies);
  }
  return { died, log, heard: heardIn(model.sent.at(-1)) };
}

const shown = (log: EventBody[]): string[] =>
  foldEvents(logOf(log)).parts.map((part) => ('text' in part ? part.text : part.type));

/** Every so many writes; CRASH_STRIDE=1 dies after every single one. */
const STRIDE = Math.min(Number(process.env['CRASH_STRIDE'] ?? 5), 12);

test('a driver that dies after any write: all is heard once, and stands where it was heard', async () => {
  const plain = await dying(Number.POSITIVE_INFINITY);
  expect(shown(plain.log)).toEqual([
    'first ',
    'tool_call',
    'say s0',
    'second ',
    'tool_call',
    'say s1',
    'third',
    'say s2',
    'third',
  ]);
  let writes = 1;
  for (; ; writes += STRIDE) {
    const { died, log, heard } = await dying(writes);
    if (!died) break;
    expect({ writes, heard }).toEqual({ writes, heard: plain.heard });
    expect({ writes, shown: shown(log) }).toEqual({ writes, shown: shown(plain.log) });
  }
  expect(writes).toBeGreaterThan(10);
});
