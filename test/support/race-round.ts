import { expect } from '@jest/globals';
import { AppError } from '../../src/errors.ts';
import type { Aborted, Resumed, ResumeRequest, Started } from '../../src/stream/generations.ts';
import type { Decision, Resolution } from '../../src/stream/pending-action.ts';
import { ALICE, aRequest } from './heart.ts';
import { AS_ALICE, CALLS } from './paused.ts';
import { dawdle } from './race-stores.ts';
import { type RaceWorld, TTL } from './race-world.ts';
import type { Random } from './random.ts';

/** Everything that can come to a pause comes at once, at two hearts on one set of stores. */

const DECISIONS = ['approve', 'reject', 'edit'] as const;
type Decided = (typeof DECISIONS)[number];
type Kind = Decided | 'abort' | 'scan' | 'late' | 'turn';
const KINDS: Kind[] = [...DECISIONS, 'abort', 'scan', 'late', 'turn'];

type Told =
  | { kind: Decided | 'late'; resumed: Resumed }
  | { kind: Decided | 'late'; refused: AppError }
  | { kind: 'abort'; aborted: Aborted }
  | { kind: 'turn'; started: Started }
  | { kind: 'scan' };

interface Place {
  generationId: string;
  conversationId: string;
  actionId: string;
}

/** Pairs and triples; the same decision twice is the identical repeat. */
function contestants(random: Random): Kind[] {
  const count = random.between(2, 3);
  const drawn: Kind[] = [];
  while (drawn.length < count) {
    const kind = KINDS[random.between(0, KINDS.length - 1)];
    const again = kind === 'scan' || kind === 'turn';
    if (kind && !(again && drawn.includes(kind))) drawn.push(kind);
  }
  return drawn;
}

function answer(kind: Decided | 'late', { place, random }: Race): ResumeRequest {
  const { generationId, conversationId, actionId } = place;
  const decision = kind === 'late' ? 'approve' : kind;
  const decisions = CALLS.map(({ toolCallId, args }): Decision => ({
    toolCallId,
    decision,
    ...(decision === 'edit' && { editedArgs: { ...args, edited: true } }),
  }));
  if (random.next() < 0.5) decisions.reverse();
  return random.next() < 0.5
    ? { generationId, actionId, decisions }
    : { conversationId, actionId, decisions };
}

interface Race {
  world: RaceWorld;
  place: Place;
  random: Random;
}

async function contend(kind: Kind, race: Race): Promise<Told> {
  const { world, place, random } = race;
  const { generationId, conversationId } = place;
  const heart = world.anyHeart();
  // A new turn has a long way before it meets the others.
  await dawdle(random, kind === 'turn' ? 2 : 30);
  switch (kind) {
    case 'abort': {
      const target = random.next() < 0.5 ? { generationId } : { conversationId };
      return { kind, aborted: await heart.api.abort(ALICE, target) };
    }
    case 'turn': {
      const request = { ...aRequest(), text: 'never mind', conversationId };
      return { kind, started: await heart.api.start(ALICE, { ...request, onBusy: 'interrupt' }) };
    }
    case 'scan':
      world.stores.clock.jump(TTL + 1);
      heart.core.start();
      return { kind };
    case 'late':
      world.stores.clock.jump(TTL + 1);
      return decide(kind, race);
    case 'approve':
    case 'reject':
    case 'edit':
      return decide(kind, race);
    default:
      return kind satisfies never;
  }
}

async function decide(kind: Decided | 'late', race: Race): Promise<Told> {
  try {
    const heart = race.world.anyHeart();
    return { kind, resumed: await heart.api.resume(AS_ALICE, answer(kind, race)) };
  } catch (error) {
    if (error instanceof AppError) return { kind, refused: error };
    throw error;
  }
}

/** The decision that all calls got; undefined: nobody decided. */
function decidedAs({ verdict }: Resolution): string | undefined {
  return verdict && 'decisions' in verdict ? verdict.decisions[0]?.decision : undefined;
}

function checkTold(told: Told, winner: Resolution): void {
  const { actionId, outcome, decidedBy, decidedAt } = winner;
  if ('resumed' in told) {
    expect(decidedAs(winner)).toBe(told.kind === 'late' ? 'approve' : told.kind);
    return;
  }
  if (!('refused' in told)) return;
  const { code, details } = told.refused;
  if (code === 'ACTION_EXPIRED') {
    expect({ outcome, actionId: details?.['actionId'] }).toEqual({ outcome: 'expired', actionId });
    return;
  }
  expect({ code, details }).toEqual({
    code: 'ACTION_ALREADY_RESOLVED',
    details: { actionId, outcome, decidedBy, decidedAt },
  });
}

