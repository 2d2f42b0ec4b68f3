import type { ToolResult } from '../agent/agent-runner.ts';
import type { Job, JobError, LedgerEntry, Steer } from './job.ts';
import type { PendingAction, Resolution, Verdict } from './pending-action.ts';

export interface NewPause {
  action: PendingAction;
  interruptId: string | null;
  warnAt: number | null;
}

export interface RecoveryQuestion {
  actionId: string;
  expiresAt: string | null;
  warnAt: number | null;
}

/** Who acts, and until when what it takes is its own. Epoch ms by the store's clock. */
export interface Actor {
  driver: string;
  now: number;
  leaseTtl: number;
}

export type Command =
  /** T1: a waiting turn gets its conversation. `after`: the answer that ended, which it follows. */
  | { type: 'promote'; after?: string }
  /** T2 */
  | { type: 'claim'; actor: Actor }
  /** T3 */
  | { type: 'heartbeat'; fence: number; actor: Actor }
  /** T4: the checkpoint and the partial message are durable already. */
  | { type: 'pause'; fence: number; pause: NewPause; actor: Actor; logged: number }
  /** After T4 or T12: everybody who must know was told. */
  | { type: 'announced'; actionId: string }
  /** The coming expiry was announced. */
  | { type: 'warned'; actionId: string }
  /** T5: who may decide and what is allowed was checked before. */
  | { type: 'decide'; resolution: Resolution & { verdict: Verdict }; now: number }
  /** T6 */
  | { type: 'tool_start'; fence: number; entry: Omit<LedgerEntry, 'starts' | 'open' | 'result'> }
  /** T7: not fenced, a result is a fact. */
  | { type: 'tool_done'; toolCallId: string; result: ToolResult }
  /** T8 */
  | {
      type: 'finish';
      fence: number;
      outcome: 'completed' | 'failed';
      error: JobError | null;
      actor: Actor;
      /** Sequence of the last event that the driver logged. */
      logged: number;
      /** Ids of the messages that came meanwhile and that the agent heard. */
      heard: readonly string[];
    }
  /** T9 */
  | { type: 'abort'; actor: Actor; by: string | null }
  /** T10 */
  | { type: 'supersede'; actor: Actor; by: string | null }
  /** T11: `actionId` is the one that was read as stale. */
  | { type: 'expire'; actionId: string; policy: 'fail' | 'reject'; actor: Actor }
  /** T12: `question` serves a recovery question. `fence`: the driver itself gives up, before its lease is over. */
  | {
      type: 'takeover';
      actor: Actor;
      maxAttempts: number;
      question: RecoveryQuestion;
      fence?: number;
    }
  /** T13. `fence`: its finaliser itself goes on under a new one, because the log lost entries of this one. */
  | { type: 'take_finalising'; actor: Actor; fence?: number }
  /** T14 */
  | { type: 'close'; fence: number; now: number; end: { fence: number; seq: number } }
  /** T15 */
  | { type: 'late_result'; now: number }
  /** T16 */
  | { type: 'hand_over'; fence: number; now: number }
  /** T17: the log lost what this pause is about; who has the new fence writes it again. */
  | { type: 'restore_log'; actionId: string }
  /** T18: a message of the user's for the agent's next step. */
  | { type: 'steer'; steer: Steer };

export type Refusal =
  /** The job is not in a state that the command applies to. */
  | 'wrong_status'
  /** Another driver has it. */
  | 'stale_fence'
  /** The pending action is another one. */
  | 'stale_action'
  /** A lease or an expiry is not over yet. */
  | 'not_due'
  /** The verdict does not answer exactly what is asked. */
  | 'not_answered'
  /** An unsafe tool was started before and nobody knows its outcome. */
  | 'outcome_unknown'
  /** Its conversation is held by another generation. */
  | 'waiting'
  /** A message came that the agent has not heard. */
  | 'unheard'
  /** This job, or another one, has a message with this key. */
  | 'known'
  /** It takes no more messages. */
  | 'full';

export type TransitionResult =
  { outcome: 'moved'; job: Job } | { outcome: 'refused'; reason: Refusal };

export type CommandOf<T extends Command['type']> = Extract<Command, { type: T }>;
