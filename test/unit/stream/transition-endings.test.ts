import { describe, expect, test } from '@jest/globals';
import { commands, newLease, result, verdict } from '../../support/commands-sim.ts';
import {
  actor,
  approval,
  carried,
  decided,
  finalizingJob,
  LEASE_END,
  ledgerEntry,
  pausedJob,
  queuedJob,
  recovery,
  runningJob,
  WARNING,
} from '../../support/jobs-sim.ts';
import { like, moved, nextFrom, refusal } from '../../support/transition-sim.ts';

/** What ends a run or takes it from its driver: T9, T10, T12–T14, T16. */

const WAITING = queuedJob({ lane: 'waiting' });
const QUEUED = queuedJob();
const RUNNING = runningJob();
const FINALIZING = finalizingJob();

describe('T9 abort, T10 supersede', () => {
  const stops = [
    { command: commands.abort, outcome: 'aborted' },
    { command: commands.supersede, outcome: 'superseded' },
  ] as const;

  test.each(stops.flatMap((stop) => [WAITING, QUEUED, RUNNING].map((job) => ({ ...stop, job }))))(
    'ends a job that is $job.status ($job.lane) as $outcome under the next fence',
    ({ job, command, outcome }) => {
      expect(moved(job, command)).toEqual(
        nextFrom(job, ['reason', 'queuedAt', 'entered', 'answered'], {
          status: 'finalizing',
          logged: 0,
          answered: null,
          outcome,
          error: null,
          fence: job.fence + 1,
          lease: newLease,
        }),
      );
    },
  );

  test.each(stops)('closes the pending action as $outcome', ({ command, outcome }) => {
    const earlier = decided('a0', verdict);
    const job = pausedJob({ resolutions: [earlier] });

    expect(moved(job, command)).toEqual(
      nextFrom(job, ['action', 'interruptId', 'answered', 'warnAt'], {
        status: 'finalizing',
        logged: 0,
        answered: { action: job.action, interruptId: job.interruptId },
        outcome,
        error: null,
        fence: 4,
        lease: newLease,
        resolutions: [
          earlier,
          {
            actionId: 'a1',
            outcome,
            verdict: null,
            verdictHash: null,
            decidedBy: 'u',
            decidedAt: new Date(100).toISOString(),
          },
        ],
      }),
    );
  });
});

describe('T12 takeover', () => {
  const gone = ['lease', 'entered'];

  test('is refused while the lease runs, and due at the millisecond it ends', () => {
    const early = { ...commands.takeover, actor: actor(LEASE_END - 1, 'R1') };

    expect(refusal(RUNNING, early)).toBe('not_due');
    expect(refusal(RUNNING, commands.takeover)).toBe('moved');
  });

  test('queues the job again under the next fence and counts the attempt', () => {
    const job = runningJob({ attempts: 1, answered: carried(approval('a1', 1)) });

    expect(moved(job, commands.takeover)).toEqual(
      nextFrom(job, gone, {
        status: 'queued',
        reason: 'recovered',
        queuedAt: LEASE_END,
        fence: 4,
        attempts: 2,
      }),
    );
  });

  test('does not wait for the lease where its own driver gives up, and nobody else may say so', () => {
    const early = { ...commands.takeover, actor: actor(LEASE_END - 1, 'R0') };

    expect(moved(RUNNING, { ...early, fence: 3 })).toMatchObject({
      status: 'queued',
      reason: 'recovered',
      fence: 4,
      attempts: 1,
    });
    expect(refusal(RUNNING, { ...early, fence: 2 })).toBe('stale_fence');
  });

  test('ends as interrupted when no attempts are left', () => {
    const job = runningJob({ attempts: 2 });

    expect(moved(job, commands.takeover)).toEqual(
      nextFrom(job, ['entered', 'answered'], {
        status: 'finalizing',
        logged: 0,
        answered: null,
        outcome: 'interrupted',
        error: { code: 'INTERRUPTED', message: expect.any(String) },
        fence: 4,
        lease: { driver: 'R1', leaseUntil: 2 * LEASE_END },
      }),
    );
  });

  test('asks what became of open unsafe calls, of those only, and counts no attempt', () => {
    const ledger = [
      ledgerEntry(),
      ledgerEntry({ toolCallId: 'c2', effects: 'read' }),
      ledgerEntry({ toolCallId: 'c3', open: false, result }),
      ledgerEntry({ toolCallId: 'c4' }),
      ledgerEntry({ toolCallId: 'c5', open: false }),
    ];
    const job = runningJob({
      ledger,
      attempts: 2,
      revision: 1,
      answered: carried(approval('a1', 1)),
    });
    const asked = recovery('a9', 2, ['c1', 'c4']);

    const question = { ...commands.takeover.question, warnAt: WARNING };

    expect(moved(job, { ...commands.takeover, question })).toEqual(
      nextFrom(job, gone, {
        status: 'paused',
        interruptId: null,
        lease: { driver: 'R1', leaseUntil: 2 * LEASE_END },
        warnAt: WARNING,
        logged: 0,
        fence: 4,
        revision: 2,
        action: {
          ...asked,
          createdAt: new Date(LEASE_END).toISOString(),
          expiresAt: null,
          requests: asked.requests.map((request) => ({
            ...request,
            description: expect.any(String),
          })),
        },
      }),
    );
  });
});

