import { actor, decided, queuedJob, said, steerOf } from '../../support/jobs-sim.ts';
import { isLive, type Job } from '../../../src/stream/job.ts';
import type { DecisionKind } from '../../../src/stream/pending-action.ts';
import type { Mechanisms } from './mechanisms.ts';
import { finaliseIfDue, spawn } from './replicas.ts';
import { compareAndSet, genAt, move } from './stores.ts';
import { expiryOf } from './takeover.ts';
import type { Scene } from './moves.ts';
import { newGen, REPLICAS, type ReplicaId, type World } from './world.ts';

/** What people do, and the sweeper that acts where they do not. Only the first generation has a gated call. */

export function clientMoves(scene: Scene): void {
  looks(scene);
  answers(scene);
  aborts(scene);
  turns(scene);
  steers(scene);
  expiries(scene);
}

/** A person has an action on the screen for as long as it likes. */
function looks(scene: Scene): void {
  const { job } = genAt(scene.world, 0);
  if (job.status !== 'paused') return;
  const { revision } = job;
  const { yes, no, sawYes, sawNo } = scene.world;
  if (yes > 0 && sawYes !== revision)
    scene.add(`A reads action ${revision}`, 'client', (draft) => {
      draft.sawYes = revision;
      return true;
    });
  if (no > 0 && sawNo !== revision)
    scene.add(`B reads action ${revision}`, 'client', (draft) => {
      draft.sawNo = revision;
      return true;
    });
}

function answers(scene: Scene): void {
  const { yes, no, sawYes, sawNo } = scene.world;
  if (yes > 0 && sawYes > 0)
    for (const decision of ['approve', 'retry'] as const) {
      answer(scene, { person: 'A', revision: sawYes, decision }, (draft) => {
        draft.yes -= 1;
        draft.sawYes = 0;
      });
    }
  if (no > 0 && sawNo > 0)
    for (const decision of ['reject', 'skip', 'done'] as const) {
      answer(scene, { person: 'B', revision: sawNo, decision }, (draft) => {
        draft.no -= 1;
        draft.sawNo = 0;
      });
    }
}

interface Answer {
  person: string;
  revision: number;
  decision: DecisionKind;
}

/** Answers that the pending action does not allow are refused before the state table is asked. */
function allowed(job: Job, { revision, decision }: Answer): boolean {
  if (job.status !== 'paused' || job.revision !== revision) return true;
  const { action } = job;
  if (!('requests' in action)) return false;
  return action.requests.every((request) => request.allowedDecisions.includes(decision));
}

function answer(scene: Scene, given: Answer, spend: (draft: World) => void): void {
  const { m } = scene;
  const { person, revision, decision } = given;
  if (!allowed(genAt(scene.world, 0).job, given)) return;
  const label = `${person} says ${decision} to action ${revision}`;
  const ack = (draft: World): void => {
    const gen = genAt(draft, 0);
    gen.acks = [...gen.acks, `a${revision}:${decision}`];
  };
  if (m.durableDecision) {
    const verdict = { decisions: [said('c1', decision)] };
    const resolution = decided(`a${revision}`, verdict, person);
    scene.add(label, 'client', (draft) => {
      spend(draft);
      if (move(m, draft, 0, { type: 'decide', resolution, now: 0 })) ack(draft);
      return true;
    });
    return;
  }
  for (const replica of REPLICAS) {
    scene.add(`${label} via R${replica}`, 'client', (draft) => {
      spend(draft);
      const { job } = genAt(draft, 0);
      if (job.status !== 'paused' || job.revision !== revision) return true;
      ack(draft);
      return keepInMemory(draft, { replica, revision, decision });
    });
  }
}

function keepInMemory(
  draft: World,
  given: { replica: ReplicaId; revision: number; decision: DecisionKind },
): boolean {
  const { replica, revision, decision } = given;
  if (!spawn(draft, { replica, gen: 0, fence: revision, step: 'decided' })) return false;
  const proc = draft.procs.at(-1);
  if (proc) proc.verdict = decision === 'approve' ? 'approve' : 'reject';
  return true;
}

