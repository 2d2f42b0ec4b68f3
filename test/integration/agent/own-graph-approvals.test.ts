import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MessagesAnnotation, StateGraph } from '@langchain/langgraph';
import { createAgent } from 'langchain';
import { z } from 'zod';
import type { Checkpoints } from '../../../src/agent/checkpoints.ts';
import { ownAgent } from '../../../src/agent/own-graph.ts';
import type { GraphDeps, OwnAgent } from '../../../src/agent/own-graph.ts';
import { defineTool } from '../../../src/agent/tools.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import { collect, createBench } from '../../support/agent-run.ts';
import { DyingCheckpoints } from '../../support/dying-checkpoints.ts';
import { PlainModel, words } from '../../support/graphs.ts';
import { decide, PausedRun, resultsIn } from '../../support/paused-run.ts';
import { callsOf } from '../../support/scripted-model.ts';

let db: ReturnType<typeof openDatabase>;
let checkpoints: Checkpoints;
let sent: string[] = [];
beforeEach(() => {
  sent = [];
  db = openDatabase(':memory:');
  checkpoints = createSqliteCheckpoints({ db });
});
afterEach(() => void db.close());

const send = defineTool({
  name: 'send',
  description: 'sends',
  schema: z.strictObject({ to: z.string().min(1) }),
  run: async ({ to }) => `sent as number ${sent.push(to)}`,
});

/** Calls the tool once, then says what came of it. */
function agentOf({ tools, middleware, guard }: GraphDeps) {
  const model = new PlainModel((_n, messages) => {
    const last = messages.at(-1);
    if (last?.type === 'tool') return words(`done: ${last.text}`);
    return [...words('well '), callsOf({ id: 'call_send_x', name: 'send', args: { to: 'Ada' } })];
  });
  return createAgent({ model: guard(model), tools, middleware });
}

const GRAPHS: Record<string, OwnAgent['graph']> = {
  'an agent': agentOf,
  'an agent in a graph': (deps) =>
    new StateGraph(MessagesAnnotation)
      .addNode('look', (_state, { writer }) => {
        writer?.({ looked: true });
        return {};
      })
      .addNode('act', agentOf(deps).graph)
      .addEdge('__start__', 'look')
      .addEdge('look', 'act')
      .compile({ checkpointer: deps.checkpointer }),
};

const benchOf = (graph: OwnAgent['graph'], at = checkpoints) =>
  createBench({ checkpoints: at, agents: [ownAgent({ id: 'own', graph, tools: [send] })] });

/** Every so many writes; CRASH_STRIDE=1 dies after every single one. */
const STRIDE = Number(process.env['CRASH_STRIDE'] ?? 8);

/** Plays a turn to its end as workers would, one of which is killed after so many writes. */
async function play(graph: OwnAgent['graph'], writes: number) {
  const dying = new DyingCheckpoints(checkpoints, writes);
  const run = new PausedRun(benchOf(graph, dying), 'go');
  let died = false;
  let asked = 0;
  for (let segment = 1; segment < 10; segment += 1) {
    const kill = new AbortController();
    dying.onDeath(() => {
      died = true;
      kill.abort(new Error('killed'));
    });
    const last = await run.drive({ signal: kill.signal });
    if (run.action) {
      asked += 1;
      run.note(decide(run.action, { decision: 'approve' }));
    } else if (!kill.signal.aborted) return { died, last, asked };
    await run.adopt();
  }
  throw new Error('it never ends');
}

describe.each(Object.entries(GRAPHS))('%s with a tool that a person must allow', (_name, graph) => {
  test('waits before the call, runs it once when it is approved, and ends', async () => {
    const run = await PausedRun.start(benchOf(graph), 'go');

    expect(run.outcome?.text).toBe('well ');
    expect(run.requests).toMatchObject([{ toolCallId: 'call_send_x', args: { to: 'Ada' } }]);
    expect(sent).toEqual([]);
    const rest = await run.say({ decision: 'approve' });

    expect(rest.error).toBeUndefined();
    expect(sent).toEqual(['Ada']);
    expect(resultsIn(rest)).toEqual([{ status: 'ok', output: 'sent as number 1' }]);
    expect(rest.text).toBe('done: sent as number 1');
  });

  test('a rejected call does not run, an edited one runs as it was edited', async () => {
    const no = await PausedRun.start(benchOf(graph), 'go');
    const rejected = await no.say({ decision: 'reject', reason: 'not now' });
    const change = await PausedRun.start(benchOf(graph), 'go');
    await change.say({ decision: 'edit', editedArgs: { to: 'Bob' } });

    expect(rejected.text).toBe('done: The user rejected this call: not now');
    expect(sent).toEqual(['Bob']);
  });

  test('what a person edits is checked against the schema of the tool', () => {
    const { runner, request } = benchOf(graph);
    const { spec } = request('go');

    const check = (args: { to: string }) => runner.checkArgs(spec, { name: 'send', args });

    expect(check({ to: 'Bob' })).toBeUndefined();
    expect(check({ to: '' })).toContain('The arguments of send are not valid');
  });

  test('killed after a write of a checkpoint: it asks, and sends once, all the same', async () => {
    for (let writes = 0; ; writes += STRIDE) {
      sent = [];
      const { died, last, asked } = await play(graph, writes);

      expect(last.error).toBeUndefined();
      expect(asked).toBeGreaterThan(0);
      expect(sent).toEqual(['Ada']);
      if (!died) break;
    }
  });
});

test('an own policy: what it allows is not asked for', async () => {
  const agent = ownAgent({
    id: 'own',
    graph: agentOf,
    tools: [send],
    toolApproval: { allow: ['send'] },
  });
  const bench = createBench({ checkpoints, agents: [agent] });

  const run = await PausedRun.start(bench, 'go');

  expect(run.action).toBeUndefined();
  expect(sent).toEqual(['Ada']);
});

test('a guarded model is asked again where it failed before its first word', async () => {
  const model = new PlainModel((n) => {
    if (n === 1) throw Object.assign(new Error('busy'), { status: 503 });
    return words('there now');
  });
  const bench = benchOf((deps) => createAgent({ model: deps.guard(model), tools: [] }));

  const outcome = await collect(bench.runner.run(bench.request('hi')));

  expect(outcome.text).toBe('there now');
  expect(model.sent).toHaveLength(2);
});
