import { describe, expect, test } from '@jest/globals';
import { HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import { z } from 'zod';
import { plainAgent, type AgentDefinition } from '../../../src/agent/catalog.ts';
import type { ContextOptions } from '../../../src/agent/context-middleware.ts';
import { tokensOfAll } from '../../../src/agent/context-window.ts';
import { Summaries } from '../../../src/agent/summaries.ts';
import { defineTool } from '../../../src/agent/tools.ts';
import { toolPolicySchema } from '../../../src/hitl/tool-policy.ts';
import type { Message } from '../../../src/stream/message.ts';
import { collect, createBench, userMessage } from '../../support/agent-run.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { createMemoryCheckpoints } from '../../support/memory-checkpoints.ts';
import { PausedRun } from '../../support/paused-run.ts';
import { providerFaults } from '../../support/provider-rules.ts';
import { callsOf, modelsOf, ScriptedModel, type Fields } from '../../support/scripted-model.ts';

const WORD = 'lorem ipsum '.repeat(10);
const SUMMARY = 'You keep the memory';

const isSummary = (messages: readonly BaseMessage[]): boolean =>
  messages[0]?.text.startsWith(SUMMARY) === true;

const withoutSystem = (messages: readonly BaseMessage[]): BaseMessage[] =>
  messages.filter((message) => !SystemMessage.isInstance(message));

function turn(n: number): Message[] {
  const question = { ...userMessage(`question ${n}. ${WORD}`), messageId: `q${n}` };
  const answer: Message = {
    ...userMessage(''),
    messageId: `a${n}`,
    role: 'assistant',
    content: [
      {
        type: 'tool_call',
        toolCallId: `old${n}`,
        name: 'look',
        args: { n },
        status: 'ok',
        output: `seen ${n}. ${WORD}`,
      },
      { type: 'text', text: `answer ${n}. ${WORD}` },
    ],
  };
  return [question, answer];
}

const turns = (count: number): Message[] =>
  Array.from({ length: count }, (_, at) => turn(at + 1)).flat();

const last = (text = 'and now?'): Message => ({ ...userMessage(text), messageId: 'last' });

const look = defineTool({
  name: 'look',
  description: 'Looks.',
  schema: z.object({ n: z.number() }),
  effects: 'read',
  run: async ({ n }) => `seen ${n}. ${WORD}`,
});

interface Scene {
  context: Partial<ContextOptions> & Pick<ContextOptions, 'strategy'>;
  /** Calls of the tool before the answer. */
  steps?: number;
  maxSteps?: number;
  summary?: () => Iterable<Fields>;
}

/** A bench whose model calls the tool a few times, and then answers. */
function bench({ context, steps = 0, maxSteps = 25, summary }: Scene) {
  let summaries = 0;
  const model = new ScriptedModel(function* (_call, messages) {
    if (isSummary(messages)) {
      summaries += 1;
      yield* summary?.() ?? [{ content: `summary ${summaries}` }];
      return;
    }
    const question = messages.findLastIndex((message) => HumanMessage.isInstance(message));
    const done = messages.slice(question).filter((message) => ToolMessage.isInstance(message));
    const said = done.at(-1)?.text.match(/seen (\d+)/)?.[1] ?? '0';
    const next = Number(said) + 1;
    if (next <= steps) yield callsOf({ id: `c${next}`, name: 'look', args: { n: next } });
    else yield { content: 'done' };
  });
  const agent: AgentDefinition = {
    ...plainAgent('a:b'),
    maxSteps,
    tools: [look],
    context: { maxTokens: 300, keepMessages: 4, ...context },
  };
  const { runner, request } = createBench({
    checkpoints: createMemoryCheckpoints(),
    agents: [agent],
    models: modelsOf(model),
    summaries: new Summaries(new FakeClock()),
  });
  const run = (history: Message[]) => collect(runner.run(request('', { history })));
  return {
    run,
    asked: () => model.sent.filter(isSummary),
    sent: () => model.sent.filter((messages) => !isSummary(messages)).map(withoutSystem),
  };
}

describe('a trimmed history', () => {
  test('fits, is one that providers take, and ends with the question as it was asked', async () => {
    const { run, sent } = bench({ context: { strategy: 'trim' }, steps: 3 });

    const { text } = await run([...turns(12), last()]);

    expect(text).toBe('done');
    expect(sent()).toHaveLength(4);
    for (const messages of sent()) {
      expect(providerFaults(messages)).toEqual([]);
      expect(tokensOfAll(messages)).toBeLessThan(400);
      const question = messages.findLast((message) => HumanMessage.isInstance(message));
      expect(question?.text).toMatch(/and now\?$/);
    }
    expect(sent()[0]?.[0]?.text).toContain('left out');
  });

  test('is whole where it fits', async () => {
    const { run, sent } = bench({ context: { strategy: 'trim', maxTokens: 100_000 } });
    await run([...turns(3), last()]);

    expect(sent()[0]).toHaveLength(13);
  });

  test('counts the steps that it leaves out', async () => {
    const { run, sent } = bench({
      context: { strategy: 'trim', keepMessages: 1 },
      steps: 50,
      maxSteps: 8,
    });

    const { error } = await run([last()]);

    expect(error).toMatchObject({ code: 'MAX_STEPS' });
    expect(sent()).toHaveLength(8);
  });

  test('stands in no event: the answer is whole', async () => {
    const { run } = bench({ context: { strategy: 'trim' }, steps: 6 });

    const { bodies, events } = await run([...turns(8), last()]);

    const results = bodies.filter(({ type }) => type === 'tool_result');
    expect(results).toHaveLength(6);
    expect(events.map(({ type }) => type)).not.toContain('pause');
  });
});

describe('a summarised history', () => {
  test('begins with the summary; nobody hears the model that makes it', async () => {
    const { run, sent, asked } = bench({ context: { strategy: 'summarise' } });

    const { text } = await run([...turns(6), last()]);

    expect(text).toBe('done');
    expect(asked().length).toBeGreaterThan(0);
    const [messages = []] = sent();
    expect(providerFaults(messages)).toEqual([]);
    expect(messages[0]?.text).toContain(`summary ${asked().length}`);
    expect(messages.at(-1)?.text).toBe('and now?');
    expect(tokensOfAll(messages)).toBeLessThan(400);
  });

  test('every word goes into a summary, and none of the question', async () => {
    const { run, asked } = bench({ context: { strategy: 'summarise' } });
    await run([...turns(6), last()]);
    const read = asked()
      .map((messages) => messages.at(-1)?.text ?? '')
      .join('\n');

    for (const n of [1, 2, 3, 4]) {
      expect(read).toContain(`question ${n}.`);
      expect(read).toContain(`seen ${n}.`);
      expect(read).toContain(`answer ${n}.`);
    }
    expect(read).not.toContain('and now?');
    for (const messages of asked()) expect(tokensOfAll(messages)).toBeLessThan(500);
  });

  test('is paid for once: later turns go on from it', async () => {
    const { run, asked } = bench({ context: { strategy: 'summarise', maxTokens: 900 } });
    await run([...turns(10), last()]);
    const first = asked().length;
    await run([...turns(10), last('something else')]);

    expect(first).toBeGreaterThan(0);
    expect(asked()).toHaveLength(first);

    await run([...turns(22), last()]);
    const more = asked().slice(first);
    const read = more.map((messages) => messages.at(-1)?.text ?? '').join('\n');

    expect(read).toContain(`<memory>\nsummary ${first}`);
    expect(read).not.toContain('question 1.');
    expect(read).toContain('question 15.');
  });

  test('of another beginning is another one', async () => {
    const { run, asked } = bench({ context: { strategy: 'summarise', maxTokens: 900 } });
    await run([...turns(10), last()]);
    const first = asked().length;
    const [, ...rest] = turns(10);
    await run([{ ...userMessage('question 1, edited'), messageId: 'q1' }, ...rest, last()]);

    expect(asked().length).toBeGreaterThan(first);
  });

  test('goes on within a run of many steps', async () => {
    const { run, sent } = bench({ context: { strategy: 'summarise' }, steps: 12 });

    const { text } = await run([last('look twelve times')]);

    expect(text).toBe('done');
    for (const messages of sent()) {
      expect(providerFaults(messages)).toEqual([]);
      expect(tokensOfAll(messages)).toBeLessThan(500);
      const question = messages.findLast((message) => HumanMessage.isInstance(message));
      expect(question?.text).toMatch(/look twelve times$/);
    }
  });

  test('that can not be made is trimmed instead', async () => {
    const { run, sent } = bench({
      context: { strategy: 'summarise' },
      summary: () => [{ content: ' ' }],
    });

    const { text } = await run([...turns(6), last()]);

    expect(text).toBe('done');
    expect(sent()[0]?.[0]?.text).toContain('left out');
  });
});

describe('a pause', () => {
  test('is answered in another process: the summary goes on with the run', async () => {
    const checkpoints = createMemoryCheckpoints();
    const gated = defineTool({
      name: 'gated',
      description: 'Waits.',
      schema: z.object({}),
      effects: 'idempotent',
      run: async () => 'went',
    });
    let asked = 0;
    const model = new ScriptedModel(function* (_call, messages) {
      if (isSummary(messages)) {
        asked += 1;
        yield { content: 'what was' };
      } else if (ToolMessage.isInstance(messages.at(-1))) yield { content: 'done' };
      else yield callsOf({ id: 'c1', name: 'gated', args: {} });
    });
    const agent: AgentDefinition = {
      ...plainAgent('a:b'),
      tools: [gated],
      toolApproval: toolPolicySchema.parse({ ask: ['gated'] }),
      context: { strategy: 'summarise', maxTokens: 1_000, keepMessages: 4 },
    };
    // Each process has its own memory of summaries.
    const process = () => createBench({ checkpoints, agents: [agent], models: modelsOf(model) });
    const run = await PausedRun.start(process(), '', { history: [...turns(12), last()] });
    const before = asked;
    run.bench = process();
    const { text, error } = await run.say({ decision: 'approve' });

    expect(error).toBeUndefined();
    expect(text).toBe('done');
    expect(before).toBeGreaterThan(0);
    expect(asked).toBe(before);
    const messages = withoutSystem(model.sent.at(-1) ?? []);
    expect(providerFaults(messages)).toEqual([]);
    expect(messages[0]?.text).toContain('what was');
    expect(messages.at(-1)?.text).toBe('went');
  });
});
