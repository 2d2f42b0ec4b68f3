import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AIMessage } from '@langchain/core/messages';
import fc from 'fast-check';
import type { CallPolicy } from '../../../src/agent/agent-runner.ts';
import type { Checkpoints } from '../../../src/agent/checkpoints.ts';
import { hashOf } from '../../../src/lib/json.ts';
import type { JsonObject } from '../../../src/lib/json.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import type { ToolResultStatus } from '../../../src/stream/message.ts';
import { batchBench, historyFault } from '../../support/batch-agent.ts';
import type { BatchBench, BatchCall } from '../../support/batch-agent.ts';
import { PausedRun, resultsIn } from '../../support/paused-run.ts';
import type { Say } from '../../support/paused-run.ts';

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

const SAID: Record<'approve' | 'edit' | 'reject' | 'respond', Say> = {
  approve: { decision: 'approve' },
  edit: { decision: 'edit', editedArgs: { n: 99 } },
  reject: { decision: 'reject', reason: 'no' },
  respond: { decision: 'respond', responseText: 'by hand' },
};
const KINDS = ['approve', 'edit', 'reject', 'respond'] as const;
type Kind = (typeof KINDS)[number];

const STATUS: Record<Kind, ToolResultStatus> = {
  approve: 'ok',
  edit: 'ok',
  reject: 'rejected',
  respond: 'responded',
};

function lastSent({ model }: BatchBench) {
  return model.sent.at(-1) ?? [];
}

async function settle(bench: BatchBench, batch: BatchCall[], said: Say[]) {
  const run = await PausedRun.start(bench, JSON.stringify(batch), bench.over(1));
  const rest = await run.say(...said);
  return { run, rest };
}

describe('a batch of three gated calls with an ungated sibling', () => {
  const combinations = KINDS.flatMap((a) =>
    KINDS.flatMap((b) => KINDS.map((c): Kind[] => [a, b, c])),
  );

  test.each(combinations)('%s, %s, %s', async (...kinds) => {
    const bench = batchBench({ checkpoints });
    const batch = [call('gated', 1), call('free', 4), call('gated', 2), call('gated', 3)];

    const { rest } = await settle(
      bench,
      batch,
      kinds.map((kind) => SAID[kind]),
    );

    expect(rest.error).toBeUndefined();
    expect(rest.text).toBe('done');
    expect(historyFault(lastSent(bench))).toBeUndefined();
    const statuses = rest.bodies.flatMap((body) =>
      body.type === 'tool_result' ? [[body.toolCallId, body.status]] : [],
    );
    const [a, b, c] = kinds.map((kind) => STATUS[kind]);
    expect(Object.fromEntries(statuses)).toEqual({
      call_gated_1x: a,
      call_free_4x: 'ok',
      call_gated_2x: b,
      call_gated_3x: c,
    });
    expect(statuses).toHaveLength(4);
    const ran = kinds.flatMap((kind, index) => {
      if (kind === 'approve') return [`gated ${hashOf({ n: index + 1 })}`];
      return kind === 'edit' ? [`gated ${hashOf({ n: 99 })}`] : [];
    });
    expect(bench.executed.map(({ name, argsHash }) => `${name} ${argsHash}`).toSorted()).toEqual(
      [...ran, `free ${hashOf({ n: 4 })}`].toSorted(),
    );
  });
});