/** Exactly one winner, and everybody was told the same. */
function checkAnswers({ place }: Race, all: Told[], winner: Resolution): void {
  for (const told of all) checkTold(told, winner);
  const accepted = all.filter((it) => 'resumed' in it && !it.resumed.repeated);
  expect(accepted).toHaveLength(winner.outcome === 'decided' ? 1 : 0);
  const { generationId } = place;
  const stopped = all.filter(
    (it) =>
      'aborted' in it && !it.aborted.alreadyFinished && it.aborted.generationId === generationId,
  );
  if (winner.outcome === 'aborted') expect(stopped).toHaveLength(1);
  if (winner.outcome === 'expired') {
    expect(all.some(({ kind }) => kind === 'scan' || kind === 'late')).toBe(true);
  }
}

async function checkLog({ world, place }: Race, winner: Resolution, early: boolean): Promise<void> {
  const log = await world.log(place.generationId);
  const of = (type: string) => log.filter((event) => event['type'] === type);
  const asked = of('pending_action').length;
  const { actionId, outcome, decidedBy } = winner;
  // What ended before it was announced may stay unknown to readers, but never half known.
  if (!early) expect(asked).toBe(1);
  expect(of('action_resolved')).toMatchObject(
    asked === 0 ? [] : [{ actionId, outcome, decidedBy }],
  );
  expect(of('done')).toHaveLength(1);
  expect(log.at(-1)?.['type']).toBe('done');
  expect(log.map((event) => event['seq'])).toEqual(log.map((_event, index) => index + 1));
}

function checkRuns({ world, place }: Race, winner: Resolution): void {
  const { generationId } = place;
  const [first, ...resumed] = world.runs
    .map(({ request }) => request)
    .filter((request) => request.generationId === generationId)
    .toSorted((a, b) => a.fence - b.fence);
  expect(first?.entry).toEqual({ kind: 'start' });
  expect(resumed.length).toBeLessThanOrEqual(winner.outcome === 'decided' ? 1 : 0);
  for (const { entry } of resumed) {
    expect(entry).toMatchObject({ kind: 'continue', answered: { verdict: winner.verdict } });
  }
  const as = decidedAs(winner);
  const may = as === 'approve' || as === 'edit' ? CALLS.length : 0;
  const ids = world.effects.map(({ toolCallId }) => toolCallId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.length).toBeLessThanOrEqual(may);
}

/** What the next provider is sent has a result for each call. */
function checkNextTurn({ world }: Race, all: Told[]): void {
  for (const told of all) {
    if (!('started' in told)) continue;
    const run = world.runs.find((it) => it.request.generationId === told.started.generationId);
    const parts = run?.request.history.flatMap(({ content }) => content) ?? [];
    for (const part of parts) {
      if (part.type !== 'tool_call') continue;
      expect(['ok', 'error', 'rejected', 'outcome_unknown']).toContain(part.status);
    }
  }
}

async function checkNothingLeft({ world, place }: Race, winner: Resolution): Promise<void> {
  const { jobs, approvals } = world.stores;
  expect(await world.live(place.conversationId)).toEqual([]);
  expect(await jobs.liveByOwner(ALICE, 10)).toEqual([]);
  expect(await world.pendingApprovals()).toBe(0);
  expect((await approvals.get(place.actionId))?.status).toBe(winner.outcome);
  const audit = await approvals.audit(place.actionId);
  const approved = audit.flatMap(({ event, details }) =>
    event === 'decided' ? JSON.stringify(details).match(/"approvedArgs"/g)?.length : [],
  );
  const as = decidedAs(winner);
  if (as === 'approve' || as === 'edit') expect(approved).toEqual([CALLS.length]);
  const trail = audit.map(({ event }) => event);
  expect(trail.filter((event) => event !== 'executed').toSorted()).toEqual(
    ['proposed', winner.outcome].toSorted(),
  );
  expect(world.complaints).toEqual([]);
}

/** Plays one race in a world of its own, which it closes. Resolves with who won. */
export async function playRound(world: RaceWorld): Promise<string> {
  const { random } = world;
  try {
    const early = random.next() < 0.3;
    const { action, ...ids } = await world.pause({ early });
    const race: Race = { world, random, place: { ...ids, actionId: action.actionId } };
    const kinds = contestants(random);
    const told = await Promise.all(kinds.map((kind) => contend(kind, race)));
    await world.gauge.quiet();
    const job = await world.job(ids.generationId);
    const [winner, ...more] = job.resolutions;
    const nobody = kinds.every((kind) => kind === 'abort' || kind === 'turn');
    if (!winner) throw new Error(`nobody won of ${kinds.join(', ')}${nobody ? '' : ' at all'}`);
    try {
      expect(more).toEqual([]);
      checkAnswers(race, told, winner);
      await checkLog(race, winner, early);
      checkRuns(race, winner);
      checkNextTurn(race, told);
      await checkNothingLeft(race, winner);
    } catch (cause) {
      throw new Error(`${kinds.join(', ')}${early ? ', early' : ''}: ${winner.outcome}`, { cause });
    }
    return winner.outcome;
  } finally {
    await world.close();
  }
}
