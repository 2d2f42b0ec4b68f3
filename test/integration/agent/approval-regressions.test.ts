import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { interrupt } from '@langchain/langgraph';
import { DynamicStructuredTool } from '@langchain/core/tools';
import { z } from 'zod';
import type { AnsweredPause } from '../../../src/agent/agent-runner.ts';
import type { Checkpoints } from '../../../src/agent/checkpoints.ts';
import { defineTool } from '../../../src/agent/tools.ts';
import type { LangGraphToolConfig, ToolDefinition } from '../../../src/agent/tools.ts';
import { hashOf } from '../../../src/lib/json.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import type { Verdict } from '../../../src/stream/pending-action.ts';
import { batchBench, historyFault } from '../../support/batch-agent.ts';
import type { BatchBench, BatchCall } from '../../support/batch-agent.ts';
import { collect } from '../../support/agent-run.ts';
import { decide, PausedRun, resultsIn } from '../../support/paused-run.ts';

/** What LangChain's `humanInTheLoopMiddleware` and plain `interrupt` get wrong. */

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
const start = (bench: BatchBench, ...batch: BatchCall[]) =>
  PausedRun.start(bench, JSON.stringify(batch), bench.over(1));
const going = (run: PausedRun, answered: AnsweredPause) => ({
  entry: { kind: 'continue' as const, answered },
});

function answeredOf(run: PausedRun, verdict: Verdict): AnsweredPause {
  run.note(verdict);
  if (!run.answered) throw new Error('not answered');
  return run.answered;
}

