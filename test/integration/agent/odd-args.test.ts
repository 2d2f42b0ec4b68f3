import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import type { CallPolicy } from '../../../src/agent/agent-runner.ts';
import type { Checkpoints } from '../../../src/agent/checkpoints.ts';
import { defineTool } from '../../../src/agent/tools.ts';
import type { ToolDefinition } from '../../../src/agent/tools.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import { ASK, batchBench } from '../../support/batch-agent.ts';
import type { BatchCall } from '../../support/batch-agent.ts';
import { ODD_ARGS } from '../../support/odd-args.ts';
import { decide, PausedRun, resultsIn } from '../../support/paused-run.ts';

/** Arguments that mean something to LangGraph, or that can't be kept as they are. */

let db: ReturnType<typeof openDatabase>;
let checkpoints: Checkpoints;
beforeEach(() => {
  db = openDatabase(':memory:');
  checkpoints = createSqliteCheckpoints({ db });
});
afterEach(() => void db.close());

const ODD = JSON.stringify(ODD_ARGS);

function anything(ran: string[]): ToolDefinition {
  return defineTool({
    name: 'anything',
    description: 'takes anything',
    schema: z.looseObject({}),
    async run(args) {
      ran.push(JSON.stringify(args));
      return 'done';
    },
  });
}

const policy: CallPolicy = async (call) =>
  call.name === 'anything' ? ASK({ ...call, name: 'gated' }) : { ruling: 'run' };
const callOf = (args: unknown): BatchCall => ({ id: 'call_anything', name: 'anything', args });
const helperOf = (call: BatchCall): BatchCall => {
  return { id: 'call_helper', name: 'helper', args: { task: JSON.stringify([call]) } };
};
const approve = { decision: 'approve' } as const;
const edit = { decision: 'edit', editedArgs: ODD_ARGS } as const;

describe('arguments that mean something to LangGraph', () => {
  test.each([
    ['approved', callOf(ODD_ARGS), approve, ODD],
    ['edited', callOf({ a: 1 }), edit, '{"a":1}'],
    ['approved in a sub-agent', helperOf(callOf(ODD_ARGS)), approve, ODD],
  ])('%s: what was decided on is what runs, to the byte', async (_how, call, said, asked) => {
    const ran: string[] = [];
    const bench = batchBench({ checkpoints, tools: [anything(ran)], policy });

    const run = await PausedRun.start(bench, JSON.stringify([call]), bench.over(1));
    const [request] = run.requests;
    run.note(decide(run.asked, said));
    await run.adopt();
    const rest = await run.drive(bench.over(run.request.fence));
    const standing = await run.adopt();

    expect(rest.error).toBeUndefined();
    expect(JSON.stringify(request?.args)).toBe(asked);
    expect(ran).toEqual([ODD]);
    const stood = standing.calls.flatMap(({ toolCalls }) => toolCalls);
    const { args } = stood.find(({ name }) => name === 'anything') ?? {};
    expect(JSON.stringify(args)).toBe(ODD);
  });
});

const nested = (levels: number): string => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;

describe('arguments that can not be kept', () => {
  test.each([
    ['nested too deeply', nested(30)],
    ['nested beyond all reason', nested(20_000)],
    ['with a number that JSON has no form for', '{"a":1e999}'],
    ['with a key that makes a prototype', '{"a":{"__proto__":{"b":1}}}'],
  ])('%s: nobody is asked, and the model is told', async (_how, args) => {
    const ran: string[] = [];
    const bench = batchBench({ checkpoints, tools: [anything(ran)], policy });

    const run = await PausedRun.start(bench, JSON.stringify([callOf(args)]), bench.over(1));
    const { results } = await run.adopt();

    const output = 'The arguments of anything were not valid JSON of at most 30 levels.';
    expect(run.outcome && resultsIn(run.outcome)).toEqual([{ status: 'error', output }]);
    expect(results).toHaveLength(1);
    expect(ran).toEqual([]);
  });

  test('of a person: they are refused', () => {
    const bench = batchBench({ checkpoints, tools: [anything([])] });
    const { spec } = bench.request('hi');
    const said = (levels: number) => {
      const args = z.record(z.string(), z.json()).parse(JSON.parse(nested(levels)));
      return bench.runner.checkArgs(spec, { name: 'anything', args });
    };

    expect(said(29)).toBeUndefined();
    expect(said(30)).toBe('The arguments have more than 30 levels.');
  });
});
