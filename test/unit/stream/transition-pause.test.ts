import { describe, expect, test } from '@jest/globals';
import type { Job, PausedJob } from '../../../src/stream/job.ts';
import type { PendingAction, Verdict } from '../../../src/stream/pending-action.ts';
import type { Command } from '../../../src/stream/transition-command.ts';
import {
  actor,
  approval,
  carried,
  custom,
  decided,
  EXPIRY,
  LEASE_END,
  ledgerEntry,
  pausedJob,
  question,
  recovery,
  said,
} from '../../support/jobs-sim.ts';
import { moved, refusal } from '../../support/transition-sim.ts';

/** T5, T11 and T15: how a pending action ends otherwise than by abort or a new turn; T17: how it lasts. */

const decide = (verdict: Verdict, actionId = 'a1'): Command => ({
  type: 'decide',
  resolution: decided(actionId, verdict),
  now: 100,
});

/** What a paused record becomes when it is queued again. */
function queuedFrom(job: Job, change: object): object {
  const { version } = job;
  const kept = Object.entries(job).filter(
    ([key]) => !['action', 'interruptId', 'lease', 'warnAt', 'logged'].includes(key),
  );
  return {
    ...Object.fromEntries(kept),
    status: 'queued',
    queuedAt: 100,
    version: version + 1,
    ...change,
  };
}

const approve = { decisions: [said('c1', 'approve')] };

describe('T5 decide', () => {
  test('records the answer and queues the job in one write, under the same fence', () => {
    const earlier = decided('a0', approve);
    const job = pausedJob({ resolutions: [earlier] });

    expect(moved(job, decide(approve))).toEqual(
      queuedFrom(job, {
        reason: 'resumed',
        answered: carried(job.action),
        resolutions: [earlier, decided('a1', approve)],
      }),
    );
  });

  test('is refused for an action that is not the pending one', () => {
    expect(refusal(pausedJob(), decide(approve, 'a0'))).toBe('stale_action');
  });

  test.each<[string, PendingAction, Verdict]>([
    ['nothing', approval('a1', 1), { decisions: [] }],
    ['one of two calls', approval('a1', 1, ['c1', 'c2']), { decisions: [said('c1', 'approve')] }],
    [
      'one call twice',
      approval('a1', 1, ['c1', 'c2']),
      { decisions: [said('c1', 'approve'), said('c1', 'reject')] },
    ],
    ['another call', approval('a1', 1), { decisions: [said('c2', 'approve')] }],
    [
      'a call too many',
      approval('a1', 1),
      { decisions: [said('c1', 'approve'), said('c2', 'approve')] },
    ],
    ['answers to calls', approval('a1', 1), { answers: { c1: 'yes' } }],
    ['decisions on questions', question('a1', 1), { decisions: [said('q1', 'approve')] }],
    ['one of two questions', question('a1', 1, ['q1', 'q2']), { answers: { q1: 'yes' } }],
    ['another question', question('a1', 1), { answers: { q2: 'yes' } }],
    ['a response to calls', approval('a1', 1), { response: 'yes' }],
    ['a response to questions', question('a1', 1), { response: { q1: 'yes' } }],
    ['decisions on a form of its own', custom('a1', 1), { decisions: [] }],
    ['answers to a form of its own', custom('a1', 1), { answers: {} }],
  ])('is refused with %s', (_name, action, verdict) => {
    expect(refusal(pausedJob({ action }), decide(verdict))).toBe('not_answered');
  });

  test('takes answers to every question', () => {
    const action = question('a1', 1, ['q1', 'q2']);
    const verdict = { answers: { q2: ['a', 'b'], q1: 'yes' } };

    const job = moved(pausedJob({ action }), decide(verdict));

    expect(job).toMatchObject({ status: 'queued', reason: 'resumed', answered: carried(action) });
    expect(job.resolutions).toEqual([decided('a1', verdict)]);
  });

  test.each([null, false, '', { any: ['json'] }])('takes %j as a response', (response) => {
    const action = custom('a1', 1);

    const job = moved(pausedJob({ action }), decide({ response }));

    expect(job).toMatchObject({ status: 'queued', reason: 'resumed', answered: carried(action) });
    expect(job.resolutions).toEqual([decided('a1', { response })]);
  });

  test('leaves the ledger alone where the question was about approval', () => {
    const ledger = [ledgerEntry()];
    const verdict = { decisions: [said('c1', 'retry')] };

    expect(moved(pausedJob({ ledger }), decide(verdict)).ledger).toEqual(ledger);
  });

  test('settles unknown calls as a person says, keeps the earlier answer, and results stay facts', () => {
    const calls = ['c1', 'c2', 'c3', 'c4'];
    const came = { status: 'ok' as const, output: 'came late' };
    const ledger = [
      ...['c1', 'c2', 'c3'].map((toolCallId) => ledgerEntry({ toolCallId })),
      ledgerEntry({ toolCallId: 'c4', open: false, result: came }),
      ledgerEntry({ toolCallId: 'c5', effects: 'read' }),
    ];
    const answered = carried(approval('a1', 1, calls));
    const job = pausedJob({ action: recovery('a2', 2, calls), revision: 2, ledger, answered });
    const verdict = {
      decisions: [
        said('c1', 'retry'),
        { ...said('c2', 'done'), responseText: 'it was sent' },
        said('c3', 'skip'),
        said('c4', 'skip'),
      ],
    };

    expect(moved(job, decide(verdict, 'a2'))).toEqual(
      queuedFrom(job, {
        reason: 'recovered',
        answered,
        resolutions: [decided('a2', verdict)],
        ledger: [
          ledgerEntry({ toolCallId: 'c1', open: false }),
          ledgerEntry({
            toolCallId: 'c2',
            open: false,
            result: { status: 'ok', output: 'it was sent' },
          }),
          {
            ...ledgerEntry({ toolCallId: 'c3', open: false }),
            result: { status: 'outcome_unknown', output: expect.any(String) },
          },
          ledgerEntry({ toolCallId: 'c4', open: false, result: came }),
          ledgerEntry({ toolCallId: 'c5', effects: 'read' }),
        ],
      }),
    );
  });
});

