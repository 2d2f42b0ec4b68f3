import { describe, expect, test } from '@jest/globals';
import type { Command, Refusal } from '../../../src/stream/transition-command.ts';
import { commands, newLease, result } from '../../support/commands-sim.ts';
import {
  approval,
  carried,
  finalizingJob,
  finishedJob,
  ledgerEntry,
  pausedJob,
  queuedJob,
  runningJob,
  steerOf,
  WARNING,
} from '../../support/jobs-sim.ts';
import { like, moved, nextFrom, refusal } from '../../support/transition-sim.ts';

/** Which command applies where, and what a driver does: T1–T4, T6–T8. */

const WAITING = queuedJob({ lane: 'waiting' });
const QUEUED = queuedJob();
const RUNNING = runningJob();
const TOLD = pausedJob();
const PAUSED = pausedJob({ lease: newLease, warnAt: WARNING });
const FINALIZING = finalizingJob();
const FINISHED = finishedJob();

describe('which command applies in which state', () => {
  const states = { WAITING, QUEUED, RUNNING, PAUSED, TOLD, FINALIZING, FINISHED };
  const table: Record<Command['type'], Partial<Record<keyof typeof states, Refusal | 'moved'>>> = {
    promote: { WAITING: 'moved' },
    claim: { WAITING: 'waiting', QUEUED: 'moved' },
    heartbeat: { RUNNING: 'moved', FINALIZING: 'moved' },
    pause: { RUNNING: 'moved' },
    announced: { PAUSED: 'moved' },
    warned: { PAUSED: 'moved' },
    decide: { PAUSED: 'moved', TOLD: 'moved' },
    tool_start: { RUNNING: 'moved' },
    tool_done: {},
    finish: { RUNNING: 'moved' },
    abort: { WAITING: 'moved', QUEUED: 'moved', RUNNING: 'moved', PAUSED: 'moved', TOLD: 'moved' },
    supersede: {
      WAITING: 'moved',
      QUEUED: 'moved',
      RUNNING: 'moved',
      PAUSED: 'moved',
      TOLD: 'moved',
    },
    expire: { PAUSED: 'moved', TOLD: 'moved' },
    takeover: { RUNNING: 'moved' },
    take_finalising: { FINALIZING: 'moved' },
    close: { FINALIZING: 'moved' },
    late_result: {},
    hand_over: { RUNNING: 'moved' },
    restore_log: { PAUSED: 'moved', TOLD: 'moved' },
    steer: { QUEUED: 'moved', RUNNING: 'moved', PAUSED: 'moved', TOLD: 'moved' },
  };
  const cells = Object.values(commands).flatMap((command) =>
    Object.entries(states).map(([name, job]) => {
      const row: Partial<Record<string, string>> = table[command.type];
      return { command, name, job, answer: row[name] ?? 'wrong_status' };
    }),
  );

  test.each(cells)('$command.type on $name: $answer', ({ command, job, answer }) => {
    expect(refusal(job, command)).toBe(answer);
  });
});

describe('T1 promote', () => {
  test('gives a waiting turn its conversation and changes nothing else', () => {
    expect(moved(WAITING, commands.promote)).toEqual(like(WAITING, { lane: 'active' }));
  });
});

describe('T2 claim', () => {
  test('runs under the next fence with a lease, and remembers how it was queued', () => {
    const job = queuedJob({ reason: 'resumed', answered: carried(approval('a1', 1)), fence: 4 });

    expect(moved(job, commands.claim)).toEqual(
      nextFrom(job, ['reason', 'queuedAt'], {
        status: 'running',
        fence: 5,
        lease: newLease,
        entered: 'resumed',
        startedAt: 100,
      }),
    );
  });

  test('keeps the time of the first start', () => {
    expect(moved(queuedJob({ startedAt: 7 }), commands.claim).startedAt).toBe(7);
  });
});

