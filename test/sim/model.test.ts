import { describe, expect, test } from '@jest/globals';
import { transition } from '../../src/stream/transition.ts';
import { commands } from '../support/commands-sim.ts';
import { explore, type Exploration } from './model/explore.ts';
import { ALL, VARIANTS, type Mechanisms } from './model/mechanisms.ts';
import type { Setting } from './model/world.ts';
import { sampled } from '../support/sampled.ts';

/**
 * The state table under everything that can go wrong: an explicit-state model that visits every reachable world,
 * breadth-first. All changes of a record are made by the real `transition`; around it the model has a record store
 * with compare-and-set and a unique lane, a log and a message store with fences, one checkpoint thread per fence,
 * and processes in two replicas that are killed between any two of their steps, stall while their lease ends, give
 * up, hand over, and race with two people, aborts, a second turn and a sweeper that acts on what it read a while ago.
 *
 * Abstraction. Replicas are interchangeable. Time is "the lease is over or not", "the action has expired when the
 * sweeper read it"; an action expires before the next one is made. One gated tool call, so at most the actions of
 * one approval and its recovery questions; the second turn has none. Messages that steer come to the first turn, and are
 * heard before its last model call. A read, the decision of `transition` and the
 * write are one step, because a lost compare-and-set is computed again from what is there; the sweeper alone keeps a
 * record between its read and its write. Where logs lose entries they are kept one by one, to see that no cursor ever
 * names two of them. `failed` runs like `completed` and is left out. What may go wrong how
 * often is a budget (`Setting`); at most four processes exist at a time.
 *
 * Checked in every world: model/invariants.ts. Where nothing is left to do: nothing stuck or leaked. And from every
 * world the end of all generations can be reached by replicas and clocks alone, without people and new faults.
 *
 * `npm run model` explores the large settings whole, and the wide ones until it has seen MODEL_STATES worlds of each; here
 * they are cut off early.
 */

const CALM: Setting = {
  crashes: 0,
  stalls: 0,
  drains: 0,
  yes: 0,
  no: 0,
  aborts: 0,
  turns: 0,
  maxAttempts: 1,
  expiry: 'fail',
  effects: 'unsafe',
  warns: false,
  gated: true,
  losses: 0,
  failures: 0,
  steers: 0,
};

/** Small enough to be visited whole. */
const SETTINGS: Record<string, Partial<Setting>> = {
  'nothing goes wrong': {},
  'actions are announced once more': { crashes: 1, yes: 1, warns: true },
  'a replica dies, two people answer': { crashes: 1, yes: 1, no: 1 },
  'a replica hands over and one stalls': { stalls: 1, drains: 1, yes: 1 },
  'no attempts left': { crashes: 1, stalls: 1, yes: 1, maxAttempts: 0 },
  'an abort meets a stalled owner and an answer': { stalls: 1, yes: 1, aborts: 1 },
  'an abort and a second turn meet a crash': { crashes: 1, aborts: 1, turns: 1 },
  'expiry rejects': { crashes: 1, stalls: 1, yes: 1, expiry: 'reject' },
  'a log loses what it has': { losses: 1 },
  'a log without a pause loses what it has': { losses: 2, crashes: 1, gated: false },
  'a driver gives up': { failures: 1, yes: 1 },
  'messages come meanwhile': { steers: 2, stalls: 1, gated: false },
  'the tool may run again': { crashes: 1, stalls: 1, yes: 1, effects: 'idempotent' },
};
/** Of these, those that a run of the tests visits only in part; `npm run model` visits them whole. */
const LARGE = new Set([
  'no attempts left',
  'an abort meets a stalled owner and an answer',
  'an abort and a second turn meet a crash',
  'expiry rejects',
  'the tool may run again',
]);
/** Too wide for every run. */
const WIDE: Record<string, Partial<Setting>> = {
  'replicas die, two people answer': { crashes: 2, yes: 2, no: 1 },
  'a replica dies and one stalls, two people answer': { crashes: 1, stalls: 1, yes: 1, no: 1 },
  'a replica dies, stalls, hands over': { crashes: 1, stalls: 1, drains: 1, yes: 1 },
  'a log loses what it has, and is gone on with': { losses: 1, yes: 1 },
  'a log loses what it has, twice, a replica dies': { crashes: 1, losses: 2, yes: 1, no: 1 },
  'a log loses what it has, and an owner stalls': { stalls: 1, losses: 1, yes: 1 },
  'drivers give up, one stalls, a replica dies': { crashes: 1, stalls: 1, failures: 2, yes: 2 },
  'a second turn meets an answer and a stalled owner': { stalls: 1, yes: 1, turns: 1 },
  'messages come, a replica dies and hands over': { steers: 2, crashes: 1, drains: 1, aborts: 1 },
  'all of it together': { crashes: 2, stalls: 1, drains: 1, yes: 2, no: 1, aborts: 1, turns: 1 },
};
const MAX_STATES = Number(process.env.MODEL_STATES ?? 1_200);