class Gate {
  open: () => void = () => undefined;
  readonly passed = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

describe('the failures of the stock middleware', () => {
  test('mixed batch: approved and ungated calls run, no call is left without a result', async () => {
    const bench = batchBench({ checkpoints });
    const run = await start(bench, call('gated', 1), call('gated', 2), call('free', 3));

    const rest = await run.say({ decision: 'approve' }, { decision: 'reject' });

    expect(rest.error).toBeUndefined();
    expect(bench.executed.map(({ name }) => name).toSorted()).toEqual(['free', 'gated']);
    expect(historyFault(bench.model.sent.at(-1) ?? [])).toBeUndefined();
  });

  const id = 'call_gated_1x';
  const malformed: [string, Verdict][] = [
    ['no decisions', { decisions: [] }],
    ['answers instead of decisions', { answers: { q1: 'x' } }],
    ['a decision for another call', { decisions: [{ toolCallId: 'other', decision: 'approve' }] }],
    [
      'two decisions for one call',
      {
        decisions: [
          { toolCallId: id, decision: 'approve' },
          { toolCallId: id, decision: 'reject' },
        ],
      },
    ],
    ['a decision that is not offered', { decisions: [{ toolCallId: id, decision: 'retry' }] }],
    ['an edit without arguments', { decisions: [{ toolCallId: id, decision: 'edit' }] }],
    ['a response without text', { decisions: [{ toolCallId: id, decision: 'respond' }] }],
  ];
  test('malformed answers: the pause survives each of them, and the right answer then works', async () => {
    const bench = batchBench({ checkpoints });
    const run = await start(bench, call('gated', 1));
    const { asked } = run;
    const right = answeredOf(run, decide(asked, { decision: 'approve' }));

    for (const [what, verdict] of malformed) {
      await run.adopt();
      const refused = await collect(
        bench.runner.run({ ...run.request, ...going(run, { ...right, verdict }) }),
      );
      expect([what, refused.error]).toMatchObject([what, { code: 'RESUME_MISMATCH' }]);
    }
    await run.adopt();
    const rest = await run.drive(going(run, right));

    expect(rest.error).toBeUndefined();
    expect(bench.executed).toEqual([{ name: 'gated', argsHash: hashOf({ n: 1 }) }]);
  });

  test('an answer to an action that showed other arguments is refused, nothing runs', async () => {
    const bench = batchBench({ checkpoints });
    const run = await start(bench, call('gated', 1));
    const right = answeredOf(run, decide(run.asked, { decision: 'approve' }));
    const { action } = right;
    const requests = 'requests' in action ? action.requests : [];
    const forged = [
      requests.map((it) => ({ ...it, args: { n: 2 }, argsHash: hashOf({ n: 2 }) })),
      requests.map((it) => ({ ...it, argsHash: hashOf({ n: 2 }) })),
      requests.map((it) => ({ ...it, name: 'free' })),
      [...requests, ...requests],
    ];

    for (const other of forged) {
      await run.adopt();
      const shown = { ...action, kind: 'tool_approval' as const, requests: other };
      const outcome = await run.drive(going(run, { ...right, action: shown }));
      expect(outcome.error).toMatchObject({ code: 'RESUME_MISMATCH' });
    }
    expect(bench.executed).toEqual([]);
  });

  test('double resume: of two drivers that continue at once the fenced one runs nothing', async () => {
    const bench = batchBench({ checkpoints });
    const run = await start(bench, call('gated', 1));
    run.note(decide(run.asked, { decision: 'approve' }));
    await run.adopt();
    const first = { ...run.request, ...bench.over(run.request.fence) };
    await run.adopt();
    const second = { ...run.request, ...bench.over(run.request.fence) };

    const [zombie, driver] = await Promise.all([
      collect(bench.runner.run(first)),
      collect(bench.runner.run(second)),
    ]);

    expect(zombie.error).toMatchObject({ message: 'stale_fence' });
    expect(driver.error).toBeUndefined();
    expect(driver.text).toBe('done');
    expect(bench.executed).toHaveLength(1);
  });

  test('double resume while the tool runs: nobody starts it a second time', async () => {
    const gate = new Gate();
    const inTool = new Gate();
    const bench = batchBench({
      checkpoints,
      effect: async () => {
        inTool.open();
        await gate.passed;
      },
    });
    const run = await start(bench, call('gated', 1));
    run.note(decide(run.asked, { decision: 'approve' }));
    await run.adopt();
    const first = collect(bench.runner.run({ ...run.request, ...bench.over(run.request.fence) }));
    await inTool.passed;
    await run.adopt();
    const second = await collect(
      bench.runner.run({ ...run.request, ...bench.over(run.request.fence) }),
    );
    gate.open();
    await first;

    expect(second.error).toMatchObject({ message: 'outcome_unknown' });
    expect(bench.executed).toHaveLength(1);
    // Its result came after all: the next driver takes it.
    const rest = await run.goOn(bench.over(run.request.fence + 1));
    expect(rest.error).toBeUndefined();
    expect(resultsIn(rest)).toEqual([{ status: 'ok', output: 'gated 1' }]);
    expect(bench.executed).toHaveLength(1);
  });

  test('equal interrupt ids: the first answer given again does not answer the second question', async () => {
    const bench = batchBench({ checkpoints, tools: [twiceAskingTool()] });
    const run = await start(bench, call('asks_twice', 1));
    const first = answeredOf(run, { answers: { q1: 'one' } });
    await run.goOn();
    const second = run.asked;
    await run.adopt();
    const stale = await run.drive(going(run, first));
    const again = run.asked;
    const rest = await run.answer({ answers: { q1: 'two' } });

    expect(second).toMatchObject({ questions: [{ question: 'second?' }] });
    expect(stale.events.at(-1)).toMatchObject({ pause: { interruptId: first.interruptId } });
    expect(again).toMatchObject({ questions: [{ question: 'second?' }] });
    expect(resultsIn(rest)).toEqual([{ status: 'ok', output: 'one two' }]);
  });

  test.each(['0', 'false', 'null', ''])('falsy resume values: %j is an answer', async (word) => {
    const bench = batchBench({ checkpoints });
    const questions = [{ question: 'Which?' }];
    const run = await start(bench, {
      id: 'call_ask_user_x',
      name: 'ask_user',
      args: { questions },
    });

    const rest = await run.answer({ answers: { q1: word } });

    expect(rest.error).toBeUndefined();
    expect(JSON.parse(resultsIn(rest)[0]?.output ?? '')).toEqual([
      { question: 'Which?', answer: word },
    ]);
  });

  test('a falsy response is the result', async () => {
    const bench = batchBench({ checkpoints });
    const run = await start(bench, call('gated', 1));

    const rest = await run.say({ decision: 'respond', responseText: '' });

    expect(resultsIn(rest)).toEqual([{ status: 'responded', output: '' }]);
    expect(rest.text).toBe('done');
  });
});

describe('an answer and its checkpoint', () => {
  test('nobody answered: the same pause comes again, without the model or the policy', async () => {
    let asked = 0;
    const bench = batchBench({
      checkpoints,
      policy: async () => {
        asked += 1;
        return {
          ruling: 'ask',
          allowedDecisions: ['approve'],
          mayRemember: false,
          defaultToNo: false,
        };
      },
    });
    const run = await start(bench, call('gated', 1));
    const first = run.outcome?.events.at(-1);

    await run.adopt();
    const again = await run.drive();

    expect(again.events).toEqual([first]);
    expect(asked).toBe(1);
    expect(bench.model.sent).toHaveLength(1);
  });

  test('an answer that the checkpoint has already is not given again', async () => {
    const bench = batchBench({ checkpoints });
    const run = await start(bench, call('gated', 1));
    const rest = await run.say({ decision: 'approve' });

    const again = await run.goOn();

    expect(rest.text).toBe('done');
    expect(again).toMatchObject({ events: [], error: undefined });
    expect(bench.executed).toHaveLength(1);
  });

  test('claimed twice before anything ran: the answer still counts', async () => {
    const bench = batchBench({ checkpoints });
    const run = await start(bench, call('gated', 1));
    run.note(decide(run.asked, { decision: 'approve' }));
    await run.adopt();
    await run.adopt();

    const rest = await run.goOn(bench.over(4));

    expect(rest.text).toBe('done');
    expect(bench.executed).toHaveLength(1);
  });

  test('stopped right after the decision took hold: the rest runs under the next fence', async () => {
    const bench = batchBench({ checkpoints });
    const run = await start(bench, call('gated', 1), call('gated', 2));
    run.note(decide(run.asked, { decision: 'reject' }, { decision: 'approve' }));
    await run.adopt();
    const stop = new AbortController();
    const stopped = new Error('stopped');
    const request = { ...run.request, ...bench.over(2), signal: stop.signal };
    const cut = await collect(bench.runner.run(request), (event) => {
      if (event.type === 'event' && event.body.type === 'tool_result') stop.abort(stopped);
    });

    const rest = await run.goOn(bench.over(3));

    expect(cut.error).toBe(stopped);
    expect(rest.error).toBeUndefined();
    expect(bench.executed).toHaveLength(1);
    expect(historyFault(bench.model.sent.at(-1) ?? [])).toBeUndefined();
  });

  test('a tool that interrupts in its own way is asked for, and gets the response as it is', async () => {
    const tool: ToolDefinition = {
      ...twiceAskingTool(),
      name: 'foreign',
      bind: () =>
        new DynamicStructuredTool({
          name: 'foreign',
          description: 'asks in its own way',
          schema: z.object({ n: z.number() }),
          func: async () => JSON.stringify(interrupt('well?')),
        }),
    };
    const bench = batchBench({ checkpoints, tools: [tool] });

    const run = await start(bench, call('foreign', 1));

    expect(run.asked).toMatchObject({ kind: 'custom', value: 'well?' });
    const rest = await run.answer({ response: { actionId: 'x', decisions: [] } });

    expect(resultsIn(rest)).toEqual([{ status: 'ok', output: '{"actionId":"x","decisions":[]}' }]);
  });
});

/** Two interrupts in one step have the same id. */
function twiceAskingTool(): ToolDefinition {
  const name = 'asks_twice';
  const schema = z.object({ n: z.number() });
  const answerSchema = z.object({ answers: z.object({ q1: z.string() }) });
  const shape = defineTool({
    name,
    description: name,
    schema,
    effects: 'read',
    run: async () => '',
  });
  return {
    ...shape,
    bind: () =>
      new DynamicStructuredTool({
        name,
        description: name,
        schema,
        func: async (_args, _manager, config: LangGraphToolConfig = {}) => {
          const said = ['first?', 'second?'].map((question) => {
            const value = {
              kind: 'ask_user_question',
              at: String(config.configurable?.['checkpoint_ns']),
              toolCallId: config.toolCall?.id ?? '',
              questions: [{ id: 'q1', question }],
            };
            return answerSchema.parse(interrupt(value)).answers.q1;
          });
          return said.join(' ');
        },
      }),
  };
}
