import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ToolEffects } from '../../../src/agent/agent-runner.ts';
import type { Job, LedgerEntry } from '../../../src/stream/job.ts';
import { DECISIONS, type PendingAction, type Verdict } from '../../../src/stream/pending-action.ts';
import { transition } from '../../../src/stream/transition.ts';
import type { Command, CommandOf } from '../../../src/stream/transition-command.ts';
import { commands, result } from '../../support/commands-sim.ts';
import {
  approval,
  call,
  custom,
  decided,
  finalizingJob,
  finishedJob,
  ledgerEntry,
  pausedJob,
  question,
  queuedJob,
  recovery,
  runningJob,
  WARNING,
} from '../../support/jobs-sim.ts';

/** What holds for any job and any sequence of commands, sensible or not. */

const EFFECTS: Record<string, ToolEffects> = { c1: 'unsafe', c2: 'read', c3: 'unsafe' };
const CALLS = Object.keys(EFFECTS);
const calls = fc.subarray(CALLS, { minLength: 1 });

const ledgers = fc
  .tuple(...CALLS.map(() => fc.constantFrom('none', 'open', 'cleared', 'done')))
  .map((states) =>
    states.flatMap((state, i) => {
      const toolCallId = CALLS[i] ?? '';
      const entry = ledgerEntry({ toolCallId, effects: EFFECTS[toolCallId] ?? 'unsafe' });
      if (state === 'none') return [];
      if (state === 'open') return [entry];
      return [{ ...entry, open: false, result: state === 'done' ? result : null }];
    }),
  );

const actions = (actionId: string, revision: number) =>
  fc.tuple(fc.constantFrom(approval, recovery), calls).map(([make, asked]): PendingAction => {
    return make(actionId, revision, asked);
  });

type Shared = Pick<Job, 'ledger' | 'fence' | 'attempts' | 'revision' | 'lane'>;
const makers: readonly ((shared: Shared) => Job)[] = [
  queuedJob,
  runningJob,
  finalizingJob,
  finishedJob,
];
const shared: fc.Arbitrary<Shared> = fc.record({
  ledger: ledgers,
  fence: fc.nat(3),
  attempts: fc.nat(3),
  revision: fc.integer({ min: 1, max: 3 }),
  lane: fc.constantFrom('active', 'active', 'waiting'),
});
const jobs: fc.Arbitrary<Job> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom(...makers), shared).map(([make, it]) => make(it)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(actions('first', 1), shared)
      .map(([action, it]) => pausedJob({ ...it, action: { ...action, revision: it.revision } })),
  },
);

/** A command before it meets a job: `true` where it should fit what it finds. */
const intents = fc.record({
  type: fc.constantFrom(...Object.values(commands).map((command) => command.type)),
  fits: fc.integer({ min: 0, max: 9 }).map((dice) => dice > 0),
  now: fc.integer({ min: 0, max: 100_000 }),
  callId: fc.constantFrom(...CALLS),
  decision: fc.constantFrom(...DECISIONS),
  asked: calls,
  kind: fc.constantFrom('tool_approval', 'recovery', 'ask_user_question', 'custom'),
  policy: fc.constantFrom('fail' as const, 'reject' as const),
});
type Intent = typeof intents extends fc.Arbitrary<infer T> ? T : never;

function newAction(intent: Intent, actionId: string, revision: number): PendingAction {
  if (intent.kind === 'ask_user_question') return question(actionId, revision);
  if (intent.kind === 'custom') return custom(actionId, revision);
  const make = intent.kind === 'recovery' ? recovery : approval;
  return make(actionId, revision, intent.asked);
}

function verdictFor(job: Job, { decision, asked }: Intent): Verdict {
  if (job.status !== 'paused')
    return { decisions: asked.map((toolCallId) => ({ toolCallId, decision })) };
  const { action } = job;
  if (action.kind === 'custom') return { response: { said: decision } };
  if (action.kind === 'ask_user_question')
    return { answers: Object.fromEntries(action.questions.map(({ id }) => [id, 'yes'])) };
  return { decisions: action.requests.map(({ toolCallId }) => ({ toolCallId, decision })) };
}

function commandFor(job: Job, intent: Intent, fresh: string): Command {
  const actor = { driver: 'R1', now: intent.now, leaseTtl: 10_000 };
  const pending = job.status === 'paused' ? job.action.actionId : 'none';
  const actionId = intent.fits ? pending : 'other';
  const adapted = {
    fence: intent.fits ? job.fence : job.fence - 1,
    now: intent.now,
    actor,
    toolCallId: intent.callId,
    policy: intent.policy,
  };
  const special: Partial<Record<Command['type'], () => Command>> = {
    pause() {
      const revision = job.revision + (intent.fits ? 1 : 2);
      const { pause } = commands.pause;
      const action = newAction(intent, fresh, revision);
      return { ...commands.pause, ...adapted, pause: { ...pause, action } };
    },
    decide: () => ({
      ...commands.decide,
      resolution: decided(actionId, verdictFor(job, intent)),
    }),
    expire: () => ({ ...commands.expire, ...adapted, actionId }),
    announced: () => ({ ...commands.announced, actionId }),
    warned: () => ({ ...commands.warned, actionId }),
    restore_log: () => ({ ...commands.restore_log, actionId }),
    takeover: () => ({
      ...commands.takeover,
      actor: adapted.actor,
      question: { actionId: fresh, expiresAt: null, warnAt: WARNING },
    }),
    tool_start: () => ({ ...commands.tool_start, ...adapted, entry: entryFor(intent.callId) }),
  };
  return special[intent.type]?.() ?? { ...commands[intent.type], ...adapted };
}

