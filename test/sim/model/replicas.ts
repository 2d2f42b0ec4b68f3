import type { Command } from '../../../src/stream/transition-command.ts';
import { actor } from '../../support/jobs-sim.ts';
import { takeStep } from './process-steps.ts';
import { isShort } from './repair-steps.ts';
import { compareAndSet, genAt, hasSlot, lose, move } from './stores.ts';
import { takeover } from './takeover.ts';
import type { Scene } from './moves.ts';
import { REPLICAS, type Gen, type Proc, type ReplicaId, type World } from './world.ts';

/** What replicas do by themselves, and what may happen to them. */

/** Runs a replica may have at a time. */
export const SLOTS = 1;
/** A bound of the model, not of Holdfast: more processes at a time are not explored. */
const MAX_PROCS = 4;

export function replicaMoves(scene: Scene): void {
  scene.world.gens.forEach((gen, index) => {
    claims(scene, gen, index);
    leases(scene, gen, index);
    scans(scene, gen, index);
    losses(scene, gen, index);
  });
  scene.world.procs.forEach((proc, index) => {
    steps(scene, proc, index);
  });
  crashes(scene);
}

export function spawn(world: World, proc: Omit<Proc, 'verdict' | 'head' | 'heard'>): boolean {
  if (world.procs.length >= MAX_PROCS) return false;
  world.procs.push({ ...proc, verdict: 'none', head: 0, heard: 0 });
  return true;
}

/** Processes that hold a slot of a replica. */
export function slotsTaken(world: World, replica: ReplicaId): number {
  let taken = 0;
  for (const proc of world.procs) if (proc.replica === replica && hasSlot(proc)) taken += 1;
  return taken;
}

/** A queued job of the active lane and a free slot: the claim itself comes later, others may be faster. */
function claims(scene: Scene, gen: Gen, index: number): void {
  const { job } = gen;
  const { m, world } = scene;
  if (job.status !== 'queued' || job.lane !== 'active') return;
  for (const replica of REPLICAS) {
    const taken = m.derivedSlots ? slotsTaken(world, replica) : world.counter;
    if (taken >= SLOTS) continue;
    scene.add(`R${replica} takes a slot for g${index}`, 'system', (draft) => {
      if (!m.derivedSlots) draft.counter += 1;
      return spawn(draft, { replica, gen: index, fence: -1, step: 'claim' });
    });
  }
}

/** Nobody renews the lease of a dead owner; a stalled one may be late, and come back. */
function leases(scene: Scene, gen: Gen, index: number): void {
  const { job } = gen;
  if (!('lease' in job) || job.lease === null) return;
  const { fence } = job;
  const alive = scene.world.procs.some((proc) => proc.gen === index && proc.fence === fence);
  if (gen.leaseOver) {
    if (!alive) return;
    scene.add(`stalled owner of g${index} renews its lease`, 'system', (draft) =>
      move(scene.m, draft, index, { type: 'heartbeat', fence, actor: actor() }),
    );
    return;
  }
  const expire = (draft: World): boolean => {
    genAt(draft, index).leaseOver = true;
    return true;
  };
  if (!alive) return scene.add(`lease of g${index} ends, owner dead`, 'system', expire);
  if (scene.world.stalls === 0) return;
  scene.add(`lease of g${index} ends, owner stalled`, 'fault', (draft) => {
    draft.stalls -= 1;
    return expire(draft);
  });
}

/** The supervisor of every replica: it tries whatever the status invites, the state table decides. */
function scans(scene: Scene, gen: Gen, index: number): void {
  const { job } = gen;
  const until = 'lease' in job ? (job.lease?.leaseUntil ?? 0) : 0;
  const now = gen.leaseOver ? until : until - 1;
  switch (job.status) {
    case 'running':
      return attempt(scene, index, takeover(job, scene.setting, { now }));
    case 'finalizing':
      return attempt(scene, index, { type: 'take_finalising', actor: actor(now) });
    case 'paused':
      reminds(scene, gen, index);
      restores(scene, gen, index);
      return attempt(scene, index, { type: 'late_result', now: 0 });
    case 'queued':
      return attempt(scene, index, { type: 'promote' });
    case 'finished':
      return undefined;
    default:
      return job satisfies never;
  }
}

/** Which replica it is matters only where the next step is its own. */
function attempt(scene: Scene, index: number, command: Command): void {
  const { m, world } = scene;
  const { job } = genAt(world, index);
  const result = m.transition(job, command);
  if (result.outcome === 'refused') return;
  const write = { gen: index, next: result.job, expected: job.version };
  const goesOn = result.job.status === 'finalizing' || result.job.status === 'paused';
  for (const replica of goesOn ? REPLICAS : ([0] as const)) {
    scene.add(`R${replica} sends ${command.type} to g${index}`, 'system', (draft) => {
      return compareAndSet(m, draft, write) === 'stored' && goOn(draft, index, replica);
    });
  }
}

