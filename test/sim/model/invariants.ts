import type { Outcome } from '../../../src/stream/events.ts';
import { isLive, usesSlot } from '../../../src/stream/job.ts';
import { actor } from '../../support/jobs-sim.ts';
import type { Mechanisms } from './mechanisms.ts';
import { slotsTaken, SLOTS } from './replicas.ts';
import { hasSlot } from './stores.ts';
import { REPLICAS, type Gen, type Setting, type World } from './world.ts';

/** What must be true of every reachable world. Each check names what is broken, or says nothing. */

export function violation(m: Mechanisms, setting: Setting, world: World): string | undefined {
  for (const [index, gen] of world.gens.entries()) {
    const broken =
      gen.fault ||
      ofDrivers(m, world, index) ||
      ofEnding(gen) ||
      ofSteers(gen) ||
      ofActions(gen) ||
      ofTool(setting, gen);
    if (broken) return broken;
  }
  if (m.derivedSlots && REPLICAS.some((replica) => slotsTaken(world, replica) > SLOTS))
    return 'more runs than slots';
  const active = world.gens.filter((gen) => isLive(gen.job) && gen.job.lane === 'active');
  return active.length > 1 ? 'two active runs' : undefined;
}

/** A process drives if the record would still obey it. */
function ofDrivers(m: Mechanisms, world: World, index: number): string | undefined {
  const job = world.gens[index]?.job;
  if (job?.status !== 'running') return undefined;
  let drivers = 0;
  for (const proc of world.procs) {
    if (proc.gen !== index || proc.fence < 0 || !hasSlot(proc)) continue;
    const beat = m.transition(job, { type: 'heartbeat', fence: proc.fence, actor: actor() });
    if (beat.outcome === 'moved') drivers += 1;
  }
  return drivers > 1 ? 'two effective drivers' : undefined;
}

function ofEnding(gen: Gen): string | undefined {
  const { job, ends, message } = gen;
  if (ends.length > 1) return 'two terminal events';
  const [end] = ends;
  if (end && 'outcome' in job && end !== job.outcome) return 'terminal event against the outcome';
  if (end && 'outcome' in job && message !== end) return 'terminal event before its message';
  return job.status === 'finished' ? ofEnd(job.outcome, gen) : undefined;
}

/** What was acknowledged is in the record, and a complete answer was made with all of it. */
function ofSteers({ job, accepted, heard, pruned }: Gen): string | undefined {
  if ((job.steers ?? []).length !== accepted) return 'message lost, or taken twice';
  if (pruned || !('outcome' in job) || job.outcome !== 'completed') return undefined;
  return heard === accepted ? undefined : 'complete without having heard all';
}

const isLost = (lost: readonly string[], what: string): boolean =>
  lost.some((entry) => entry.endsWith(what));

function ofEnd(outcome: Outcome, { ends, message, pruned, lost }: Gen): string | undefined {
  if (message !== outcome) return 'message against the outcome';
  const [end] = ends;
  if (!end && !isLost(lost, 'd')) return 'finished without a terminal event';
  return pruned ? undefined : 'finished without pruning';
}

/** Every action ends once: by a person who was told so, by time, by an abort or by a new turn. */
function ofActions({ job, acks }: Gen): string | undefined {
  const asks = job.status === 'paused' && job.action.kind === 'tool_approval';
  if (asks && acks.length > 0 && !acks.some((ack) => ack.startsWith(`${job.action.actionId}:`)))
    return 'asked again what was answered';
  const ended = acks.map((ack) => ack.slice(0, ack.indexOf(':')));
  for (const { actionId, decidedBy, outcome } of job.resolutions) {
    const told = outcome === 'decided' && decidedBy !== null;
    if (!told) ended.push(actionId);
    else if (!ended.includes(actionId)) return 'decision that nobody was told of';
  }
  return new Set(ended).size < ended.length ? 'action ended twice' : undefined;
}

function ofTool(setting: Setting, { job, acks, executions }: Gen): string | undefined {
  if (executions === 0) return undefined;
  const count = (decision: string): number =>
    acks.filter((ack) => ack.endsWith(`:${decision}`)).length;
  if (count('approve') === 0) return 'tool ran without approval';
  const systemRejected = job.resolutions.some(
    (known) => known.outcome === 'expired' && known.verdict,
  );
  if (count('reject') > 0 || systemRejected) return 'tool ran although rejected';
  if (setting.effects === 'unsafe' && executions > 1 + count('retry')) return 'tool ran twice';
  return undefined;
}

/** When nothing is left to do, everything is over, or waits for a person, or behind one who is waited for. */
export function quietViolation(m: Mechanisms, world: World): string | undefined {
  if (!m.derivedSlots && world.counter !== 0) return 'slot leaked';
  if (world.gens.some(waitsUnknown)) return 'question that nobody knows of';
  if (world.gens.some(asksWhatIsKnown)) return 'question left whose answer is known';
  const paused = world.gens.some((gen) => gen.job.status === 'paused');
  for (const { job } of world.gens) {
    if (job.status === 'finished' || job.status === 'paused') continue;
    if (job.status === 'queued' && job.lane === 'waiting' && paused) continue;
    return `stuck ${job.status}`;
  }
  return undefined;
}

function waitsUnknown({ job, told }: Gen): boolean {
  return job.status === 'paused' && (told !== job.revision || job.lease !== null);
}

function asksWhatIsKnown({ job }: Gen): boolean {
  if (job.status !== 'paused' || job.action.kind !== 'recovery') return false;
  return !job.ledger.some((entry) => entry.open);
}

/** Over, with nothing left behind. */
export function allOver(m: Mechanisms, world: World): boolean {
  if (world.procs.length > 0) return false;
  if (!m.derivedSlots && world.counter !== 0) return false;
  return world.gens.every((gen) => !isLive(gen.job) && !usesSlot(gen.job));
}
