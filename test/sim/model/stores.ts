import type { Outcome } from '../../../src/stream/events.ts';
import { isLive, type Job } from '../../../src/stream/job.ts';
import type { Command } from '../../../src/stream/transition-command.ts';
import { jobKey } from './job-key.ts';
import type { Mechanisms } from './mechanisms.ts';
import type { Gen, Proc, World } from './world.ts';

/** The stores of the model: records, logs, messages, checkpoint threads. Each function is one atomic operation. */

export type Put = 'stored' | 'stale' | 'lane_taken';

export function compareAndSet(
  m: Mechanisms,
  world: World,
  write: { gen: number; next: Job; expected: number },
): Put {
  const { gen: index, next, expected } = write;
  const gen = genAt(world, index);
  if (m.compareAndSet && gen.job.version !== expected) return 'stale';
  if (next.version !== expected + 1) gen.fault = 'version not raised by one';
  if (m.compareAndSet && next.fence < gen.job.fence) gen.fault = 'fence fell';
  const taken = world.gens.some((other) => other !== gen && holdsLane(other.job));
  if (m.uniqueLane && holdsLane(next) && taken) return 'lane_taken';
  const kept = 'lease' in gen.job && 'lease' in next && gen.job.lease === next.lease;
  gen.leaseOver &&= kept;
  gen.job = next;
  gen.key = jobKey(next);
  return 'stored';
}

const holdsLane = (job: Job): boolean => isLive(job) && job.lane === 'active';

/** Reads, lets the state table decide and writes; nobody is in between, so one try is enough. */
export function move(m: Mechanisms, world: World, index: number, command: Command): boolean {
  const { job } = genAt(world, index);
  const result = m.transition(job, command);
  if (result.outcome === 'refused') return false;
  const write = { gen: index, next: result.job, expected: job.version };
  return compareAndSet(m, world, write) === 'stored';
}

export function genAt(world: World, index: number): Gen {
  const gen = world.gens[index];
  if (!gen) throw new Error(`no generation ${index}`);
  return gen;
}

/** Raises the fence of the log. False: a newer driver was here. */
export function fenceLog(m: Mechanisms, gen: Gen, fence: number): boolean {
  if (m.logFence && gen.logFence > fence) return false;
  gen.logFence = Math.max(gen.logFence, fence);
  return true;
}

/** Appends something that is not terminal. */
export function append(m: Mechanisms, gen: Gen, fence: number): boolean {
  if (gen.ends.length > 0) return false;
  if (gen.logFence > fence) {
    if (m.logFence) return false;
    gen.fault = 'zombie wrote to the log';
  }
  if (gen.message !== 'none' && gen.message !== 'partial')
    gen.fault = 'token after the last message';
  return true;
}

/** Appends the terminal event if there is none. False: fenced. */
export function appendTerminal(m: Mechanisms, gen: Gen, end: { fence: number; outcome: Outcome }) {
  if (m.logFence && gen.logFence > end.fence) return false;
  if (gen.ends.length === 0 || !m.terminalOnce) gen.ends = [...gen.ends, end.outcome];
  return true;
}

export function upsertMessage(
  m: Mechanisms,
  gen: Gen,
  row: { fence: number; message: 'partial' | Outcome },
): boolean {
  if (m.messageFence && gen.messageFence > row.fence) return false;
  gen.messageFence = Math.max(gen.messageFence, row.fence);
  gen.message = row.message;
  return true;
}

/** A fenced driver writes to a thread that nobody reads any more. */
export function saveCheckpoint(gen: Gen, proc: Proc, progress: 1 | 2): void {
  if (gen.threadFence === proc.fence) gen.progress = progress;
}

/** The process is no more, and what it held in memory with it. */
export function leave(m: Mechanisms, world: World, proc: Proc): void {
  releaseSlot(m, world, proc);
  world.procs = world.procs.filter((other) => other !== proc);
}

const FINALISING = new Set([
  'announce',
  'seal',
  'message',
  'terminal',
  'prune',
  'close',
  'late',
  'decided',
]);
export const hasSlot = (proc: Proc): boolean => !FINALISING.has(proc.step);

export function releaseSlot(m: Mechanisms, world: World, proc: Proc): void {
  if (!m.derivedSlots && hasSlot(proc)) world.counter -= 1;
}