const long = 4 * 3_600_000;

describe('the state table', () => {
  const moved = new Set<string>();
  const outcomes = new Set<string>();
  const watched: Mechanisms = {
    ...ALL,
    transition(job, command) {
      const result = transition(job, command);
      if (result.outcome === 'moved') {
        moved.add(command.type);
        if (result.job.status === 'finished') outcomes.add(result.job.outcome);
      }
      return result;
    },
  };

  test.each(Object.entries(SETTINGS))(
    'keeps its promises in every world: %s',
    (name, change) => {
      const whole = !LARGE.has(name) || process.env.MODEL_STATES !== undefined;
      const seen = explore(watched, { ...CALM, ...change }, whole ? undefined : MAX_STATES);

      expect(seen.finding).toBeUndefined();
      expect(seen.complete || !whole).toBe(true);
    },
    long,
  );

  test('was moved along every edge, and to every outcome, on the way', () => {
    expect([...moved].toSorted()).toEqual(Object.keys(commands).toSorted());
    expect([...outcomes].toSorted()).toEqual([
      'aborted',
      'completed',
      'expired',
      'interrupted',
      'superseded',
    ]);
  });

  test.each(Object.entries(WIDE))(
    'keeps its promises as far as we look: %s',
    (_name, change) => {
      const seen = explore(ALL, { ...CALM, ...change }, MAX_STATES);
      if (process.env.MODEL_STATES !== undefined) report(seen);

      expect(seen.finding).toBeUndefined();
    },
    long,
  );
});

function report({ states, edges, complete }: Exploration): void {
  process.stdout.write(`${states} states, ${edges} edges, ${complete ? 'all' : 'cut off'}\n`);
}

const BUSY: Setting = { ...CALM, crashes: 1, stalls: 1, yes: 1 };

/** What goes wrong first when one mechanism is taken away. */
const BROKEN: [keyof typeof VARIANTS, string, Partial<Setting>][] = [
  ['noFence', 'two effective drivers', {}],
  ['decisionInMemory', 'action ended twice', { aborts: 1 }],
  ['countedSlots', 'slot leaked', {}],
  ['noActionIdNorTime', 'fresh action expired', {}],
  ['noLedger', 'tool ran twice', {}],
  ['noLogFence', 'zombie wrote to the log', {}],
  ['noMessageFence', 'terminal event before its message', { aborts: 1 }],
  ['terminalTwice', 'two terminal events', {}],
  ['emitsBeforeOutcome', 'terminal event before its message', {}],
  ['closesBeforeEmitting', 'finished without a terminal event', {}],
  ['noTakeover', 'stuck running', {}],
  ['noFinaliseTakeover', 'stuck finalizing', {}],
  ['noLateResult', 'question left whose answer is known', {}],
  ['noExpiry', 'the end is out of reach', {}],
  ['noReminder', 'question that nobody knows of', {}],
  ['restoreWithoutFence', 'a cursor names two entries', { losses: 1 }],
  ['anyoneGivesUp', 'fenced driver gave up for another', { losses: 1 }],
  ['noRestore', 'question that nobody knows of', { losses: 1 }],
  ['tellsInShortLog', 'a cursor names two entries', { losses: 1 }],
  ['finalisesInShortLog', 'a cursor names two entries', { losses: 1, gated: false }],
  ['appendsAnywhere', 'a cursor names two entries', { losses: 2, gated: false }],
  ['noPromote', 'stuck queued', { turns: 1 }],
  ['finishesUnheard', 'complete without having heard all', { ...CALM, steers: 1, gated: false }],
  ['noUniqueLane', 'two active runs', { turns: 1 }],
  ['noCompareAndSet', 'action ended twice', {}],
];

describe('each mechanism is needed', () => {
  test.each(process.env.MODEL_STATES === undefined ? sampled(BROKEN, 4) : BROKEN)(
    '%s: %s',
    (variant, kind, change) => {
      const { finding } = explore(VARIANTS[variant], { ...BUSY, ...change });

      expect(finding?.kind).toBe(kind);
    },
    long,
  );

  test.each(['noActionId', 'noExpiryTime'] as const)(
    'but the two checks of an expiry stand in for each other: %s',
    (variant) => {
      const whole = process.env.MODEL_STATES !== undefined;
      const seen = explore(VARIANTS[variant], BUSY, whole ? undefined : MAX_STATES);

      expect(seen.finding).toBeUndefined();
      expect(seen.complete || !whole).toBe(true);
    },
    long,
  );
});
