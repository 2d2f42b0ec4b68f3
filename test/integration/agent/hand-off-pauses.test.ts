import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { RunRequest } from '../../../src/agent/agent-runner.ts';
import { createAgentCatalog, fingerprintOf } from '../../../src/agent/catalog.ts';
import type { AgentDefinition } from '../../../src/agent/catalog.ts';
import type { Checkpoints } from '../../../src/agent/checkpoints.ts';
import { OPEN_POLICY } from '../../../src/hitl/tool-policy.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import type { Outcome } from '../../support/agent-run.ts';
import { historyFault } from '../../support/batch-agent.ts';
import { DyingCheckpoints } from '../../support/dying-checkpoints.ts';
import { handOffBench, toward, type HandOffBench, type Script } from '../../support/hand-offs.ts';
import { decide, PausedRun } from '../../support/paused-run.ts';

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

describe('what the other asks for', () => {
  const script: Script = {
    desk: [{ calls: [pay('1', 1)] }, { calls: [toward('billing')] }],
    billing: [{ calls: [pay('2', 2)] }, { calls: [toward('desk')] }],
  };

  test('stands under its own policy and is asked in its name; what it gives back, under the first', async () => {
    const bench = benchOf({
      ...script,
      desk: [...(script['desk'] ?? []), { calls: [pay('3', 3)] }, { say: 'Done.' }],
    });

    const run = await start(bench);
    const { asked, requests } = run;
    const rest = await run.say({ decision: 'approve' });

    expect(asked).toMatchObject({ kind: 'tool_approval', agentId: 'billing' });
    expect(requests.map(({ toolCallId }) => toolCallId)).toEqual(['call_pay_2x']);
    expect(rest.error).toBeUndefined();
    expect(rest.text).toBe('Done.');
    expect(bench.executed).toEqual(['desk pay 1', 'billing pay 2', 'desk pay 3']);
    expect(faults(bench)).toEqual([]);
  });

  test('goes on in it in another process, with edited arguments that are checked by its tools', async () => {
    const run = await start(benchOf(script));
    const bench = benchOf({ ...script, desk: [...(script['desk'] ?? []), { say: 'Done.' }] });
    run.bench = bench;
    run.request = { ...run.request, ...bench.over(2) };

    const wrong = bench.runner.checkArgs(run.request.spec, { name: 'pay', args: { n: 'much' } });
    const odd = bench.runner.checkArgs(run.request.spec, { name: toward('desk').name, args: {} });
    const rest = await run.say({ decision: 'edit', editedArgs: { n: 22 } });

    expect(wrong).toContain('n: ');
    expect(odd).toBeUndefined();
    expect(rest.error).toBeUndefined();
    expect(bench.asked).toEqual(['billing', 'desk']);
    expect(bench.executed).toEqual(['billing pay 22']);
    expect(handedIn(rest)).toEqual(['desk scripted:desk']);
  });

  test('by a sub-agent of its, stands under its policy too', async () => {
    const bench = benchOf({
      desk: [{ calls: [toward('billing')] }],
      billing: [
        { calls: [{ id: 'call_clerk_1x', name: 'clerk', args: { task: 'pay' } }] },
        { say: 'All paid.' },
      ],
      clerk: [{ calls: [pay('4', 4)] }, { say: 'paid' }],
    });

    const run = await start(bench);
    const { asked } = run;
    const rest = await run.say({ decision: 'approve' });

    expect(asked).toMatchObject({ agentId: 'billing' });
    expect(rest.error).toBeUndefined();
    expect(bench.executed).toEqual(['clerk pay 4']);
    expect(rest.text.endsWith('All paid.')).toBe(true);
  });

  test('beside its hand-off is asked in the name of the first', async () => {
    const question = {
      id: 'call_ask_1x',
      name: 'ask_user',
      args: { questions: [{ question: 'Which one?' }] },
    };
    const bench = benchOf({
      desk: [{ calls: [question, toward('billing')] }],
      billing: [{ say: 'Fine.' }],
    });

    const run = await start(bench);
    const { asked } = run;
    const rest = await run.answer({ answers: { q1: 'the red one' } });

    expect(asked).toMatchObject({ kind: 'ask_user_question' });
    expect(asked.agentId).toBeUndefined();
    expect(rest.text).toBe('Fine.');
    expect(bench.asked).toEqual(['desk', 'billing']);
    expect(faults(bench)).toEqual([]);
  });

  test('can be the hand-off itself: a person may refuse it, and it stays with the first', async () => {
    const bench = benchOf(
      { desk: [{ calls: [toward('billing')] }, { say: 'Then I do it.' }] },
      {
        change({ desk }) {
          if (desk) desk.toolApproval = { ...desk.toolApproval, ask: ['hand_off_to_*'] };
        },
      },
    );

    const run = await start(bench);
    const rest = await run.say({ decision: 'reject', reason: 'no' });

    expect(rest.text).toBe('Then I do it.');
    expect(handedIn(rest)).toEqual([]);
    expect(bench.asked).toEqual(['desk', 'desk']);
  });
});

