import type { Outcome } from '../../../src/stream/events.ts';
import type { Job } from '../../../src/stream/job.ts';
import type { ToolEffects } from '../../../src/agent/agent-runner.ts';
import { queuedJob } from '../../support/jobs-sim.ts';
import { jobKey } from './job-key.ts';

/** How much may go wrong, and what people do, in one exploration. */
export interface Setting {
  /** kill -9 of a replica. */
  crashes: number;
  /** Leases that end while their owner is still running. */
  stalls: number;
  /** Hand-overs of a draining replica. */
  drains: number;
  /** Answers of two people who may look at the same action: A says yes, B says no. */
  yes: number;
  no: number;
  aborts: number;
  /** Second turns in the same conversation: they wait behind the first, or stop it. */
  turns: number;
  maxAttempts: number;
  expiry: 'fail' | 'reject';
  effects: ToolEffects;
  /** Actions are announced once more before they expire. */
  warns: boolean;
  /** The first turn has a gated call. */
  gated: boolean;
  /** Logs that lose their last entry, or everything. */
  losses: number;
  /** Messages that come while the first answer is being made. */
  steers: number;
  /** Drivers that give up by themselves, because their stores failed. */
  failures: number;
}

export type ReplicaId = 0 | 1;
export const REPLICAS: readonly ReplicaId[] = [0, 1];

export type DriverStep =
  | 'claim'
  | 'fence'
  | 'adopt'
  | 'token1'
  | 'checkpoint1'
  | 'partial'
  | 'pause'
  | 'announce'
  | 'toolStart'
  | 'toolRun'
  | 'toolDone'
  | 'checkpoint2'
  | 'token2'
  | 'early'
  | 'hear'
  | 'keepHeard'
  | 'finish'
  | 'handBack'
  | 'giveUp';
export type RepairStep = 'refence' | 'rewrite';
export type FinaliserStep =
  'seal' | 'reseal' | 'mend' | 'message' | 'terminal' | 'prune' | 'close' | 'late';
/** What a process does next. `decided` exists only where decisions are kept in memory. */
export type Step = DriverStep | RepairStep | FinaliserStep | 'decided';

/** A driver or a finaliser in the memory of a replica: gone when the replica is killed. */
export interface Proc {
  replica: ReplicaId;
  gen: number;
  /** The fence it got; -1 before its claim. For `decided`: the revision of the action. */
  fence: number;
  step: Step;
  /** Read from the record at the claim. */
  verdict: 'none' | 'approve' | 'reject';
  /** Entries that it believes to be in the log. */
  head: number;
  /** Messages that its agent has heard: all before that number. */
  heard: number;
}

/** A generation: its real record, and what the other stores and the outside world know of it. */
export interface Gen {
  job: Job;
  key: string;
  leaseOver: boolean;
  logFence: number;
  /** Entries as `<fence><what>`, oldest first; null where logs lose nothing. */
  log: readonly string[] | null;
  /** Entries that were lost, as `<fence>.<seq><what>`. */
  lost: readonly string[];
  /** Terminal events of the log. */
  ends: readonly Outcome[];
  messageFence: number;
  message: 'none' | 'partial' | Outcome;
  /** Newest checkpoint thread that was adopted; older ones are never read again. */
  threadFence: number;
  /** 0: from the start, 1: at the gate, 2: the gated call has its result. */
  progress: 0 | 1 | 2;
  /** Messages that the checkpoint has: all before that number. */
  heard: number;
  /** Messages that were acknowledged to their sender. */
  accepted: number;
  pruned: boolean;
  /** Revision of the newest action that readers and approvers know of. */
  told: number;
  /** Real effects of the gated tool: outside, can't be fenced. */
  executions: number;
  /** Answers that were acknowledged to a person: `<actionId>:<decision>`. */
  acks: readonly string[];
  fault: string;
}

export interface World {
  gens: Gen[];
  procs: Proc[];
  crashes: number;
  stalls: number;
  drains: number;
  yes: number;
  no: number;
  aborts: number;
  turns: number;
  losses: number;
  failures: number;
  steers: number;
  /** Repairs that begin while another one is under way: a bound of the model, they need no bound to be right. */
  rivals: number;
  /** Revision of the action that a person has on the screen; 0: none. */
  sawYes: number;
  sawNo: number;
  /** Record that the sweeper read as expired and is about to act on. */
  stale: Job | null;
  /** Slots taken, where they are counted instead of derived. */
  counter: number;
}

export function firstWorld(setting: Setting): World {
  const { crashes, stalls, drains, yes, no, aborts, turns, losses, failures, steers } = setting;
  const first = newGen(queuedJob({ generationId: 'g0' }), setting.gated ? 0 : 2);
  return {
    gens: [losses > 0 ? { ...first, log: ['0c'] } : first],
    procs: [],
    crashes,
    stalls,
    drains,
    yes,
    no,
    aborts,
    turns,
    losses,
    failures,
    steers,
    rivals: losses,
    sawYes: 0,
    sawNo: 0,
    stale: null,
    counter: 0,
  };
}

/** `progress` 2: a turn without a gated call. */
export function newGen(job: Job, progress: 0 | 2): Gen {
  return {
    job,
    key: jobKey(job),
    leaseOver: false,
    logFence: 0,
    log: null,
    lost: [],
    ends: [],
    messageFence: 0,
    message: 'none',
    threadFence: 0,
    progress,
    heard: 0,
    accepted: 0,
    pruned: false,
    told: 0,
    executions: 0,
    acks: [],
    fault: '',
  };
}

/** A draft that a move may change: everything else in it is immutable. */
export function draftOf(world: World): World {
  return {
    ...world,
    gens: world.gens.map((gen) => ({ ...gen })),
    procs: world.procs.map((proc) => ({ ...proc })),
  };
}

const genKey = (gen: Gen): string =>
  `${gen.key}/${gen.leaseOver ? 1 : 0}.${gen.logFence}.${gen.messageFence}.${gen.threadFence}.${gen.progress}.${gen.pruned ? 1 : 0}.${gen.told}.${gen.executions}.${gen.heard}.${gen.accepted}${gen.message}${gen.ends.join('')}${gen.acks.join('')}${gen.fault}${logKey(gen)}`;

const logKey = ({ log, lost }: Gen): string =>
  log === null ? '' : `[${log.join()}-${lost.join()}]`;

function procsKey(procs: readonly Proc[], replica: ReplicaId): string {
  const keys: string[] = [];
  for (const proc of procs) {
    if (proc.replica === replica)
      keys.push(
        `${proc.gen}${proc.fence}${proc.step}${proc.verdict.charAt(0)}${proc.head}.${proc.heard}`,
      );
  }
  return keys.length > 1 ? keys.toSorted().join(',') : (keys[0] ?? '');
}

/** Worlds with the same key behave alike: replicas may be swapped, processes have no order. */
export function worldKey(world: World): string {
  const a = procsKey(world.procs, 0);
  const b = procsKey(world.procs, 1);
  const [first] = world.gens;
  const stale = world.stale
    ? `${jobKey(world.stale)}${first?.job.version === world.stale.version ? '=' : '!'}`
    : '';
  const { crashes, stalls, drains, yes, no, aborts, turns, sawYes, sawNo, counter } = world;
  const { losses, failures, rivals, steers } = world;
  return `${world.gens.map(genKey).join('|')}|${a < b ? `${a};${b}` : `${b};${a}`}|${stale}|${crashes}${stalls}${drains}${yes}${no}${aborts}${turns}${losses}${failures}${rivals}${steers}.${sawYes}.${sawNo}.${counter}`;
}
