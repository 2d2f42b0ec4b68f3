import type { Job } from '../../../src/stream/job.ts';
import { actor, approval, call, decided, said } from '../../support/jobs-sim.ts';
import type { Mechanisms } from './mechanisms.ts';
import {
  append,
  appendTerminal,
  fenceLog,
  leave,
  move,
  releaseSlot,
  saveCheckpoint,
  upsertMessage,
  write,
} from './stores.ts';
import { expiryOf } from './takeover.ts';
import { giveUp, isTold, mend, refence, reseal, rewrite, seal, say } from './repair-steps.ts';
import type { Gen, Proc, Setting, Step, World } from './world.ts';

/** One step of a process: everything in it is atomic, and the process may be killed before and after it. */
export interface Turn {
  m: Mechanisms;
  setting: Setting;
  world: World;
  proc: Proc;
  gen: Gen;
}

/** Takes the step; the step that comes next, or undefined where the process ends. */
export type Take = (turn: Turn) => Step | undefined;

function verdictOf(job: Job): Proc['verdict'] {
  if (job.status !== 'running' || !job.answered) return 'none';
  const { actionId } = job.answered.action;
  const verdict = job.resolutions.find((known) => known.actionId === actionId)?.verdict;
  const decision = verdict && 'decisions' in verdict ? verdict.decisions[0]?.decision : undefined;
  return decision === 'approve' || decision === 'reject' ? decision : 'none';
}

const claim: Take = ({ m, world, proc, gen }) => {
  if (!move(m, world, proc.gen, { type: 'claim', actor: actor() })) return undefined;
  proc.fence = gen.job.fence;
  proc.verdict = verdictOf(gen.job);
  return 'fence';
};

/** The log is ours; where it is gone it is made again. */
const fence: Take = ({ m, proc, gen }) => {
  if (!fenceLog(m, gen, proc.fence)) return undefined;
  if (gen.log?.length === 0) write(gen, proc, 'c');
  proc.head = gen.log?.length ?? 0;
  return 'adopt';
};

/** The newest thread of an earlier fence becomes the start of its own. */
const adopt: Take = ({ proc, gen }) => {
  if (gen.threadFence > proc.fence) return undefined;
  gen.threadFence = proc.fence;
  proc.heard = gen.heard;
  if (gen.progress === 0) return 'token1';
  if (gen.progress === 2) return 'hear';
  return proc.verdict === 'none' ? 'partial' : 'toolStart';
};

const checkpoint1: Take = ({ proc, gen }) => {
  saveCheckpoint(gen, proc, 1);
  return 'partial';
};

const partial: Take = ({ m, proc, gen }) =>
  upsertMessage(m, gen, { fence: proc.fence, message: 'partial' }) ? 'pause' : undefined;

const pause: Take = ({ m, setting, world, proc, gen }) => {
  const revision = gen.job.revision + 1;
  const action = approval(`a${revision}`, revision);
  const moved = move(m, world, proc.gen, {
    type: 'pause',
    fence: proc.fence,
    pause: {
      action: { ...action, expiresAt: expiryOf(revision) },
      interruptId: 'i1',
      warnAt: setting.warns ? 0 : null,
    },
    actor: actor(),
    logged: proc.head,
  });
  if (moved) releaseSlot(m, world, proc);
  return moved ? 'announce' : undefined;
};

/** Telling is idempotent; that it is done is not said of another action than the one that was told. */
const announce: Take = ({ m, world, proc, gen }) => {
  const { job } = gen;
  if (job.status !== 'paused' || job.fence !== proc.fence) return undefined;
  if (!isTold(m, gen)) {
    // It reads the log just before.
    proc.head = gen.log?.length ?? 0;
    if (append(m, gen, proc, `a${job.revision}`) === 'appended') gen.told = job.revision;
  }
  move(m, world, proc.gen, { type: 'announced', actionId: job.action.actionId });
  return undefined;
};

const toolStart: Take = ({ m, setting, world, proc, gen }) => {
  if (proc.verdict === 'reject') return 'checkpoint2';
  const entry = { ...call('c1'), effects: setting.effects };
  if (move(m, world, proc.gen, { type: 'tool_start', fence: proc.fence, entry })) return 'toolRun';
  const { job } = gen;
  const own = job.status === 'running' && job.fence === proc.fence;
  return own && job.ledger.some((known) => known.result) ? 'checkpoint2' : undefined;
};