const agentsOf = (change?: Parameters<typeof handOffBench>[0]['change']): AgentDefinition[] =>
  benchOf({}, change ? { change } : {}).agents;
const setOf = (agents: AgentDefinition[]) => ({
  agents,
  defaultAgent: 'desk',
  policy: OPEN_POLICY,
});

describe('definitions', () => {
  test('of all that can be reached are frozen with the turn, in rings too', () => {
    const [desk] = agentsOf();
    const [other] = agentsOf(({ repairs }) => {
      if (repairs) repairs.instructions = 'You are somebody else.';
    });
    const [same] = agentsOf();

    const prints = [desk, other, same].map((agent) => agent && fingerprintOf(agent));

    expect(prints[0]).toBe(prints[2]);
    expect(prints[1]).not.toBe(prints[0]);
  });

  test('of policies go with it, and a reload leaves a live turn as it was', () => {
    const before = agentsOf();
    const catalog = createAgentCatalog(setOf(before));
    const asked = { timezone: null, anchor: '', route: { by: 'default' as const }, files: [] };
    const spec = catalog.freeze({ agentId: 'desk', metadata: {}, ...asked });

    catalog.replace(setOf(agentsOf(({ billing }) => billing && (billing.instructions = 'new'))));

    expect(spec?.handOffs?.map(({ agentId, policy }) => [agentId, policy.approvers])).toEqual([
      ['billing', ['role:cashier']],
      ['repairs', []],
    ]);
    const live = spec && catalog.frozen(spec);
    expect(live?.handOffs?.[0]?.instructions).toBe('You are billing.');
    expect(catalog.get('desk')?.handOffs?.[0]?.instructions).toBe('new');
  });
});

const dead = new Error('killed');

interface Played {
  bench: HandOffBench;
  last: Outcome;
  died: boolean;
  by: string | undefined;
  asked: string[];
  text: string;
}

const LONG: Script = {
  desk: [
    { calls: [look('1')] },
    { say: 'One moment.', calls: [pay('1', 1), toward('billing')] },
    { calls: [look('5')] },
    { say: 'Goodbye.' },
  ],
  billing: [
    { calls: [look('2')] },
    { calls: [pay('2', 2), look('3')] },
    { calls: [look('4'), toward('desk')] },
  ],
};

/** Plays a turn to its end as workers would, one of which is killed after so many writes. */
async function play(writes: number): Promise<Played> {
  const dying = new DyingCheckpoints(createSqliteCheckpoints({ db }), writes);
  const bench = handOffBench({ checkpoints: dying, script: LONG });
  const run = new PausedRun(bench, 'hello');
  const asked: string[] = [];
  let died = false;
  let by: string | undefined;
  for (let segment = 1; segment < 12; segment += 1) {
    const kill = new AbortController();
    dying.onDeath(() => kill.abort(dead));
    const over: Partial<RunRequest> = { signal: kill.signal, ...bench.over(run.request.fence) };
    const last = await run.drive(over);
    if (last.error === dead) died = true;
    else if (run.action) {
      asked.push(`${run.action.agentId ?? ''} ${run.requests.map((it) => it.name).join()}`);
      run.note(decide(run.action, { decision: 'approve' }));
    } else {
      const standing = await run.adopt();
      by = standing.answering?.agentId;
      const text = standing.calls.map((call) => call.text).join('');
      return { bench, last, died, by, asked, text };
    }
    await run.adopt();
  }
  throw new Error('it never ends');
}

/** Every so many writes; CRASH_STRIDE=1 dies after every single one. */
const STRIDE = Number(process.env['CRASH_STRIDE'] ?? 11);

test('killed after a write of a checkpoint: the right agent goes on, and all runs once', async () => {
  const plain = await play(Number.POSITIVE_INFINITY);
  expect(plain.last.error).toBeUndefined();
  expect(plain.text).toBe('One moment.Goodbye.');
  let writes = 0;
  for (; ; writes += STRIDE) {
    const { bench, last, died, by, asked, text } = await play(writes);
    if (!died) break;

    expect(last.error).toBeUndefined();
    expect(text).toBe(plain.text);
    expect(by).toBe('desk');
    expect(new Set(asked)).toEqual(new Set(['billing pay']));
    const paid = bench.executed.filter((each) => each.includes('pay'));
    expect(paid).toEqual(['desk pay 1', 'billing pay 2']);
    expect(new Set(bench.executed)).toEqual(new Set(plain.bench.executed));
    expect(bench.ledgerOf.refused).toEqual([]);
    expect(faults(bench)).toEqual([]);
  }
  expect(writes).toBeGreaterThan(4);
}, 60_000);