describe('who is asked for', () => {
  test('a denied call never runs and the model is told; alone it does not pause', async () => {
    const bench = batchBench({ checkpoints });

    const run = await PausedRun.start(bench, JSON.stringify([call('denied', 1)]), bench.over(1));

    expect(run.outcome?.error).toBeUndefined();
    expect(run.outcome?.text).toBe('done');
    expect(run.outcome && resultsIn(run.outcome)).toEqual([
      { status: 'denied', output: 'This call is not allowed: no way' },
    ]);
    expect(bench.executed).toEqual([]);
  });

  test('denied, gated and free in one batch: each has its own result', async () => {
    const bench = batchBench({ checkpoints });
    const batch = [call('denied', 1), call('gated', 2), call('free', 3)];

    const { run, rest } = await settle(bench, batch, [SAID.approve]);
    const standing = await run.adopt();

    expect(rest.error).toBeUndefined();
    expect(historyFault(lastSent(bench))).toBeUndefined();
    expect(bench.executed.map(({ name }) => name).toSorted()).toEqual(['free', 'gated']);
    expect(standing.results.map(({ status }) => status).toSorted()).toEqual(['denied', 'ok', 'ok']);
  });

  test.each([
    [
      'an unknown tool',
      { id: 'call_unknown', name: 'nothing', args: {} },
      'no tool called nothing',
    ],
    [
      'arguments that are not JSON',
      { id: 'call_broken', name: 'gated', args: '{"n":' },
      'not valid JSON',
    ],
    [
      'arguments outside the schema',
      { id: 'call_wrong', name: 'gated', args: { n: 'x' } },
      'not valid: n',
    ],
  ])('%s: nobody is asked, the model is told', async (_what, bad, said) => {
    const bench = batchBench({ checkpoints });

    const run = await PausedRun.start(bench, JSON.stringify([bad]), bench.over(1));

    expect(run.outcome?.error).toBeUndefined();
    expect(run.outcome && resultsIn(run.outcome)[0]?.output).toContain(said);
    expect(bench.executed).toEqual([]);
  });

  test('a broken call beside a gated one: only the gated one is asked for', async () => {
    const bench = batchBench({ checkpoints });
    const bad = { id: 'call_wrong', name: 'gated', args: { n: 'x' } };

    const run = await PausedRun.start(
      bench,
      JSON.stringify([bad, call('gated', 1)]),
      bench.over(1),
    );
    const asked = run.requests.map(({ toolCallId }) => toolCallId);
    const rest = await run.say(SAID.approve);

    expect(asked).toEqual(['call_gated_1x']);
    expect(
      resultsIn(rest)
        .map(({ status }) => status)
        .toSorted(),
    ).toEqual(['error', 'ok']);
    expect(historyFault(lastSent(bench))).toBeUndefined();
  });

  test('a rule that is made while it waits changes nothing of what the answer covers', async () => {
    let asks = true;
    const policy: CallPolicy = async () =>
      asks
        ? {
            ruling: 'ask',
            allowedDecisions: ['approve', 'reject'],
            mayRemember: true,
            defaultToNo: false,
          }
        : { ruling: 'run' };
    const bench = batchBench({ checkpoints, policy });
    const run = await PausedRun.start(
      bench,
      JSON.stringify([call('gated', 1), call('gated', 2)]),
      bench.over(1),
    );
    asks = false;

    const rest = await run.say(SAID.approve, SAID.reject);

    expect(rest.error).toBeUndefined();
    expect(bench.executed).toEqual([{ name: 'gated', argsHash: hashOf({ n: 1 }) }]);
    expect(resultsIn(rest).map(({ status }) => status)).toEqual(['rejected', 'ok']);
  });

  test('a rule that is withdrawn while it waits does not ask for the siblings', async () => {
    let free = true;
    const ask = { allowedDecisions: ['approve' as const], mayRemember: true, defaultToNo: false };
    const bench = batchBench({
      checkpoints,
      policy: async ({ name }) =>
        name === 'free' && free ? { ruling: 'run' } : { ruling: 'ask', ...ask },
    });
    const run = await PausedRun.start(
      bench,
      JSON.stringify([call('gated', 1), call('free', 2)]),
      bench.over(1),
    );
    free = false;

    const rest = await run.say(SAID.approve);

    expect(rest.error).toBeUndefined();
    expect(rest.text).toBe('done');
    expect(bench.executed.map(({ name }) => name).toSorted()).toEqual(['free', 'gated']);
  });
});

describe('edited arguments', () => {
  test('are checked against the schema of the tool, also of one that only a sub-agent has', () => {
    const { runner, request } = batchBench({ checkpoints });
    const { spec } = request('x');
    const check = (name: string, args: JsonObject) => runner.checkArgs(spec, { name, args });

    expect(check('gated', { n: 1 })).toBeUndefined();
    expect(check('gated', { n: 'x' })).toMatch(/^The arguments of gated are not valid: n/);
    expect(check('deep', { task: 'x' })).toBeUndefined();
    expect(check('deep', {})).toContain('task');
    expect(check('nothing', {})).toBe('There is no tool called nothing.');
  });
});

describe('the model sees', () => {
  test('edited arguments as its own, under the same id', async () => {
    const bench = batchBench({ checkpoints });

    await settle(bench, [call('gated', 1)], [SAID.edit]);

    const said = lastSent(bench).find((message) => AIMessage.isInstance(message));
    expect(said && AIMessage.isInstance(said) && said.tool_calls).toMatchObject([
      { id: 'call_gated_1x', name: 'gated', args: { n: 99 } },
    ]);
  });

  test('property: a valid history, and only arguments that were approved were executed', async () => {
    const callArb = fc.record({
      name: fc.constantFrom('gated', 'gated', 'free', 'denied', 'nothing'),
      n: fc.integer({ min: 0, max: 3 }),
      broken: fc.boolean(),
    });
    const sayArb = fc.oneof(
      fc.constant(SAID.approve),
      fc.integer({ min: 10, max: 20 }).map((n): Say => ({ decision: 'edit', editedArgs: { n } })),
      fc.string().map((reason): Say => ({ decision: 'reject', reason })),
      fc.string().map((responseText): Say => ({ decision: 'respond', responseText })),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(callArb, { minLength: 1, maxLength: 6 }),
        fc.array(sayArb, { minLength: 6, maxLength: 6 }),
        async (calls, said) => {
          const bench = batchBench({ checkpoints });
          const batch = calls.map(({ name, n, broken }, index) => {
            return { id: `call_${name}_x${index}`, name, args: broken && n === 0 ? '{' : { n } };
          });
          const run = await PausedRun.start(bench, JSON.stringify(batch), bench.over(1));
          const approved = run.requests.flatMap(({ argsHash }, index) => {
            const say = said[index];
            if (say?.decision === 'approve') return [argsHash];
            return say?.decision === 'edit' ? [hashOf(say.editedArgs)] : [];
          });
          const rest = run.action ? await run.say(...said) : run.outcome;

          expect(rest?.error).toBeUndefined();
          expect(rest?.text).toBe('done');
          expect(historyFault(lastSent(bench))).toBeUndefined();
          const gated = bench.executed.filter(({ name }) => name === 'gated');
          expect(gated.map(({ argsHash }) => argsHash).toSorted()).toEqual(approved.toSorted());
          expect(bench.executed.filter(({ name }) => name === 'denied')).toEqual([]);
          const frees = calls.filter(
            ({ name, n, broken }) => name === 'free' && !(broken && n === 0),
          );
          expect(bench.executed.filter(({ name }) => name === 'free')).toHaveLength(frees.length);
        },
      ),
      { numRuns: Number(process.env['APPROVAL_RUNS'] ?? 60) },
    );
  });
});