const toolRun: Take = ({ gen }) => {
  gen.executions += 1;
  return 'toolDone';
};

const toolDone: Take = ({ m, world, proc }) => {
  move(m, world, proc.gen, {
    type: 'tool_done',
    toolCallId: 'c1',
    result: { status: 'ok', output: 'sent' },
  });
  return 'checkpoint2';
};

const checkpoint2: Take = ({ proc, gen }) => {
  saveCheckpoint(gen, proc, 2);
  return 'hear';
};

/** Before a model call the agent looks for what came; it is in its memory first, and then in the checkpoint. */
const hear: Take = ({ proc, gen }) => {
  const { steers = [] } = gen.job;
  if (steers.length === proc.heard) return 'token2';
  proc.heard = steers.length;
  return 'keepHeard';
};

const keepHeard: Take = ({ proc, gen }) => {
  if (gen.threadFence === proc.fence) gen.heard = proc.heard;
  return 'token2';
};

/** It was refused only because a message came that it has not heard. */
function unheard(job: Job, { fence, heard }: Proc): boolean {
  return job.status === 'running' && job.fence === fence && (job.steers ?? []).length > heard;
}

const handBack: Take = ({ m, world, proc }) => {
  move(m, world, proc.gen, { type: 'hand_over', fence: proc.fence, now: 0 });
  return undefined;
};

const finish: Take = ({ m, world, proc, gen }) => {
  const moved = move(m, world, proc.gen, {
    type: 'finish',
    logged: proc.head,
    fence: proc.fence,
    outcome: 'completed',
    error: null,
    actor: actor(),
    heard: (gen.job.steers ?? []).slice(0, proc.heard).map(({ messageId }) => messageId),
  });
  if (moved) releaseSlot(m, world, proc);
  if (!moved) return unheard(gen.job, proc) ? 'handBack' : undefined;
  // It has the log already; that it is still whole must be seen only where logs lose something.
  return gen.log === null ? 'message' : 'seal';
};

const message: Take = ({ m, proc, gen }) => {
  if (!('outcome' in gen.job)) return undefined;
  if (!upsertMessage(m, gen, { fence: proc.fence, message: gen.job.outcome })) return undefined;
  return m.closeLast ? 'terminal' : 'prune';
};

const terminal: Take = ({ m, proc, gen }) => {
  if (!('outcome' in gen.job)) return undefined;
  return appendTerminal(m, gen, proc, gen.job.outcome) && m.closeLast ? 'prune' : undefined;
};

const prune: Take = ({ gen }) => {
  gen.pruned = true;
  return 'close';
};

const close: Take = ({ m, world, proc }) => {
  const end = { fence: proc.fence, seq: 1 };
  const moved = move(m, world, proc.gen, { type: 'close', fence: proc.fence, now: 0, end });
  return moved && !m.closeLast ? 'late' : undefined;
};

/** Only where decisions live in memory: the replica that took one goes on by itself. */
const driveDecision: Take = (turn) => {
  const { m, world, proc } = turn;
  const verdict = proc.verdict === 'approve' ? 'approve' : 'reject';
  const resolution = decided(`a${proc.fence}`, { decisions: [said('c1', verdict)] });
  const moved = move(m, world, proc.gen, { type: 'decide', resolution, now: 0 });
  return moved ? claim(turn) : undefined;
};

const STEPS: Record<Step, Take> = {
  claim,
  fence,
  adopt,
  token1: (turn) => say(turn, 't', 'checkpoint1'),
  checkpoint1,
  partial,
  pause,
  announce,
  toolStart,
  toolRun,
  toolDone,
  checkpoint2,
  token2: (turn) => say(turn, 'u', turn.m.outcomeFirst ? 'finish' : 'early'),
  early: ({ m, proc, gen }) => (appendTerminal(m, gen, proc, 'completed') ? 'finish' : undefined),
  hear,
  keepHeard,
  finish,
  handBack,
  giveUp,
  refence,
  rewrite,
  seal,
  reseal,
  mend,
  message,
  terminal,
  prune,
  close,
  late: terminal,
  decided: driveDecision,
};

export function takeStep(turn: Turn): void {
  const next = STEPS[turn.proc.step](turn);
  if (next === undefined) leave(turn.m, turn.world, turn.proc);
  else turn.proc.step = next;
}