describe('T11 expire', () => {
  const expire = {
    type: 'expire' as const,
    actionId: 'a1',
    policy: 'fail' as const,
    actor: actor(EXPIRY, 'R1'),
  };
  const ended = {
    actionId: 'a1',
    outcome: 'expired',
    verdict: null,
    verdictHash: null,
    decidedBy: null,
    decidedAt: new Date(EXPIRY).toISOString(),
  };

  test('is refused for another action than the one that was read', () => {
    expect(refusal(pausedJob(), { ...expire, actionId: 'a0' })).toBe('stale_action');
  });

  test('is refused before its time, and due at the millisecond', () => {
    const early = { ...expire, actor: actor(EXPIRY - 1) };

    expect(refusal(pausedJob(), early)).toBe('not_due');
    expect(refusal(pausedJob(), expire)).toBe('moved');
  });

  test('never comes for an action without an expiry', () => {
    const action = { ...approval('a1', 1), expiresAt: null };

    expect(refusal(pausedJob({ action }), expire)).toBe('not_due');
  });

  const expiredFrom = (job: PausedJob): object => ({
    ...Object.fromEntries(
      Object.entries(job).filter(
        ([key]) => !['action', 'interruptId', 'answered', 'warnAt'].includes(key),
      ),
    ),
    status: 'finalizing',
    logged: 0,
    answered: { action: job.action, interruptId: job.interruptId },
    outcome: 'expired',
    error: { code: 'ACTION_EXPIRED', message: expect.any(String) },
    fence: 4,
    version: 8,
    lease: { driver: 'R1', leaseUntil: EXPIRY + LEASE_END },
    resolutions: [ended],
  });

  test('ends the generation under the next fence', () => {
    const job = pausedJob();

    expect(moved(job, expire)).toEqual(expiredFrom(job));
  });

  test('rejects every call by policy and goes on, under the next fence', () => {
    const job = pausedJob({ action: approval('a1', 1, ['c1', 'c2']) });
    const decisions = ['c1', 'c2'].map((id) => ({
      toolCallId: id,
      decision: 'reject',
      reason: expect.any(String),
    }));

    expect(moved(job, { ...expire, policy: 'reject' })).toEqual(
      queuedFrom(job, {
        reason: 'resumed',
        queuedAt: EXPIRY,
        fence: 4,
        answered: carried(job.action),
        resolutions: [{ ...ended, verdict: { decisions } }],
      }),
    );
  });

  test.each([question('a1', 1), recovery('a1', 1), custom('a1', 1)])(
    'the policy of rejecting does not answer a $kind',
    (action) => {
      const job = pausedJob({ action });

      expect(moved(job, { ...expire, policy: 'reject' })).toEqual(expiredFrom(job));
    },
  );
});

describe('T17 restore the log', () => {
  const restore = { type: 'restore_log' as const, actionId: 'a1' };

  test('takes the next fence, under which the log is whole by definition, and changes nothing else', () => {
    const job = pausedJob({ logged: 9, warnAt: 7 });

    expect(moved(job, restore)).toEqual({ ...job, version: 8, fence: 4, logged: 0 });
  });

  test('is refused for another action, and where nothing waits', () => {
    expect(refusal(pausedJob(), { ...restore, actionId: 'a0' })).toBe('stale_action');
    expect(refusal(moved(pausedJob(), decide(approve)), restore)).toBe('wrong_status');
  });
});

describe('T15 late result', () => {
  const lateResult = { type: 'late_result' as const, now: 100 };
  const result = { status: 'ok' as const, output: 'sent' };
  const action = recovery('a1', 1);

  test('closes the question once the result is known, and keeps the earlier answer', () => {
    const answered = carried(approval('a0', 1));
    const job = pausedJob({ action, answered, ledger: [ledgerEntry({ open: false, result })] });

    expect(moved(job, lateResult)).toEqual(
      queuedFrom(job, {
        reason: 'recovered',
        answered,
        resolutions: [
          {
            actionId: 'a1',
            outcome: 'decided',
            verdict: null,
            verdictHash: null,
            decidedBy: null,
            decidedAt: new Date(100).toISOString(),
          },
        ],
      }),
    );
  });

  test('is refused while any of the unsafe calls is unknown', () => {
    const known = ledgerEntry({ open: false, result });
    const open = ledgerEntry({ toolCallId: 'c2' });

    expect(refusal(pausedJob({ action, ledger: [known, open] }), lateResult)).toBe('not_due');
  });

  test('does not wait for a call that may simply run again', () => {
    const ledger = [
      ledgerEntry({ open: false, result }),
      ledgerEntry({ toolCallId: 'c2', effects: 'read' }),
    ];

    expect(refusal(pausedJob({ action, ledger }), lateResult)).toBe('moved');
  });

  test('does not answer a request for approval', () => {
    const ledger = [ledgerEntry({ open: false, result })];

    expect(refusal(pausedJob({ ledger }), lateResult)).toBe('wrong_status');
  });
});
