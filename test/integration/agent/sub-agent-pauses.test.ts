import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import type { Checkpoints } from '../../../src/agent/checkpoints.ts';
import { threadId } from '../../../src/agent/checkpoints.ts';
import { pauseFor } from '../../../src/agent/interrupt-value.ts';
import { pendingInterrupts } from '../../../src/agent/pending-interrupts.ts';
import { standingOf } from '../../../src/agent/standing.ts';
import { defineTool } from '../../../src/agent/tools.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import type { Outcome } from '../../support/agent-run.ts';
import { batchBench, historyFault } from '../../support/batch-agent.ts';
import type { BatchBench, BatchCall } from '../../support/batch-agent.ts';
import { actionOf, decide, PausedRun, resultsIn } from '../../support/paused-run.ts';

let db: ReturnType<typeof openDatabase>;
let checkpoints: Checkpoints;
beforeEach(() => {
  db = openDatabase(':memory:');
  checkpoints = createSqliteCheckpoints({ db });
});
afterEach(() => void db.close());

const call = (name: string, n: number): BatchCall => ({
  id: `call_${name}_${n}x`,
  name,
  args: { n },
});
const helper = (id: string, ...calls: BatchCall[]): BatchCall => {
  return { id: `call_helper_${id}`, name: 'helper', args: { task: JSON.stringify(calls) } };
};
const deep = (id: string, ...calls: BatchCall[]): BatchCall => ({
  ...helper(id, ...calls),
  id: `call_deep_${id}`,
  name: 'deep',
});
const start = (bench: BatchBench, ...batch: BatchCall[]) =>
  PausedRun.start(bench, JSON.stringify(batch), bench.over(1));
const agentsIn = ({ bodies }: Outcome) =>
  bodies.flatMap((body) => (body.type === 'agent' ? [`${body.path.join('/')} ${body.state}`] : []));

async function asking(run: PausedRun) {
  const { saver } = checkpoints;
  const thread = threadId(run.request);
  return pendingInterrupts(saver, { thread, standing: await standingOf(saver, thread) });
}

