import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { tool } from '@langchain/core/tools';
import { Annotation, MemorySaver, StateGraph } from '@langchain/langgraph';
import { ToolNode } from '@langchain/langgraph/prebuilt';
import { createAgent } from 'langchain';
import { z } from 'zod';
import { AgentError } from '../../../src/agent/agent-error.ts';
import { RunError } from '../../../src/agent/agent-runner.ts';
import { createAgentCatalog } from '../../../src/agent/catalog.ts';
import type { Checkpoints } from '../../../src/agent/checkpoints.ts';
import { ownAgent } from '../../../src/agent/own-graph.ts';
import type { OwnAgent } from '../../../src/agent/own-graph.ts';
import { OPEN_POLICY } from '../../../src/hitl/tool-policy.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import type { Message } from '../../../src/stream/message.ts';
import { collect, createBench, typesOf, userMessage } from '../../support/agent-run.ts';
import type { Bench, Outcome } from '../../support/agent-run.ts';
import { PlainModel, sayer, state, words } from '../../support/graphs.ts';
import { callsOf } from '../../support/scripted-model.ts';

let db: ReturnType<typeof openDatabase>;
let checkpoints: Checkpoints;
beforeEach(() => {
  db = openDatabase(':memory:');
  checkpoints = createSqliteCheckpoints({ db });
});
afterEach(() => void db.close());

const benchOf = (graph: OwnAgent['graph'], more: Partial<OwnAgent> = {}): Bench =>
  createBench({ checkpoints, agents: [ownAgent({ id: 'own', graph, ...more })] });

/** An answer of an earlier turn, in which a tool was called. */
function earlier(): Message[] {
  const asked = userMessage('first');
  const part = { type: 'tool_call', toolCallId: 'call_old_x', name: 'add', args: {} } as const;
  return [
    asked,
    {
      ...asked,
      messageId: 'answer1',
      parentMessageId: asked.messageId,
      role: 'assistant',
      content: [
        { ...part, status: 'ok', output: '1' },
        { type: 'text', text: 'one' },
      ],
    },
  ];
}

