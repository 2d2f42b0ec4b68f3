import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Checkpoints } from '../../../src/agent/checkpoints.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import type { Outcome } from '../../support/agent-run.ts';
import { historyFault } from '../../support/batch-agent.ts';
import { handOffBench, toward, type HandOffBench, type Script } from '../../support/hand-offs.ts';
import { PausedRun, resultsIn } from '../../support/paused-run.ts';

let db: ReturnType<typeof openDatabase>;
let checkpoints: Checkpoints;
beforeEach(() => {
  db = openDatabase(':memory:');
  checkpoints = createSqliteCheckpoints({ db });
});
afterEach(() => void db.close());

const benchOf = (script: Script, more: Partial<Parameters<typeof handOffBench>[0]> = {}) =>
  handOffBench({ checkpoints, script, ...more });
const start = (bench: HandOffBench) => PausedRun.start(bench, 'hello', bench.over(1));
const handedIn = ({ bodies }: Outcome) =>
  bodies.flatMap((body) => (body.type === 'hand_off' ? [`${body.agentId} ${body.model}`] : []));
const faults = ({ sent }: HandOffBench) =>
  sent.map(historyFault).filter((fault) => fault !== undefined);
const look = (id: string, n = 0) => ({ id: `call_look_${id}x`, name: 'look', args: { n } });
const pay = (id: string, n = 0) => ({ id: `call_pay_${id}x`, name: 'pay', args: { n } });

