import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { HumanMessage } from '@langchain/core/messages';
import { Annotation, MessagesAnnotation, StateGraph } from '@langchain/langgraph';
import { RunError } from '../../../src/agent/agent-runner.ts';
import type { Checkpoints } from '../../../src/agent/checkpoints.ts';
import { ownAgent } from '../../../src/agent/own-graph.ts';
import type { OwnAgent } from '../../../src/agent/own-graph.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import { collect, createBench } from '../../support/agent-run.ts';
import type { Bench, Outcome } from '../../support/agent-run.ts';
import { PlainModel, sayer, state, words } from '../../support/graphs.ts';

let db: ReturnType<typeof openDatabase>;
let checkpoints: Checkpoints;
beforeEach(() => {
  db = openDatabase(':memory:');
  checkpoints = createSqliteCheckpoints({ db });
});
afterEach(() => void db.close());

const benchOf = (graph: OwnAgent['graph'], more: Partial<OwnAgent> = {}): Bench =>
  createBench({ checkpoints, agents: [ownAgent({ id: 'own', graph, ...more })] });

const codeOf = ({ error }: Outcome): unknown => (error instanceof RunError ? error.code : error);

/** Stops the run at the first delta of `part`, and goes on under the next fence. */
async function crashed(bench: Bench, part: number) {
  const stop = new AbortController();
  const first = bench.request('go', { signal: stop.signal });
  await collect(bench.runner.run(first), (event) => {
    if (event.type === 'event' && 'part' in event.body && event.body.part === part)
      stop.abort(new Error('killed'));
  });
  const standing = await bench.runner.adopt({ ...first, fence: 2 });
  const again = bench.request('go', {
    generationId: first.generationId,
    history: first.history,
    fence: 2,
    nextPart: 10,
    entry: { kind: 'continue' },
  });
  return { standing, rest: await collect(bench.runner.run(again)) };
}

/** Drafts, criticises in the user's place, writes again. */
function critic(asked: string[]) {
  const model = new PlainModel((_n, messages) => {
    const last = messages.at(-1)?.text ?? '';
    asked.push(last);
    return words(last === 'go' ? 'a draft' : 'a text');
  });
  return state()
    .addNode('draft', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
    .addNode('criticise', () => ({ messages: [new HumanMessage('better!')] }))
    .addNode('write', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
    .addEdge('__start__', 'draft')
    .addEdge('draft', 'criticise')
    .addEdge('criticise', 'write')
    .compile();
}

describe('after a crash', () => {
  test('what finished nodes said stands, the node under way is run again', async () => {
    const asked: string[] = [];

    const { standing, rest } = await crashed(benchOf(critic(asked)), 1);

    expect(standing.calls.map(({ text }) => text)).toEqual(['a draft']);
    expect(rest.error).toBeUndefined();
    expect(rest.text).toBe('a text');
    expect(asked).toEqual(['go', 'better!', 'better!']);
  });

  test('a graph in the graph: what it gave back stands once', async () => {
    const asked: string[] = [];
    const last = new PlainModel(() => words('the end'));
    const graph = state()
      .addNode('critic', critic(asked))
      .addNode('close', async ({ messages }) => ({ messages: [await last.invoke(messages)] }))
      .addEdge('__start__', 'critic')
      .addEdge('critic', 'close')
      .compile();

    const { standing, rest } = await crashed(benchOf(graph), 2);

    expect(standing.calls.map(({ text }) => text)).toEqual(['a draft', 'a text']);
    expect(rest.error).toBeUndefined();
    expect(rest.text).toBe('the end');
    expect(asked).toEqual(['go', 'better!']);
  });

  test('other channels of its state are kept too', async () => {
    const State = Annotation.Root({ ...MessagesAnnotation.spec, hero: Annotation<string> });
    const model = new PlainModel((_n, messages) => words(`about ${messages.at(-1)?.text}`));
    let chosen = 0;
    const graph = new StateGraph(State)
      .addNode('choose', () => ({ hero: `hero${(chosen += 1)}` }))
      .addNode('tell', async ({ hero }) => ({ messages: [await model.invoke(hero)] }))
      .addEdge('__start__', 'choose')
      .addEdge('choose', 'tell')
      .compile();

    const { rest } = await crashed(benchOf(graph), 0);

    expect(rest.text).toBe('about hero1');
  });

  test('another version: AGENT_CHANGED; the same version of another function goes on', async () => {
    const old = benchOf(sayer(() => 'old').compile(), { version: '1' });
    const { spec } = old.request('hi');

    const same = benchOf(sayer(() => 'new').compile(), { version: '1' });
    const other = benchOf(sayer(() => 'new').compile(), { version: '2' });

    expect((await collect(same.runner.run(same.request('hi', { spec })))).text).toBe('new');
    expect(codeOf(await collect(other.runner.run(other.request('hi', { spec }))))).toBe(
      'AGENT_CHANGED',
    );
  });
});
