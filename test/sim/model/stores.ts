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

/** Where a process writes in a log: under its fence, after what it believes to be there. */
type Pen = Pick<Proc, 'fence' | 'head'>;

export type Appended = 'appended' | 'fenced' | 'lost';

/** Appends something that is not terminal; `lost`: the log is not where the writer believes. */
export function append(m: Mechanisms, gen: Gen, pen: Pen, what: string): Appended {
  if (gen.log?.length === 0) return 'lost';
  if (gen.ends.length > 0) return 'fenced';
  if (gen.logFence > pen.fence) {
    if (m.logFence) return 'fenced';
    gen.fault = 'zombie wrote to the log';
  }
  if (m.expects && isElsewhere(gen, pen)) return 'lost';
  // A log that lost entries, and its fence with them, sends its finaliser back to save the message once more.
  if (gen.message !== 'none' && gen.message !== 'partial' && gen.lost.length === 0)
    gen.fault = 'token after the last message';
  write(gen, pen, what);
  return 'appended';
}

const isElsewhere = ({ log }: Gen, { head }: Pen): boolean => log !== null && log.length !== head;

/** A cursor is a fence and a sequence: it must never name another entry than the one that a reader got with it. */
export function write(gen: Gen, pen: Pen, what: string): void {
  if (gen.log === null) return;
  const seq = gen.log.length + 1;
  const other = gen.lost.find((entry) => entry.startsWith(`${pen.fence}.${seq}`));
  if (other !== undefined && other !== `${pen.fence}.${seq}${what}`)
    gen.fault = 'a cursor names two entries';
  gen.log = [...gen.log, `${pen.fence}${what}`];
  pen.head = seq;
}

/** The store loses what was appended after the first `keep` entries; with the whole log its fence. */
export function lose(gen: Gen, keep: number): void {
  const { log } = gen;
  if (log === null) return;
  const entry = /^(\d+)(\D.*)$/;
  const gone = log.slice(keep).map((it, index) => it.replace(entry, `$1.${keep + index + 1}$2`));
  gen.lost = [...gen.lost, ...gone];
  gen.log = log.slice(0, keep);
  if (keep === 0) gen.logFence = 0;
  if (!gen.log.some((it) => it.endsWith('d'))) gen.ends = [];
  const told = gen.log.map((it) => Number(/a(\d+)$/.exec(it)?.[1] ?? 0));
  gen.told = Math.max(0, ...told);
}

/** Appends the terminal event if there is none. False: fenced, or the log lost entries. */
export function appendTerminal(m: Mechanisms, gen: Gen, pen: Pen, outcome: Outcome): boolean {
  if (m.logFence && gen.logFence > pen.fence) return false;
  if (gen.ends.length > 0 && m.terminalOnce) return true;
  if (m.expects && isElsewhere(gen, pen)) return false;
  gen.ends = [...gen.ends, outcome];
  write(gen, pen, 'd');
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
  'refence',
  'rewrite',
  'seal',
  'reseal',
  'mend',
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
