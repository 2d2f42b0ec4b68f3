import type { Job } from '../../../src/stream/job.ts';
import { transition } from '../../../src/stream/transition.ts';
import type { Command, TransitionResult } from '../../../src/stream/transition-command.ts';
import { EXPIRY } from '../../support/jobs-sim.ts';

/** What keeps the promises. Each can be taken away to see that the model needs it. */
export interface Mechanisms {
  transition(job: Job, command: Command): TransitionResult;
  /** The store writes a record only over the version that was read. */
  compareAndSet: boolean;
  /** The store refuses a second active live job in a conversation. */
  uniqueLane: boolean;
  /** The log refuses entries of a lower fence. */
  logFence: boolean;
  /** The message store refuses writes of a lower fence. */
  messageFence: boolean;
  /** The terminal event is appended only if there is none. */
  terminalOnce: boolean;
  /** The outcome is fixed before the terminal event is written. */
  outcomeFirst: boolean;
  /** A job is closed only after its terminal event. */
  closeLast: boolean;
  /** A decision is in the record before it is acknowledged; else in the memory of the replica that took it. */
  durableDecision: boolean;
  /** A pause whose announcer died is announced by another replica. */
  reminds: boolean;
  /** Whoever finds the log of a pause short writes it again. */
  restores: boolean;
  /** Nothing is told in a log that lost entries, as long as the fence is the same. */
  tellsWhole: boolean;
  /** A finaliser whose log lost entries goes on under a new fence. */
  refences: boolean;
  /** An append names the entry that it follows. */
  expects: boolean;
  /** Slots are the processes that run; else a number in a store. */
  derivedSlots: boolean;
}

export const ALL: Mechanisms = {
  transition,
  compareAndSet: true,
  uniqueLane: true,
  logFence: true,
  messageFence: true,
  terminalOnce: true,
  outcomeFirst: true,
  closeLast: true,
  durableDecision: true,
  reminds: true,
  restores: true,
  tellsWhole: true,
  refences: true,
  expects: true,
  derivedSlots: true,
};

/** Every driver passes for the one that has the job. */
function withoutFence(job: Job, command: Command): TransitionResult {
  return transition(job, 'fence' in command ? { ...command, fence: job.fence } : command);
}

/** Nobody remembers which calls were started. */
function withoutLedger(job: Job, command: Command): TransitionResult {
  const blind = command.type === 'tool_start' || command.type === 'takeover';
  return transition(blind ? { ...job, ledger: [] } : job, command);
}

/** What was read as expired is expired, whatever is pending by now. */
function expiryWithoutId(job: Job, command: Command): TransitionResult {
  if (command.type !== 'expire' || job.status !== 'paused') return transition(job, command);
  return transition(job, { ...command, actionId: job.action.actionId });
}

/** What was read as expired is expired, without a second look at its time. */
function expiryWithoutTime(job: Job, command: Command): TransitionResult {
  if (command.type !== 'expire') return transition(job, command);
  return transition(job, { ...command, actor: { ...command.actor, now: EXPIRY * 10 } });
}

function expiryUnchecked(job: Job, command: Command): TransitionResult {
  if (command.type !== 'expire' || job.status !== 'paused') return transition(job, command);
  return expiryWithoutTime(job, { ...command, actionId: job.action.actionId });
}

/** Who repairs a log writes under the fence of the driver that made it. */
function restoreWithoutFence(job: Job, command: Command): TransitionResult {
  const result = transition(job, command);
  if (command.type !== 'restore_log' || result.outcome === 'refused') return result;
  return { ...result, job: { ...result.job, fence: job.fence } };
}

/** A driver may end an answer whatever came meanwhile. */
function finishesUnheard(job: Job, command: Command): TransitionResult {
  if (command.type !== 'finish') return transition(job, command);
  const heard = (job.steers ?? []).map(({ messageId }) => messageId);
  return transition(job, { ...command, heard });
}

/** Whoever gives up, gives up for the driver that is there. */
function anyoneGivesUp(job: Job, command: Command): TransitionResult {
  const blind = command.type === 'takeover' && command.fence !== undefined;
  return transition(job, blind ? { ...command, fence: job.fence } : command);
}

function without(type: Command['type']) {
  return (job: Job, command: Command): TransitionResult =>
    command.type === type
      ? { outcome: 'refused', reason: 'wrong_status' }
      : transition(job, command);
}

export const VARIANTS = {
  noFence: { ...ALL, transition: withoutFence },
  noLedger: { ...ALL, transition: withoutLedger },
  noActionId: { ...ALL, transition: expiryWithoutId },
  noExpiryTime: { ...ALL, transition: expiryWithoutTime },
  noActionIdNorTime: { ...ALL, transition: expiryUnchecked },
  noTakeover: { ...ALL, transition: without('takeover') },
  noFinaliseTakeover: { ...ALL, transition: without('take_finalising') },
  noLateResult: { ...ALL, transition: without('late_result') },
  noExpiry: { ...ALL, transition: without('expire') },
  noPromote: { ...ALL, transition: without('promote') },
  noCompareAndSet: { ...ALL, compareAndSet: false },
  noUniqueLane: { ...ALL, uniqueLane: false },
  noLogFence: { ...ALL, logFence: false },
  noMessageFence: { ...ALL, messageFence: false },
  terminalTwice: { ...ALL, terminalOnce: false },
  emitsBeforeOutcome: { ...ALL, outcomeFirst: false },
  closesBeforeEmitting: { ...ALL, closeLast: false },
  decisionInMemory: { ...ALL, durableDecision: false },
  noReminder: { ...ALL, reminds: false },
  restoreWithoutFence: { ...ALL, transition: restoreWithoutFence },
  finishesUnheard: { ...ALL, transition: finishesUnheard },
  anyoneGivesUp: { ...ALL, transition: anyoneGivesUp },
  noRestore: { ...ALL, restores: false },
  tellsInShortLog: { ...ALL, tellsWhole: false },
  finalisesInShortLog: { ...ALL, refences: false },
  appendsAnywhere: { ...ALL, expects: false },
  countedSlots: { ...ALL, derivedSlots: false },
} satisfies Record<string, Mechanisms>;