function stop(
  m: Mechanisms,
  draft: World,
  target: { gen: number; replica: ReplicaId; type: 'abort' | 'supersede' },
): boolean {
  const { gen, replica, type } = target;
  if (!move(m, draft, gen, { type, actor: actor(), by: 'u' })) return false;
  return finaliseIfDue(draft, gen, replica);
}

function aborts(scene: Scene): void {
  if (scene.world.aborts === 0) return;
  scene.world.gens.forEach((_gen, gen) => {
    for (const replica of REPLICAS) {
      scene.add(`abort of g${gen} via R${replica}`, 'client', (draft) => {
        draft.aborts -= 1;
        return stop(scene.m, draft, { gen, replica, type: 'abort' });
      });
    }
  });
}

/** A second turn waits behind the first (`enqueue`), and may then stop it (`interrupt`). */
function turns(scene: Scene): void {
  const { m, world } = scene;
  if (world.gens.length === 1 && world.turns > 0) {
    const free = !isLive(genAt(world, 0).job);
    scene.add('second turn is inserted', 'client', (draft) => {
      draft.turns -= 1;
      const job = queuedJob({ generationId: 'g1', lane: free ? 'active' : 'waiting' });
      draft.gens.push(newGen(job, 2));
      return true;
    });
  }
  if (world.gens.length === 1) return;
  for (const replica of REPLICAS) {
    scene.add(`second turn supersedes the first via R${replica}`, 'client', (draft) =>
      stop(m, draft, { gen: 0, replica, type: 'supersede' }),
    );
  }
}

/** A message for the answer that is being made; where it is refused it waits its turn like any other. */
function steers(scene: Scene): void {
  const { m, world } = scene;
  if (world.steers === 0) return;
  scene.add('a message comes', 'client', (draft) => {
    draft.steers -= 1;
    const gen = genAt(draft, 0);
    const steer = steerOf(`s${gen.accepted}`);
    if (move(m, draft, 0, { type: 'steer', steer })) gen.accepted += 1;
    return true;
  });
}

/** The sweeper reads, and writes later: on what it read, or on what is there by then if somebody was faster. */
function expiries(scene: Scene): void {
  const { m, setting, world } = scene;
  const { job } = genAt(world, 0);
  const { stale } = world;
  if (stale === null) {
    if (job.status !== 'paused') return;
    scene.add(`sweeper reads action ${job.revision} as expired`, 'timer', (draft) => {
      draft.stale = job;
      return true;
    });
    return;
  }
  for (const replica of REPLICAS) {
    scene.add(`sweeper of R${replica} expires what it read`, 'timer', (draft) => {
      draft.stale = null;
      expire(m, draft, { read: stale, policy: setting.expiry });
      return finaliseIfNew(world, draft, replica);
    });
  }
}

function finaliseIfNew(world: World, draft: World, replica: ReplicaId): boolean {
  const changed = genAt(world, 0).job !== genAt(draft, 0).job;
  return changed ? finaliseIfDue(draft, 0, replica) : true;
}

function expire(
  m: Mechanisms,
  draft: World,
  { read, policy }: { read: Job; policy: 'fail' | 'reject' },
): void {
  if (read.status !== 'paused') return;
  const now = Date.parse(expiryOf(read.revision));
  const command = {
    type: 'expire' as const,
    actionId: read.action.actionId,
    policy,
    actor: actor(now),
  };
  const result = m.transition(read, command);
  if (result.outcome === 'refused') return;
  const gen = genAt(draft, 0);
  const { revision } = gen.job;
  const wasFresh = gen.job.status === 'paused' && revision > read.revision;
  const put = compareAndSet(m, draft, { gen: 0, next: result.job, expected: read.version });
  const moved = put === 'stored' || (put === 'stale' && move(m, draft, 0, command));
  if (moved && wasFresh) gen.fault = 'fresh action expired';
}