function entryFor(toolCallId: string): CommandOf<'tool_start'>['entry'] {
  return { ...call(toolCallId), effects: EFFECTS[toolCallId] ?? 'unsafe' };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}

interface Moved {
  before: Job;
  after: Job;
  command: Command;
}

/** Plays the intents on a frozen job; calls back on every move, and at the end with the last record. */
function play(job: Job, plan: Intent[], onMove: (move: Moved) => void): Job {
  let before = deepFreeze(job);
  plan.forEach((intent, i) => {
    const command = commandFor(before, intent, `a${i}`);
    const outcome = transition(before, command);
    if (outcome.outcome === 'refused') return;
    const after = deepFreeze(outcome.job);
    onMove({ before, after, command });
    before = after;
  });
  return before;
}

const plans = fc.array(intents, { maxLength: 40, size: 'max' });

function always(check: (move: Moved) => void): void {
  fc.assert(
    fc.property(jobs, plans, (job, plan) => {
      play(job, plan, check);
    }),
    { numRuns: 500 },
  );
}

const leased = (job: Job): boolean => 'lease' in job && job.lease !== null;

const entryOf = (job: Job, id: string): LedgerEntry | undefined =>
  job.ledger.find((entry) => entry.toolCallId === id);

describe('for any job and any commands', () => {
  test('the plans get around: every command moves some job', () => {
    const moved = new Set<string>();
    for (const [job, plan] of fc.sample(fc.tuple(jobs, plans), { numRuns: 2000, seed: 7 })) {
      play(job, plan, ({ command }) => moved.add(command.type));
    }

    expect([...moved].toSorted()).toEqual(Object.keys(commands).toSorted());
  });

  test('every move raises the version by one', () => {
    always(({ before, after }) => expect(after.version).toBe(before.version + 1));
  });

  test('the fence rises by one at claim, takeover, abort, expiry, supersede and restoring the log, and never else', () => {
    const rising = new Set<Command['type']>([
      ...(['claim', 'takeover', 'take_finalising', 'restore_log'] as const),
      ...(['abort', 'expire', 'supersede'] as const),
    ]);
    always(({ before, after, command }) =>
      expect(after.fence - before.fence).toBe(rising.has(command.type) ? 1 : 0),
    );
  });

  test('a finished job never moves', () => {
    always(({ before }) => expect(before.status).not.toBe('finished'));
  });

  test('an outcome that is fixed stays', () => {
    always(({ before, after }) => {
      if (before.status !== 'finalizing') return;
      expect(after).toMatchObject({ outcome: before.outcome, error: before.error });
    });
  });

  test('resolutions only grow, and each action is resolved once', () => {
    always(({ before, after }) => {
      expect(after.resolutions.slice(0, before.resolutions.length)).toEqual(before.resolutions);
      const ids = after.resolutions.map((resolution) => resolution.actionId);
      expect(new Set(ids).size).toBe(ids.length);
    });
  });

  test('a pending action that is gone has a resolution', () => {
    always(({ before, after }) => {
      if (before.status !== 'paused' || after.status === 'paused') return;
      expect(after.resolutions.at(-1)?.actionId).toBe(before.action.actionId);
    });
  });

  test('no ledger entry is lost, and a result is written once', () => {
    always(({ before, after }) => {
      for (const { toolCallId, starts, result } of before.ledger) {
        const entry = entryOf(after, toolCallId);
        expect(entry?.starts).toBeGreaterThanOrEqual(starts);
        expect(entry?.result).toEqual(result ?? entry?.result);
        expect(entry?.open && entry.result).toBeFalsy();
      }
    });
  });

  test('an unsafe call starts once, and once more for each time a person says retry', () => {
    fc.assert(
      fc.property(jobs, plans, (job, plan) => {
        const cleared = job.ledger.filter((entry) => !entry.open && !entry.result);
        const retries = cleared.map((entry) => entry.toolCallId);
        const last = play(job, plan, ({ command }) => {
          if (command.type !== 'decide' || !('decisions' in command.resolution.verdict)) return;
          for (const said of command.resolution.verdict.decisions) {
            if (said.decision === 'retry') retries.push(said.toolCallId);
          }
        });

        for (const { toolCallId, effects, starts } of last.ledger) {
          if (effects !== 'unsafe') continue;
          const allowed = 1 + retries.filter((id) => id === toolCallId).length;
          expect(starts).toBeLessThanOrEqual(allowed);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('a conversation that is held is never given back to the queue of those who wait', () => {
    always(({ before, after }) =>
      expect([before.lane, after.lane]).not.toEqual(['active', 'waiting']),
    );
  });

  test('attempts and revision never fall, the first start stays, what was frozen at submit stays', () => {
    always(({ before, after }) => {
      expect(after.attempts).toBeGreaterThanOrEqual(before.attempts);
      expect(after.revision).toBeGreaterThanOrEqual(before.revision);
      expect(after.startedAt).toBe(before.startedAt ?? after.startedAt);
      for (const key of ['generationId', 'spec', 'input', 'request', 'owner'] as const)
        expect(after[key]).toBe(before[key]);
    });
  });

  test('a job that runs or ends has a lease, and a pause until it is announced', () => {
    always(({ before, after, command }) => {
      const waited = before.status === 'paused' && after.status === 'paused';
      const kept = waited ? command.type !== 'announced' && leased(before) : undefined;
      const has = after.status !== 'queued' && after.status !== 'finished';
      expect(leased(after)).toBe(kept ?? has);
    });
  });
});
