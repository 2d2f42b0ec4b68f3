import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { interrupt } from '@langchain/langgraph';
import { z } from 'zod';
import { threadId, type Checkpoints } from '../../../src/agent/checkpoints.ts';
import { pauseFor } from '../../../src/agent/interrupt-value.ts';
import { pendingInterrupts } from '../../../src/agent/pending-interrupts.ts';
import { standingOf } from '../../../src/agent/standing.ts';
import { defineTool } from '../../../src/agent/tools.ts';
import { hashOf } from '../../../src/lib/json.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import type { PendingAction, Verdict } from '../../../src/stream/pending-action.ts';
import type { Outcome } from '../../support/agent-run.ts';
import {
  batchBench,
  historyFault,
  type BatchBench,
  type BatchCall,
} from '../../support/batch-agent.ts';
import { actionOf, decide, PausedRun } from '../../support/paused-run.ts';

/** Two agents below another one, side by side, each of which waits for a person; every answer meets a new process. */

let db: ReturnType<typeof openDatabase>;
let checkpoints: Checkpoints;
beforeEach(() => {
  db = openDatabase(':memory:');
  checkpoints = createSqliteCheckpoints({ db });
});
afterEach(() => void db.close());

const form = defineTool({
  name: 'form',
  description: 'asks in its own form',
  schema: z.object({ n: z.number() }),
  effects: 'read',
  run: async ({ n }) => `form ${interrupt<unknown, string>({ form: n })}`,
});

/** What an agent asks, what is said to it, and what comes of it; `ran`: with which arguments. */
interface Way {
  call: (n: number) => BatchCall;
  say: (action: PendingAction, n: number) => Verdict;
  output: (n: number) => string;
  ran: (n: number) => object[];
}

const gated = (n: number): BatchCall => ({ id: `call_gated_${n}x`, name: 'gated', args: { n } });
const WAYS: Record<string, Way> = {
  approved: {
    call: gated,
    say: (action) => decide(action, { decision: 'approve' }),
    output: (n) => `gated ${n}`,
    ran: (n) => [{ n }],
  },
  edited: {
    call: gated,
    say: (action, n) => decide(action, { decision: 'edit', editedArgs: { n: n + 10 } }),
    output: (n) => `gated ${n + 10}`,
    ran: (n) => [{ n: n + 10 }],
  },
  rejected: {
    call: gated,
    say: (action) => decide(action, { decision: 'reject', reason: 'no' }),
    output: () => 'The user rejected this call: no',
    ran: () => [],
  },
  asked: {
    call: (n) => ({
      id: `call_ask_user_${n}x`,
      name: 'ask_user',
      args: { questions: [{ question: `number ${n}?` }] },
    }),
    say: (_action, n) => ({ answers: { q1: `answer ${n}` } }),
    output: (n) => `answer ${n}`,
    ran: () => [],
  },
  'asked in its own form': {
    call: (n) => ({ id: `call_form_${n}x`, name: 'form', args: { n } }),
    say: (_action, n) => ({ response: `said ${n}` }),
    output: (n) => `form said ${n}`,
    ran: () => [],
  },
};

const names = Object.keys(WAYS);
const ALL = names.flatMap((left) =>
  names.flatMap((right) => [0, 1].map((first) => [left, right, first] as const)),
);
/** Every so many of the 50 ways; NESTED_STRIDE=1 takes all. */
const STRIDE = Number(process.env['NESTED_STRIDE'] ?? 7);
const SOME = ALL.filter((_way, index) => index % STRIDE === 0);

async function asking({ request }: PausedRun) {
  const thread = threadId(request);
  const standing = await standingOf(checkpoints.saver, thread);
  return pendingInterrupts(checkpoints.saver, { thread, standing });
}

/** The generation as a process finds it that has just been started. */
function restarted(run: PausedRun): { run: PausedRun; bench: BatchBench } {
  const bench = batchBench({ checkpoints, tools: [form] });
  const next = new PausedRun(bench, '', run.request);
  next.answered = run.answered;
  return { run: next, bench };
}