describe('an agent that hands over', () => {
  test('is out of it: the other answers with its model, its instructions and its tools', async () => {
    const bench = benchOf({
      desk: [{ calls: [look('1')] }, { say: 'One moment.', calls: [toward('billing')] }],
      billing: [{ calls: [look('2')] }, { say: 'Paid.' }],
    });

    const run = await start(bench);

    const { outcome } = run;
    expect(outcome?.error).toBeUndefined();
    expect(bench.asked).toEqual(['desk', 'desk', 'billing', 'billing']);
    expect(outcome?.text).toBe('One moment.Paid.');
    expect(outcome && handedIn(outcome)).toEqual(['billing scripted:billing']);
    expect(bench.executed).toEqual(['desk look 0', 'billing look 0']);
    const prompts = bench.sent.map(([first]) => first?.text);
    expect(prompts).toEqual([
      'You are desk.',
      'You are desk.',
      'You are billing.',
      'You are billing.',
    ]);
    expect(bench.sent.at(-1)?.map(({ text }) => text)).toContain('hello');
    expect(outcome && resultsIn(outcome)[1]).toEqual({
      status: 'ok',
      output: 'billing answers the user from here on.',
    });
    expect(faults(bench)).toEqual([]);
  });

  test('is paid for what its model used, the other for its own', async () => {
    const paid: string[] = [];
    const bench = benchOf(
      {
        desk: [{ calls: [toward('billing')], tokens: 100 }],
        billing: [{ say: 'Paid.', tokens: 200 }],
      },
      {
        meter: {
          check: async () => undefined,
          used: async ({ model, tokens }) => void paid.push(`${model} ${tokens.inputTokens}`),
        },
      },
    );

    const { outcome } = await start(bench);

    expect(outcome?.error).toBeUndefined();
    expect(paid).toEqual(['scripted:desk 100', 'scripted:billing 200']);
    const told = outcome?.events.flatMap((it) =>
      it.type === 'usage' ? [it.usage.contextMax] : [],
    );
    expect(told).toEqual([1_000, 2_000]);
  });

  test('connects to the servers of the other only when that takes over', async () => {
    const listed: string[] = [];
    const source = (id: string) => ({
      id,
      async list() {
        listed.push(id);
        return { tools: [], standIn: () => undefined };
      },
    });
    const bench = benchOf(
      { desk: [{ calls: [toward('billing')] }], billing: [{ say: 'Paid.' }] },
      {
        change({ desk, billing, repairs }) {
          if (desk) desk.toolSources = [source('desk')];
          if (billing) billing.toolSources = [source('billing')];
          if (repairs) repairs.toolSources = [source('repairs')];
        },
      },
    );

    const { outcome } = await start(bench);

    expect(outcome?.error).toBeUndefined();
    expect(listed).toEqual(['desk', 'billing']);
  });

  test('has its long history shortened as the one that answers wants it', async () => {
    const long = 'x'.repeat(4_000);
    const bench = benchOf(
      {
        desk: [{ calls: [{ ...look('1'), args: { long } }] }, { calls: [toward('billing')] }],
        billing: [{ say: 'Paid.' }],
      },
      {
        change({ billing }) {
          const strategy = 'summarise';
          if (billing) billing.context = { strategy, maxTokens: 500, keepMessages: 2 };
        },
      },
    );

    const { outcome } = await start(bench);

    expect(outcome?.error).toBeUndefined();
    expect(outcome?.text).toBe('Paid.');
    const texts = bench.sent.map((messages) => messages.map(({ text }) => text).join('|'));
    const summaries = texts.filter((text) => text.startsWith('You keep the memory'));
    expect(bench.asked.slice(0, 3)).toEqual(['desk', 'desk', 'billing']);
    expect(summaries.length).toBeGreaterThan(0);
    expect(texts[1]).not.toContain('a summary');
    expect(texts.at(-1)).toMatch(/^You are billing\.\|.*a summary/s);
  });

  test('may have tools that must be found, and its hand-offs are not among them', async () => {
    const find = { id: 'call_find_1x', name: 'find_tools', args: { query: 'look pay hand off' } };
    const bench = benchOf(
      { desk: [{ calls: [find] }, { calls: [toward('billing')] }], billing: [{ say: 'Paid.' }] },
      {
        change({ desk }) {
          if (desk) desk.deferTools = { except: [] };
        },
      },
    );

    const { outcome } = await start(bench);

    const found = outcome ? (resultsIn(outcome)[0]?.output ?? '') : '';
    expect(found).toContain('"look"');
    expect(found).not.toContain('hand_off');
    expect(outcome?.text).toBe('Paid.');
  });

  test('may get it back, and calls its own tools again', async () => {
    const bench = benchOf({
      desk: [{ calls: [toward('billing')] }, { calls: [look('2')] }, { say: 'Bye.' }],
      billing: [{ calls: [look('1')] }, { calls: [toward('desk')] }],
    });

    const { outcome } = await start(bench);

    expect(outcome?.error).toBeUndefined();
    expect(bench.asked).toEqual(['desk', 'billing', 'billing', 'desk', 'desk']);
    expect(bench.executed).toEqual(['billing look 0', 'desk look 0']);
    expect(outcome && handedIn(outcome)).toEqual([
      'billing scripted:billing',
      'desk scripted:desk',
    ]);
  });

  test('lets what it called beside it run first; a second hand-off of a step is refused', async () => {
    const bench = benchOf({
      desk: [{ calls: [look('1'), toward('repairs'), pay('2', 2), toward('billing')] }],
      repairs: [{ say: 'Fixed.' }],
    });

    const { outcome } = await start(bench);

    expect(outcome?.error).toBeUndefined();
    expect(bench.asked).toEqual(['desk', 'repairs']);
    expect(bench.executed.toSorted()).toEqual(['desk look 0', 'desk pay 2']);
    expect(outcome && handedIn(outcome)).toEqual(['repairs scripted:repairs']);
    const second = outcome?.bodies.find(
      (body) => body.type === 'tool_result' && body.toolCallId === toward('billing').id,
    );
    expect(second).toMatchObject({
      status: 'error',
      output: expect.stringContaining('Only one agent can take over'),
    });
    expect(faults(bench)).toEqual([]);
  });

  test('can not reach whom it does not name, and neither can the other with tools of the first', async () => {
    const bench = benchOf({
      desk: [{ calls: [toward('kitchen')] }, { calls: [toward('billing')] }],
      billing: [{ calls: [toward('repairs')] }, { say: 'So be it.' }],
    });

    const { outcome } = await start(bench);

    const results = outcome ? resultsIn(outcome) : [];
    expect(results.map(({ output }) => output)).toEqual([
      expect.stringMatching(
        /^There is no tool called hand_off_to_kitchen\. Tools: .*hand_off_to_billing/,
      ),
      'billing answers the user from here on.',
      expect.stringMatching(
        /^There is no tool called hand_off_to_repairs\. Tools: .*hand_off_to_desk/,
      ),
    ]);
    expect(bench.asked).toEqual(['desk', 'desk', 'billing', 'billing']);
  });

  test('to and fro for ever ends at the limit of model calls, which is of the whole answer', async () => {
    const rounds = Array.from({ length: 40 }, (_, n) => n);
    const bench = benchOf(
      {
        desk: rounds.map((n) => ({ calls: [toward('billing', n)] })),
        billing: rounds.map((n) => ({ calls: [toward('desk', n)] })),
      },
      {
        change({ desk, billing }) {
          if (desk) desk.maxSteps = 7;
          if (billing) billing.maxSteps = 30;
        },
      },
    );

    const { outcome } = await start(bench);

    expect(outcome?.error).toMatchObject({ code: 'MAX_STEPS' });
    expect(bench.asked).toHaveLength(8);
  });

  test('is bound by the number of calls of the whole answer', async () => {
    const bench = benchOf(
      {
        desk: [{ calls: [look('1')] }, { calls: [toward('billing')] }],
        billing: [{ calls: [look('2')] }, { calls: [look('3')] }, { say: 'Enough.' }],
      },
      {
        change({ billing }) {
          if (billing) billing.maxToolCalls = 3;
        },
      },
    );

    const { outcome } = await start(bench);

    expect(outcome?.error).toBeUndefined();
    expect(bench.executed).toEqual(['desk look 0', 'billing look 0']);
    expect(outcome && resultsIn(outcome).at(-1)?.output).toContain('No more than 3 tool calls');
  });
});