class Gate {
  open: () => void = () => undefined;
  readonly passed = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

const codeOf = ({ error }: Outcome): unknown => (error instanceof RunError ? error.code : error);

describe('what a graph says', () => {
  test('words come as they are said, custom events beside them, each once', async () => {
    const model = new PlainModel(() => words('two words'));
    const graph = state()
      .addNode('look', (_state, { writer }) => {
        writer?.({ found: 3 });
        return {};
      })
      .addNode('tell', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
      .addEdge('__start__', 'look')
      .addEdge('look', 'tell');
    const { runner, request } = benchOf(graph.compile());

    const outcome = await collect(runner.run(request('hi')));

    expect(outcome.error).toBeUndefined();
    expect(outcome.bodies).toEqual([
      { type: 'custom', data: { found: 3 } },
      { type: 'text_delta', part: 0, text: 'two ', call: expect.any(String) },
      { type: 'text_delta', part: 0, text: 'words' },
    ]);
    expect(model.sent[0]?.map(({ text }) => text)).toEqual(['hi']);
  });

  test('a message that no model said is told whole', async () => {
    const graph = state()
      .addNode('fixed', () => ({ messages: [{ role: 'assistant', content: 'as ever' }] }))
      .addEdge('__start__', 'fixed');
    const { runner, request } = benchOf(graph.compile());

    const outcome = await collect(runner.run(request('hi')));

    expect(outcome.text).toBe('as ever');
    expect(typesOf(outcome)).toBe('text_delta');
  });

  test('calls of its own tool node and their results', async () => {
    const add = tool(async ({ a, b }: { a: number; b: number }) => String(a + b), {
      name: 'add',
      description: 'adds',
      schema: z.object({ a: z.number(), b: z.number() }),
    });
    const model = new PlainModel((_n, messages) =>
      messages.at(-1)?.type === 'tool'
        ? words(`it is ${messages.at(-1)?.text}`)
        : [callsOf({ id: 'call_add_x', name: 'add', args: { a: 2, b: 3 } })],
    );
    const graph = state()
      .addNode('model', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
      .addNode('tools', new ToolNode([add]))
      .addEdge('__start__', 'model')
      .addConditionalEdges('model', ({ messages }) =>
        messages.at(-1)?.text === '' ? 'tools' : '__end__',
      )
      .addEdge('tools', 'model');
    const { runner, request } = benchOf(graph.compile());

    const outcome = await collect(runner.run(request('sum')));

    expect(outcome.error).toBeUndefined();
    expect(typesOf(outcome)).toBe('tool_call tool_args_delta tool_ready tool_result text_delta');
    expect(outcome.bodies.filter(({ type }) => type === 'tool_result')).toEqual([
      { type: 'tool_result', toolCallId: 'call_add_x', status: 'ok', output: '5' },
    ]);
    expect(outcome.text).toBe('it is 5');
  });

  test('a graph that gives back the whole conversation does not tell earlier turns again', async () => {
    const model = new PlainModel(() => words('two'));
    const inner = state()
      .addNode('say', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
      .addEdge('__start__', 'say')
      .compile();
    const graph = state().addNode('agent', inner).addEdge('__start__', 'agent').compile();
    const { runner, request } = benchOf(graph);

    const history = [...earlier(), userMessage('second')];
    const outcome = await collect(runner.run(request('', { history })));

    expect(outcome.error).toBeUndefined();
    expect(typesOf(outcome)).toBe('text_delta');
    expect(outcome.text).toBe('two');
    expect(model.sent[0]?.map(({ type }) => type)).toEqual(['human', 'ai', 'tool', 'ai', 'human']);
  });

  test('runs at the same time share a compiled graph and nothing else', async () => {
    const graph = sayer((question) => `you said ${question}`).compile({
      // Never used: the runner's comes before it.
      checkpointer: new MemorySaver(),
    });
    const { runner, request } = benchOf(graph);
    const asked = Array.from({ length: 8 }, (_, n) => `number ${n}`);

    const outcomes = await Promise.all(asked.map((text) => collect(runner.run(request(text)))));

    expect(outcomes.map(({ text }) => text)).toEqual(asked.map((text) => `you said ${text}`));
    expect(
      db.prepare('SELECT count(DISTINCT thread_id) AS n FROM checkpoints').get(),
    ).toMatchObject({
      n: 8,
    });
  });
});

describe('how it ends', () => {
  test('a node that throws: AGENT_ERROR, without its words', async () => {
    const graph = state()
      .addNode('bad', () => {
        throw new Error('secret at /srv/x');
      })
      .addEdge('__start__', 'bad');
    const { runner, request } = benchOf(graph.compile());

    const outcome = await collect(runner.run(request('hi')));

    expect(codeOf(outcome)).toBe('AGENT_ERROR');
    expect(String(outcome.error)).not.toContain('secret');
  });

  test('one that goes round for ever: MAX_STEPS', async () => {
    const graph = state()
      .addNode('again', () => ({}))
      .addEdge('__start__', 'again')
      .addEdge('again', 'again');
    const { runner, request } = benchOf(graph.compile(), { maxSteps: 1 });

    expect(codeOf(await collect(runner.run(request('hi'))))).toBe('MAX_STEPS');
  });

  test('a stop ends it at once, whatever its node does', async () => {
    const held = new Gate();
    const graph = state()
      .addNode('deaf', async (_state, { writer }) => {
        writer?.({ at: 'work' });
        await held.passed;
        return {};
      })
      .addEdge('__start__', 'deaf');
    const { runner, request } = benchOf(graph.compile());
    const stop = new AbortController();
    const reason = new Error('stopped');

    const outcome = await collect(runner.run(request('hi', { signal: stop.signal })), () =>
      stop.abort(reason),
    );
    held.open();

    expect(outcome.error).toBe(reason);
  });
});

describe('what is refused before anything runs', () => {
  const graph = sayer(() => '').compile();

  test.each<[string, () => OwnAgent, string]>([
    [
      'an id that can not be in a URL',
      () => ({ id: 'a b', graph }),
      "The agent 'a b' is not valid: id",
    ],
    ['the word for the server’s choice', () => ({ id: 'auto', graph }), 'must not be auto'],
    ['no steps', () => ({ id: 'a', graph, maxSteps: 0 }), 'maxSteps'],
    [
      'an unknown policy',
      () => ({ id: 'a', graph, toolApproval: JSON.parse('{"asks":["x"]}') }),
      'toolApproval: Unrecognized key',
    ],
    [
      'a graph that is not compiled',
      () => ({ id: 'a', graph: JSON.parse('{}') }),
      "The graph of the agent 'a' is not a compiled LangGraph graph.",
    ],
    [
      'a state without messages',
      () => ({
        id: 'a',
        graph: new StateGraph(Annotation.Root({ n: Annotation<number> }))
          .addNode('x', () => ({}))
          .addEdge('__start__', 'x')
          .compile(),
      }),
      "The state of the agent 'a' has no 'messages'.",
    ],
    [
      'a graph that must not be checkpointed',
      () => ({ id: 'a', graph: sayer(() => '').compile({ checkpointer: false }) }),
      "Compile the graph of the agent 'a' without 'checkpointer'.",
    ],
  ])('%s', (_what, agent, sentence) => {
    const make = () => ownAgent(agent());

    expect(make).toThrow(AgentError);
    expect(make).toThrow(sentence);
  });

  test('two of one id', () => {
    const agents = [ownAgent({ id: 'a', graph }), ownAgent({ id: 'a', graph })];

    const make = () => createAgentCatalog({ agents, defaultAgent: 'a', policy: OPEN_POLICY });

    expect(make).toThrow('Two agents have the same id.');
  });

  test("an agent of LangChain's is taken as it is", async () => {
    const agent = createAgent({ model: new PlainModel(() => words('hello there')), tools: [] });
    const { runner, request } = benchOf(agent);

    expect((await collect(runner.run(request('hi')))).text).toBe('hello there');
  });
});