function goOn(draft: World, index: number, replica: ReplicaId): boolean {
  const { job } = genAt(draft, index);
  if (job.status !== 'paused') return finaliseIfDue(draft, index, replica);
  return spawn(draft, { replica, gen: index, fence: job.fence, step: 'announce' });
}

/** What a replica that died did not tell, another one does; and that an action expires soon. */
function reminds(scene: Scene, gen: Gen, index: number): void {
  const { job, leaseOver } = gen;
  if (job.status !== 'paused') return;
  if (scene.m.reminds && job.lease !== null && leaseOver) {
    for (const replica of REPLICAS) {
      scene.add(`R${replica} announces g${index} instead`, 'system', (draft) =>
        goOn(draft, index, replica),
      );
    }
  }
  if (job.warnAt !== null) {
    const { actionId } = job.action;
    scene.add(`g${index} is warned of`, 'timer', (draft) =>
      move(scene.m, draft, index, { type: 'warned', actionId }),
    );
  }
}

const REPAIRS = new Set(['refence', 'rewrite']);

/** A reader comes back to a pause whose log is short: T17, and then the log is written again. */
function restores(scene: Scene, gen: Gen, index: number): void {
  const { m, world } = scene;
  const { job } = gen;
  if (!m.restores || job.status !== 'paused' || !isShort(gen)) return;
  const rival = world.procs.some((proc) => proc.gen === index && REPAIRS.has(proc.step));
  if (rival && world.rivals === 0) return;
  const { actionId } = job.action;
  for (const replica of REPLICAS) {
    scene.add(`R${replica} finds the log of g${index} short`, 'system', (draft) => {
      if (rival) draft.rivals -= 1;
      if (!move(m, draft, index, { type: 'restore_log', actionId })) return false;
      const { fence } = genAt(draft, index).job;
      return spawn(draft, { replica, gen: index, fence, step: 'refence' });
    });
  }
}

/** The store of logs was wiped, or fell back to a replica that lagged. */
function losses(scene: Scene, { log }: Gen, index: number): void {
  if (scene.world.losses === 0 || log === null || log.length === 0) return;
  for (const keep of new Set([0, log.length - 1])) {
    scene.add(`log of g${index} keeps ${keep} of ${log.length}`, 'fault', (draft) => {
      draft.losses -= 1;
      lose(genAt(draft, index), keep);
      return true;
    });
  }
}

/** Whoever ends a job finalises it, in a process that can be killed before its first step. */
export function finaliseIfDue(draft: World, index: number, replica: ReplicaId): boolean {
  const { job } = genAt(draft, index);
  if (job.status !== 'finalizing') return true;
  return spawn(draft, { replica, gen: index, fence: job.fence, step: 'seal' });
}

const BOUNDARIES = new Set(['adopt', 'token1', 'partial', 'toolStart', 'hear', 'token2']);

function steps(scene: Scene, proc: Proc, index: number): void {
  const { m, setting, world } = scene;
  const label = `R${proc.replica} g${proc.gen} fence ${proc.fence}: ${proc.step}`;
  scene.add(label, 'system', (draft) => {
    const own = draft.procs[index];
    if (own) takeStep({ m, setting, world: draft, proc: own, gen: genAt(draft, own.gen) });
    return true;
  });
  failures(scene, proc, index);
  if (world.drains === 0 || !BOUNDARIES.has(proc.step)) return;
  scene.add(`${label}, but hands over`, 'fault', (draft) => {
    draft.drains -= 1;
    draft.procs.splice(index, 1);
    return move(m, draft, proc.gen, { type: 'hand_over', fence: proc.fence, now: 0 });
  });
}

const RUNNING = new Set([...BOUNDARIES, 'checkpoint1', 'toolRun', 'toolDone', 'checkpoint2']);
/** A tool does not stop because its driver did. */
const OUTSIDE = new Set(['toolRun', 'toolDone']);

function failures(scene: Scene, proc: Proc, index: number): void {
  const { m, setting, world } = scene;
  const { replica, gen, fence, step } = proc;
  if (world.failures === 0 || !RUNNING.has(step)) return;
  scene.add(`R${replica} g${gen} fence ${fence}: ${step}, but gives up`, 'fault', (draft) => {
    draft.failures -= 1;
    const { job } = genAt(draft, gen);
    if (!move(m, draft, gen, takeover(job, setting, { now: 0, fence }))) return false;
    if (!OUTSIDE.has(step)) draft.procs.splice(index, 1);
    return goOn(draft, gen, replica);
  });
}

function crashes(scene: Scene): void {
  if (scene.world.crashes === 0) return;
  for (const replica of REPLICAS) {
    if (!scene.world.procs.some((proc) => proc.replica === replica)) continue;
    scene.add(`kill -9 R${replica}`, 'fault', (draft) => {
      draft.crashes -= 1;
      draft.procs = draft.procs.filter((proc) => proc.replica !== replica);
      return true;
    });
  }
}