describe('T3 heartbeat', () => {
  test.each([RUNNING, FINALIZING])('renews the lease while $status and nothing else', (job) => {
    expect(moved(job, commands.heartbeat)).toEqual(like(job, { lease: newLease }));
  });

  test.each([RUNNING, FINALIZING])('is refused to another fence while $status', (job) => {
    expect(refusal(job, { ...commands.heartbeat, fence: 2 })).toBe('stale_fence');
    expect(refusal(job, { ...commands.heartbeat, fence: 4 })).toBe('stale_fence');
  });
});

describe('T4 pause', () => {
  test('keeps the action and its revision, drops the answer that was carried, and has a lease for telling', () => {
    const job = runningJob({ revision: 1, answered: carried(approval('a1', 1)) });
    const pause = { action: approval('a2', 2), interruptId: 'i2', warnAt: WARNING };

    expect(moved(job, { ...commands.pause, pause, logged: 12 })).toEqual(
      nextFrom(job, ['entered'], {
        status: 'paused',
        ...pause,
        lease: newLease,
        revision: 2,
        answered: null,
        logged: 12,
      }),
    );
  });

  test('is refused to another fence', () => {
    expect(refusal(RUNNING, { ...commands.pause, fence: 2 })).toBe('stale_fence');
  });

  test.each([1, 3])('is refused with revision %i where the next is 2', (revision) => {
    const job = runningJob({ revision: 1 });

    const pause = { ...commands.pause.pause, action: approval('a', revision) };

    expect(refusal(job, { ...commands.pause, pause })).toBe('stale_action');
  });
});

describe('after T4 or T12: announced, warned', () => {
  test.each([
    ['announced', { lease: null }],
    ['warned', { warnAt: null }],
  ] as const)('%s is taken down and nothing else', (type, change) => {
    expect(moved(PAUSED, commands[type])).toEqual(like(PAUSED, change));
  });

  test.each(['announced', 'warned'] as const)('%s once', (type) => {
    expect(refusal(moved(PAUSED, commands[type]), commands[type])).toBe('wrong_status');
  });

  test.each(['announced', 'warned'] as const)('%s is refused for another action', (type) => {
    expect(refusal(PAUSED, { ...commands[type], actionId: 'a0' })).toBe('stale_action');
  });

  test('a decision does not wait for either', () => {
    expect(moved(PAUSED, commands.decide)).toEqual(
      nextFrom(PAUSED, ['action', 'interruptId', 'lease', 'warnAt', 'logged'], {
        status: 'queued',
        reason: 'resumed',
        queuedAt: 100,
        answered: carried(PAUSED.action),
        resolutions: [commands.decide.resolution],
      }),
    );
  });
});

describe('T6 tool start', () => {
  const { entry } = commands.tool_start;

  test('enters the call as open in the ledger and changes nothing else', () => {
    const other = ledgerEntry({ toolCallId: 'c0' });
    const job = runningJob({ ledger: [other] });

    expect(moved(job, commands.tool_start)).toEqual(
      like(job, { ledger: [other, { ...entry, starts: 1, open: true, result: null }] }),
    );
  });

  test('is refused to another fence', () => {
    expect(refusal(RUNNING, { ...commands.tool_start, fence: 2 })).toBe('stale_fence');
  });

  test('is refused where the result is known', () => {
    const job = runningJob({ ledger: [ledgerEntry({ open: false, result })] });

    expect(refusal(job, commands.tool_start)).toBe('wrong_status');
  });

  test('is refused where an unsafe call was started and nobody knows its outcome', () => {
    expect(refusal(runningJob({ ledger: [ledgerEntry()] }), commands.tool_start)).toBe(
      'outcome_unknown',
    );
  });

  test.each(['read', 'idempotent'] as const)('starts an open %s call again', (effects) => {
    const job = runningJob({ ledger: [ledgerEntry({ effects, starts: 2 })] });

    expect(moved(job, { ...commands.tool_start, entry: { ...entry, effects } }).ledger).toEqual([
      ledgerEntry({ effects, starts: 3 }),
    ]);
  });

  test('starts an unsafe call again that a person cleared', () => {
    const job = runningJob({ ledger: [ledgerEntry({ open: false })] });

    expect(moved(job, commands.tool_start).ledger).toEqual([ledgerEntry({ starts: 2 })]);
  });
});