describe('people asked from inside sub-agents', () => {
  test('a gated call pauses the generation; the sub-agent goes on where it was', async () => {
    const bench = batchBench({ checkpoints });
    const run = await start(bench, helper('a', call('gated', 1), call('free', 2)), call('free', 3));
    const paused = run.outcome;
    const models = bench.model.sent.length;

    const rest = await run.say({ decision: 'approve' });

    expect(run.action).toBeUndefined();
    expect(models).toBe(2);
    expect(bench.model.sent).toHaveLength(4);
    expect(paused && agentsIn(paused)).toEqual(['call_helper_a started']);
    expect(agentsIn(rest)).toEqual(['call_helper_a finished']);
    expect(paused && resultsIn(paused)).toEqual([{ status: 'ok', output: 'free 3' }]);
    const inner = rest.bodies.flatMap((body) =>
      body.type === 'text_delta' && body.path ? [[body.text, ...body.path]] : [],
    );
    expect(inner).toEqual([['done', 'call_helper_a']]);
    expect(bench.executed.map(({ name }) => name).toSorted()).toEqual(['free', 'free', 'gated']);
    expect(bench.model.sent.map(historyFault).filter((it) => it !== undefined)).toEqual([]);
  });

  test('what stands at a pause: the calls of all levels, in their order, with the path of each', async () => {
    const bench = batchBench({ checkpoints });
    const run = await start(
      bench,
      helper('b', call('gated', 1)),
      helper('a', deep('c', call('denied', 2), call('gated', 3))),
    );

    const standing = await run.adopt();

    const told = standing.calls.map(({ path = [], toolCalls }) => {
      return `${path.join('/')}: ${toolCalls.map(({ toolCallId }) => toolCallId).join(' ')}`;
    });
    expect(told).toEqual([
      ': call_helper_b call_helper_a',
      'call_helper_b: call_gated_1x',
      'call_helper_a: call_deep_c',
      'call_helper_a/call_deep_c: call_denied_2x call_gated_3x',
    ]);
    expect(standing.results).toEqual([]);
  });

  test.each([
    ['in the order of the calls', [0, 1]],
    ['the later one first', [1, 0]],
  ])('two that ask at once, answered %s', async (_order, order) => {
    const bench = batchBench({ checkpoints });
    const run = await start(bench, helper('a', call('gated', 1)), helper('b', call('gated', 2)));
    const pending = await asking(run);
    const ids = pending.map(({ value }) =>
      value.kind === 'tool_approval' ? value.requests[0]?.toolCallId : undefined,
    );
    const [first, second] = order.map((index) => pending[index]);
    if (!first || !second || first.value.kind === 'unsupported')
      throw new Error('two are asked for');

    const action = actionOf(pauseFor(first.id, first.value));
    const verdict = decide(action, { decision: 'approve' });
    run.answered = { interruptId: first.id, action, verdict };
    const middle = await run.goOn(bench.over(2));
    const left = run.requests.map(({ toolCallId }) => toolCallId);
    const rest = await run.say({ decision: 'reject' });

    expect(ids).toEqual(['call_gated_1x', 'call_gated_2x']);
    expect(left).toEqual([ids[order[1] ?? 0]]);
    expect(resultsIn(middle).map(({ output }) => output)).toContain(`gated ${(order[0] ?? 0) + 1}`);
    expect(bench.executed).toHaveLength(1);
    expect(rest.error).toBeUndefined();
    expect(rest.text.endsWith('done')).toBe(true);
    expect(bench.model.sent).toHaveLength(6);
  });

  test('two that ask at once are asked one after the other, the earlier call first', async () => {
    const bench = batchBench({ checkpoints });
    const questions = [{ question: 'Which?' }];
    const ask = { id: 'call_ask_user_x', name: 'ask_user', args: { questions } };
    const run = await start(bench, helper('z', ask), helper('a', call('gated', 2)));

    const kinds = [run.asked.kind];
    await run.answer({ answers: { q1: 'this' } });
    kinds.push(run.asked.kind);
    const rest = await run.say({ decision: 'approve' });

    expect(kinds).toEqual(['ask_user_question', 'tool_approval']);
    expect(rest.text.endsWith('done')).toBe(true);
    expect(bench.executed).toHaveLength(1);
  });

  test('a question from a sub-agent of a sub-agent', async () => {
    const bench = batchBench({ checkpoints });
    const questions = [
      { question: 'One?', options: [{ label: 'a' }] },
      { question: 'Many?', multiSelect: true },
    ];
    const ask = { id: 'call_ask_user_x', name: 'ask_user', args: { questions } };
    const run = await start(bench, helper('a', deep('b', ask, call('gated', 1))));

    // The approval comes first: no tool of a batch runs before it.
    const kinds = [run.asked.kind];
    await run.say({ decision: 'approve' });
    kinds.push(run.asked.kind);
    const asked = run.asked;
    const rest = await run.answer({ answers: { q1: 'a', q2: ['x', 'y'] } });

    expect(kinds).toEqual(['tool_approval', 'ask_user_question']);
    expect(asked).toMatchObject({ questions: [{ id: 'q1' }, { id: 'q2', multiSelect: true }] });
    expect(rest.error).toBeUndefined();
    expect(JSON.parse(resultsIn(rest)[0]?.output ?? '')).toEqual([
      { question: 'One?', answer: 'a' },
      { question: 'Many?', answer: ['x', 'y'] },
    ]);
    const paths = rest.bodies.flatMap((body) => ('path' in body && body.path ? [body.path] : []));
    expect(paths).toContainEqual(['call_helper_a', 'call_deep_b']);
    expect(bench.model.sent.map(historyFault).filter((it) => it !== undefined)).toEqual([]);
  });

  test('a finished sibling inside a sub-agent is not run again after the answer', async () => {
    const looks: string[] = [];
    const look = defineTool({
      name: 'look',
      description: 'looks',
      schema: z.object({}),
      effects: 'read',
      run: async () => String(looks.push('look')),
    });
    const bench = batchBench({ checkpoints, tools: [look] });
    const questions = [{ question: 'Which?' }];
    const ask = { id: 'call_ask_user_x', name: 'ask_user', args: { questions } };
    const run = await start(bench, helper('a', ask, { id: 'call_look_x', name: 'look', args: {} }));

    const rest = await run.answer({ answers: { q1: 'this' } });

    expect(rest.error).toBeUndefined();
    expect(looks).toHaveLength(1);
    expect(bench.model.sent.map(historyFault).filter((it) => it !== undefined)).toEqual([]);
  });

  test('a call that a sub-agent may not make is denied there too', async () => {
    const bench = batchBench({ checkpoints });

    const run = await start(bench, helper('a', call('denied', 1)));

    expect(run.outcome && resultsIn(run.outcome).map(({ status }) => status)).toEqual([
      'denied',
      'ok',
    ]);
    expect(bench.executed).toEqual([]);
  });

  test('drained inside a sub-agent: handed over, and it goes on', async () => {
    const drain = new AbortController();
    const bench = batchBench({ checkpoints, effect: () => drain.abort() });
    const run = new PausedRun(bench, JSON.stringify([helper('a', call('free', 1))]));

    const cut = await run.drive({ ...bench.over(1), drain: drain.signal });
    const rest = await run.goOn(bench.over(2));

    expect(cut.error).toBeUndefined();
    expect(cut.events.at(-1)).toEqual({ type: 'handover' });
    expect(rest.error).toBeUndefined();
    expect(rest.text.endsWith('done')).toBe(true);
    expect(bench.ledgerOf.starts).toHaveLength(1);
  });
});