describe('T13 take over the finalising', () => {
  test('is refused while the lease runs', () => {
    const early = { ...commands.take_finalising, actor: actor(LEASE_END - 1, 'R1') };

    expect(refusal(FINALIZING, early)).toBe('not_due');
  });

  test('raises the fence, takes the lease and keeps the outcome', () => {
    expect(moved(FINALIZING, commands.take_finalising)).toEqual(
      like(FINALIZING, { fence: 4, lease: { driver: 'R1', leaseUntil: 2 * LEASE_END } }),
    );
  });

  test('does not wait for the lease where its own finaliser takes a new fence, and nobody else may', () => {
    const again = { ...commands.take_finalising, actor: actor(1, 'R1'), fence: 3 };

    expect(moved(FINALIZING, again)).toEqual(
      like(FINALIZING, { fence: 4, lease: { driver: 'R1', leaseUntil: 1 + LEASE_END } }),
    );
    expect(refusal(FINALIZING, { ...again, fence: 2 })).toBe('stale_fence');
  });
});

describe('T14 close', () => {
  test('keeps the outcome and remembers the place of the terminal event', () => {
    const error = { code: 'AGENT_ERROR', message: 'no' };
    const job = finalizingJob({ outcome: 'failed', error });

    expect(moved(job, commands.close)).toEqual(
      nextFrom(job, ['lease', 'logged', 'answered'], {
        status: 'finished',
        finishedAt: 100,
        end: { fence: 3, seq: 12 },
      }),
    );
  });

  test('is refused to another fence', () => {
    expect(refusal(FINALIZING, { ...commands.close, fence: 2 })).toBe('stale_fence');
  });
});

describe('T16 hand over', () => {
  test('queues the job again under the same fence and counts no attempt', () => {
    const job = runningJob({ attempts: 1, answered: carried(approval('a1', 1)) });

    expect(moved(job, commands.hand_over)).toEqual(
      nextFrom(job, ['lease', 'entered'], {
        status: 'queued',
        reason: 'handed_over',
        queuedAt: 100,
      }),
    );
  });

  test('is refused while an unsafe call is unknown: the end of the lease asks about it', () => {
    const open = runningJob({ ledger: [ledgerEntry()] });
    const harmless = runningJob({
      ledger: [ledgerEntry({ effects: 'idempotent' }), ledgerEntry({ open: false })],
    });

    expect(refusal(open, commands.hand_over)).toBe('outcome_unknown');
    expect(refusal(harmless, commands.hand_over)).toBe('moved');
  });

  test('is refused to another fence', () => {
    expect(refusal(RUNNING, { ...commands.hand_over, fence: 2 })).toBe('stale_fence');
  });
});
