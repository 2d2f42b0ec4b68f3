import type { JsonObject } from '../lib/json.ts';
import type { RunSpec } from '../agent/run-spec.ts';
import type { ToolEffects, ToolResult } from '../agent/agent-runner.ts';
import type { Outcome } from './events.ts';
import type { Message } from './message.ts';
import type { Owner } from './owner.ts';
import type { PendingAction, Resolution } from './pending-action.ts';

/** The record of a generation: the only truth about what it is (ARCHITECTURE.md decision 3). */

export type { Owner };

/** A tool call that started (T6); with `result` once it is known (T7). */
export interface LedgerEntry {
  toolCallId: string;
  name: string;
  effects: ToolEffects;
  args: JsonObject;
  argsHash: string;
  /** Executions so far; more than one only for read and idempotent tools, or by a person's retry. */
  starts: number;
  /** Started, and nobody knows yet what became of it. */
  open: boolean;
  result: ToolResult | null;
}

export interface JobError {
  code: string;
  message: string;
}

export interface Again {
  /** The user's message that is there already; `messageId`, `parentMessageId` and `text` are its own. */
  asked: Message;
  /** The answer that is gone on with, which the new one follows; null: the new one stands beside the old one. */
  continues: string | null;
}

/** A message of the user's that came while the answer was being made, and is handed to the agent at its next step (T18). */
export interface Steer {
  messageId: string;
  /** As a job's own: `<tenant>/<user>/<key>`, unique over all jobs and all steers. */
  idempotencyKey: string;
  /** Hash of the request body without `conversationId`, and that id where the request gave one. */
  request: { hash: string; conversationId: string | null };
  text: string;
  /** Epoch ms by the store's clock. */
  at: number;
}

interface JobBase {
  generationId: string;
  conversationId: string;
  owner: Owner;
  /** `<tenant>/<user>/<key>`, unique over all jobs and all steers. */
  idempotencyKey: string;
  /** Hash of the request body without `conversationId`, and that id where the first request gave one. */
  request: { hash: string; conversationId: string | null };
  /** What the user sent; the message row is derived from it. */
  input: {
    messageId: string;
    parentMessageId: string | null;
    text: string;
    responseMessageId: string;
    newConversation: boolean;
    /** No parent was asked for: it follows whatever answer ends before it begins. */
    follows: boolean;
    temporary: boolean;
    /** An answer that is made again, or gone on with: nothing of the user's is to be saved. */
    again?: Again;
  };
  spec: RunSpec;
  /** `waiting`: behind another generation of its conversation. At most one live `active` job per conversation. */
  lane: 'active' | 'waiting';
  /** Rises at every claim, takeover, abort, expiry and supersede. 0: never claimed. */
  fence: number;
  /** Rises with every write of this record; compare-and-set is on it. */
  version: number;
  /** Recoveries so far: takeovers of a dead driver. Hand-overs do not count. */
  attempts: number;
  /** Pauses so far; the revision of the newest action. */
  revision: number;
  ledger: LedgerEntry[];
  /** How earlier actions ended, oldest first. */
  resolutions: Resolution[];
  /** What came while the answer was being made, oldest first; absent: nothing did. */
  steers?: Steer[];
  /** Epoch ms by the store's clock. */
  createdAt: number;
  startedAt: number | null;
}

/** An action whose verdict (the resolution of that action) is on its way to the agent. */
export interface Answered {
  action: PendingAction;
  /** Which of the agent's interrupts it answers; null for a recovery question, which is not the agent's. */
  interruptId: string | null;
}

/** Why a queued job waits, so that its next driver knows how to begin. */
export type QueueReason = 'new' | 'resumed' | 'recovered' | 'handed_over';

export interface Lease {
  /** Replica that drives. */
  driver: string;
  /** Epoch ms by the store's clock. */
  leaseUntil: number;
}

export type QueuedJob = JobBase & {
  status: 'queued';
  reason: QueueReason;
  queuedAt: number;
  answered: Answered | null;
};
export type RunningJob = JobBase & {
  status: 'running';
  lease: Lease;
  entered: QueueReason;
  answered: Answered | null;
};
export type PausedJob = JobBase & {
  status: 'paused';
  action: PendingAction;
  interruptId: string | null;
  /** A recovery question came before the agent is known to have this earlier answer. */
  answered: Answered | null;
  /** Held until the pause is announced to readers, approvers and webhooks; whoever finds it over announces it. */
  lease: Lease | null;
  /** Epoch ms at which the coming expiry is announced; null: never, or done. */
  warnAt: number | null;
  /** Sequence up to which its driver logged; 0: not known, or written again. A shorter log has lost entries. */
  logged: number;
};
export type FinalizingJob = JobBase & {
  status: 'finalizing';
  outcome: Outcome;
  error: JobError | null;
  /** Sequence up to which its driver logged; 0: not known. A shorter log has lost entries. */
  logged: number;
  lease: Lease;
  /** The last action, which may have ended before anybody was told of it: its trail is still to be written. */
  answered: Answered | null;
};
export type FinishedJob = JobBase & {
  status: 'finished';
  outcome: Outcome;
  error: JobError | null;
  finishedAt: number;
  /** Place of the terminal event: its cursor stays known when the log is gone. */
  end: { fence: number; seq: number };
};
export type Job = QueuedJob | RunningJob | PausedJob | FinalizingJob | FinishedJob;

/** Not over yet: holds its conversation, or waits for it. */
export function isLive(job: Job): boolean {
  return job.status !== 'finished';
}

/** Every idempotency key that finds the job: its own first, then those of its steers. */
export function keysOf({ idempotencyKey, steers = [] }: Job): string[] {
  return [...new Set([idempotencyKey, ...steers.map((steer) => steer.idempotencyKey)])];
}

/** Counts against the user's limit: work, or work that is about to be done. A pause costs nothing. */
export function usesSlot(job: Job): boolean {
  return job.status === 'queued' || job.status === 'running';
}