describe('T7 tool done', () => {
  const ledger = [ledgerEntry(), ledgerEntry({ toolCallId: 'c2' })];
  const after = [ledgerEntry({ open: false, result }), ledgerEntry({ toolCallId: 'c2' })];

  test.each([
    queuedJob({ ledger }),
    runningJob({ ledger }),
    pausedJob({ ledger }),
    finalizingJob({ ledger }),
  ])('is taken down as a fact while $status, whatever the fence', (job) => {
    expect(moved(job, commands.tool_done)).toEqual(like(job, { ledger: after }));
  });

  test('a second result changes nothing', () => {
    const job = runningJob({ ledger: after });

    expect(refusal(job, commands.tool_done)).toBe('wrong_status');
  });

  test('a result of a call that was never started is refused', () => {
    expect(refusal(RUNNING, commands.tool_done)).toBe('wrong_status');
  });

  test('comes too late once the job is finished', () => {
    expect(refusal(finishedJob({ ledger }), commands.tool_done)).toBe('wrong_status');
  });
});

describe('T8 finish', () => {
  test('fixes the outcome under the same fence', () => {
    const error = { code: 'AGENT_ERROR', message: 'no' };

    expect(moved(RUNNING, { ...commands.finish, outcome: 'failed', error })).toEqual(
      nextFrom(RUNNING, ['entered', 'answered'], {
        status: 'finalizing',
        logged: 0,
        answered: null,
        outcome: 'failed',
        error,
        lease: newLease,
      }),
    );
  });

  test('is refused to another fence', () => {
    expect(refusal(RUNNING, { ...commands.finish, fence: 2 })).toBe('stale_fence');
  });

  test('an answer is not complete before its agent heard all that came meanwhile', () => {
    const steers = [steerOf('m3'), steerOf('m4')];
    const told = runningJob({ steers });

    expect(refusal(told, commands.finish)).toBe('unheard');
    expect(refusal(told, { ...commands.finish, heard: ['m3'] })).toBe('unheard');
    expect(moved(told, { ...commands.finish, heard: ['m4', 'm3'] })).toMatchObject({ steers });
    const error = { code: 'AGENT_ERROR', message: 'no' };
    expect(moved(told, { ...commands.finish, outcome: 'failed', error })).toMatchObject({ steers });
  });
});

describe('T18 steer', () => {
  test('keeps the message behind those that came before, and changes nothing else', () => {
    const one = moved(RUNNING, commands.steer);
    const next = { ...commands.steer, steer: steerOf('m9') };

    expect(one).toEqual(like(RUNNING, { steers: [commands.steer.steer] }));
    expect(moved(one, next)).toMatchObject({ steers: [commands.steer.steer, next.steer] });
  });

  test('takes a message once', () => {
    expect(refusal(moved(RUNNING, commands.steer), commands.steer)).toBe('known');
  });

  test('takes twenty, and 100,000 characters', () => {
    const twenty = Array.from({ length: 20 }, (_, n) => steerOf(`n${n}`));
    const long = { ...commands.steer, steer: steerOf('m5', 'x'.repeat(50_001)) };

    expect(refusal(runningJob({ steers: twenty }), commands.steer)).toBe('full');
    expect(moved(runningJob({ steers: twenty.slice(1) }), commands.steer).version).toBe(8);
    const most = runningJob({ steers: [steerOf('m4', 'x'.repeat(50_000))] });
    expect(refusal(most, long)).toBe('full');
  });

  test.each(['abort', 'takeover', 'hand_over', 'pause'] as const)('%s keeps what came', (type) => {
    const told = runningJob({ steers: [steerOf('m3')] });
    expect(moved(told, commands[type]).steers).toEqual([steerOf('m3')]);
  });
});