/** Ids that look like counters are made anew. */
const deepId = (n: number): string => (n === 0 ? 'call_deep_left' : 'call_deep_right');

const told = (outcomes: Outcome[]) =>
  outcomes.flatMap(({ bodies }) =>
    bodies.flatMap((body) => (body.type === 'tool_result' ? [[body.toolCallId, body.output]] : [])),
  );

/** Starts, answers number `first`, and then the other one, each in a process of its own. */
async function play(ways: Way[], first: number) {
  const bench = batchBench({ checkpoints, tools: [form] });
  const calls = ways.map((way, n) => way.call(n));
  const deep = (n: number) => {
    return { id: deepId(n), name: 'deep', args: { task: JSON.stringify([calls[n]]) } };
  };
  const task = JSON.stringify([deep(0), deep(1)]);
  const batch = [{ id: 'call_helper', name: 'helper', args: { task } }];
  const start = await PausedRun.start(bench, JSON.stringify(batch), bench.over(1));
  const begun = start.outcome;
  const pending = await asking(start);
  const [chosen, other] = [pending[first], 1 - first];
  if (!begun || !chosen || chosen.value.kind === 'unsupported') throw new Error('two are asked');
  const pause = pauseFor(chosen.id, chosen.value);
  const action = actionOf(pause);
  const verdict = ways[first]?.say(action, first) ?? NOTHING;
  start.answered = { interruptId: pause.interruptId, action, verdict };
  const second = restarted(start);
  const middle = await second.run.goOn(bench.over(2));
  const left = await asking(second.run);
  second.run.note(ways[other]?.say(second.run.asked, other) ?? NOTHING);
  const third = restarted(second.run);
  const rest = await third.run.goOn(bench.over(3));
  const benches = [bench, second.bench, third.bench];
  return {
    pending,
    left,
    outcomes: [begun, middle, rest],
    text: rest.text,
    ran: benches.flatMap(({ executed }) => executed.map(({ argsHash }) => argsHash)),
    sent: benches.flatMap(({ model }) => model.sent),
    callIds: calls.map(({ id }) => id),
  };
}

const NOTHING: Verdict = { decisions: [] };

const pathsIn = (outcomes: Outcome[]) =>
  outcomes.flatMap(({ bodies }) =>
    bodies.flatMap((body) => (body.type === 'tool_call' ? [[body.toolCallId, body.path]] : [])),
  );

test.each(SOME)('one is %s, the other %s, number %i first', async (left, right, first) => {
  const ways = [left, right].flatMap((name) => WAYS[name] ?? []);

  const played = await play(ways, first);

  const { pending, outcomes, callIds } = played;
  expect(pending).toHaveLength(2);
  expect(played.left.map(({ id }) => id)).toEqual([pending[1 - first]?.id]);
  expect(outcomes.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
  expect(played.text.endsWith('done')).toBe(true);
  expect(played.ran.toSorted()).toEqual(
    ways.flatMap((way, n) => way.ran(n).map(hashOf)).toSorted(),
  );
  // The boss, its helper and both below it: each was asked for its calls once, and once for its end.
  expect(played.sent).toHaveLength(8);
  expect(played.sent.map(historyFault).filter((fault) => fault !== undefined)).toEqual([]);
  const results = new Map(told(outcomes).map(([id, output]) => [id, output]));
  for (const [n, way] of ways.entries()) expect(results.get(callIds[n])).toContain(way.output(n));
  const paths = [0, 1].map((n) => ['call_helper', deepId(n)]);
  expect(pathsIn(outcomes)).toEqual(
    expect.arrayContaining(paths.map((path, n) => [callIds[n], path])),
  );
  const shown = pending.map(({ value }, n) => (value.kind === 'custom' ? value.path : paths[n]));
  expect(shown).toEqual(paths);
});
