import { expect } from '@jest/globals';
import { type ApiAnswer, getJson, request, turnOf } from './api.ts';
import {
  actionIdOf,
  callId,
  callsOf,
  decideAll,
  ledgerLines,
  type LedgerLine,
  resume,
  sleep,
  WaitingTurn,
  within,
} from './race-client.ts';
import { type Random, seeded } from './random.ts';
import { isShape, list, object, type Shape, text } from './shape.ts';
import { readAll } from './truth.ts';

/** Everything that can come to a pause at once, through HTTP, at any replica. */

/** Where races take place. */
export interface Arena {
  urls: readonly string[];
  /** Files to which the demo tools of each replica write. */
  ledgers: readonly string[];
  /** Ends all readers. */
  signal: AbortSignal;
  /** How long anything may take, ms. */
  patience: number;
}

function anyOf({ urls }: Arena, random: Random): string {
  return urls[random.between(0, urls.length - 1)] ?? '';
}

const COMMANDS = ['approve', 'approve 2', 'approve 3', 'strict', 'sub'];
const ANSWERS = ['approve', 'reject', 'edit', 'respond'] as const;
type Kind = (typeof ANSWERS)[number] | 'abort' | 'turn';

interface Sent {
  kind: Kind;
  answer: ApiAnswer;
}

interface Race {
  arena: Arena;
  random: Random;
  watched: WaitingTurn;
  action: Shape;
  /** How long a turn takes to be accepted, ms. */
  way: number;
}

/** Pairs and triples; the same answer twice is the identical repeat. */
function contestants(random: Random, command: string): Kind[] {
  const strict = command === 'strict';
  const kinds: Kind[] = [...(strict ? ANSWERS.slice(0, 2) : ANSWERS), 'abort', 'turn'];
  const drawn: Kind[] = [];
  const count = random.between(2, 3);
  while (drawn.length < count) {
    const kind = kinds[random.between(0, kinds.length - 1)];
    if (kind && !(kind === 'turn' && drawn.includes(kind))) drawn.push(kind);
  }
  return drawn;
}

function bodyOf(kind: (typeof ANSWERS)[number], { action, random }: Race): Shape {
  const said = { decision: kind, ...(kind === 'respond' && { responseText: 'I did it' }) };
  const body = decideAll(action, said);
  const decisions = list(body['decisions']).filter(isShape);
  if (kind === 'edit') {
    for (const [index, call] of callsOf(action).entries()) {
      const args = object(call['args']);
      Object.assign(decisions[index] ?? {}, { editedArgs: { ...args, subject: 'edited' } });
    }
  }
  if (random.next() < 0.5) decisions.reverse();
  return { ...body, decisions };
}

function send(kind: Kind, race: Race): Promise<ApiAnswer> {
  const { generationId, conversationId } = race.watched.turn;
  const baseUrl = anyOf(race.arena, race.random);
  if (kind === 'abort')
    return request(baseUrl, { path: '/api/chat/abort', body: { generationId } });
  if (kind === 'turn') {
    const body = { text: 'say 2 0 next', conversationId, onBusy: 'interrupt' };
    return request(baseUrl, { path: '/api/chat', body });
  }
  return resume(baseUrl, bodyOf(kind, race));
}

/** The decision that each of its calls got. */
function saidIn(resolved: Shape): unknown {
  const { decisions } = resolved;
  return Array.isArray(decisions) ? object(decisions[0])['decision'] : undefined;
}

/** PROTOCOL.md section 4: what each one who answered must have been told. */
function checkTold({ kind, answer }: Sent, resolved: Shape): void {
  const { status, json } = answer;
  if (kind === 'abort') return expect(status).toBe(200);
  if (kind === 'turn') return expect(status).toBe(202);
  if (status === 202 || status === 200) {
    return expect({ outcome: resolved['outcome'], as: saidIn(resolved) }).toEqual({
      outcome: 'decided',
      as: kind,
    });
  }
  const error = object(json['error'], answer.text);
  if (status === 410) {
    expect(error['code']).toBe('ACTION_EXPIRED');
    return expect(resolved['outcome']).toBe('expired');
  }
  const { actionId, outcome, decidedBy, decidedAt } = resolved;
  expect({ status, code: error['code'], details: error['details'] }).toEqual({
    status: 409,
    code: 'ACTION_ALREADY_RESOLVED',
    details: { actionId, outcome, decidedBy, decidedAt },
  });
}

function checkWinner(sent: Sent[], resolved: Shape): void {
  const { outcome } = resolved;
  const accepted = sent.filter(({ kind, answer }) => kind !== 'turn' && answer.status === 202);
  expect(accepted).toHaveLength(outcome === 'decided' ? 1 : 0);
  if (outcome === 'aborted') {
    const stopped = sent.filter(
      ({ kind, answer }) => kind === 'abort' && answer.json['alreadyFinished'] === false,
    );
    expect(stopped).toHaveLength(1);
  }
}

/** What ran is what was allowed: each call once with the approved arguments, or not at all. */
function checkLedger(lines: LedgerLine[], { action }: Race, end: { resolved: Shape; done: Shape }) {
  const said = saidIn(end.resolved);
  const gated = callsOf(action);
  const whole = end.done['status'] === 'completed';
  for (const call of gated) {
    const mine = lines.filter(({ toolCallId }) => toolCallId === callId(call));
    if (said === 'approve' || said === 'edit') {
      expect(mine.length).toBeLessThanOrEqual(1);
      if (whole) expect(mine).toHaveLength(1);
      const args = object(call['args']);
      const approved = said === 'edit' ? { ...args, subject: 'edited' } : args;
      for (const line of mine) expect(line.args).toEqual(approved);
    } else expect(mine).toEqual([]);
  }
  const others = lines.filter(({ toolCallId }) => !gated.some((it) => callId(it) === toolCallId));
  // The ungated call of the batch: after the decision, once, whatever it was.
  const decided = end.resolved['outcome'] === 'decided';
  expect(others.length).toBeLessThanOrEqual(decided && gated.length > 1 ? 1 : 0);
  if (whole && gated.length > 1) expect(others).toHaveLength(1);
}

async function checkTrail({ watched, action }: Race, resolved: Shape): Promise<void> {
  const approval = await getJson(watched.baseUrl, `/api/approvals/${actionIdOf(action)}`);
  expect(approval['status']).toBe(resolved['outcome']);
  const events = list(approval['audit']).map((entry) => object(entry)['event']);
  expect(events.filter((event) => event !== 'executed')).toEqual(['proposed', resolved['outcome']]);
}

async function playRace(race: Race, kinds: Kind[], from: () => Promise<void>): Promise<string> {
  const { watched, action, random } = race;
  const { patience } = race.arena;
  const sent = await Promise.all(
    kinds.map(async (kind): Promise<Sent> => {
      await from();
      // A new turn has a long way before it meets the others, who would always be first.
      const head = kinds.includes('turn') && kind !== 'turn' ? 3 * race.way : 12;
      await sleep(random.between(0, head));
      return { kind, answer: await send(kind, race) };
    }),
  );
  const what = (): string =>
    `${kinds.join(', ')} at ${JSON.stringify(sent.map((it) => it.answer.text))}: ${watched.heard}`;
  const { done, frames } = await within(watched.read, patience, what);
  const resolutions = frames.filter(({ event }) => event === 'action_resolved');
  expect(resolutions.map(({ data }) => data['actionId'])).toEqual([actionIdOf(action)]);
  const resolved = object(resolutions[0]?.data);
  for (const each of sent) checkTold(each, resolved);
  checkWinner(sent, resolved);
  const { generationId } = watched.turn;
  const lines = race.arena.ledgers.flatMap((file) => ledgerLines(file));
  checkLedger(
    lines.filter((line) => line.generationId === generationId),
    race,
    { resolved, done: done.data },
  );
  await checkTrail(race, resolved);
  for (const { kind, answer } of sent) {
    if (kind !== 'turn') continue;
    const next = await within(readAll(watched.baseUrl, turnOf(answer.json)), patience, what);
    expect(['completed', 'aborted']).toContain(next.done.data['status']);
  }
  return text(resolved['outcome']);
}

async function playRound(arena: Arena, seed: number, expiry: boolean): Promise<string> {
  const random = seeded(seed);
  const command = COMMANDS[random.between(0, COMMANDS.length - 1)] ?? 'approve';
  const kinds = contestants(random, command);
  const began = Date.now();
  const watched = await WaitingTurn.start(anyOf(arena, random), {
    body: { text: command },
    signal: arena.signal,
  });
  const way = Date.now() - began;
  const action = await within(
    watched.asked(),
    arena.patience,
    () => `${command}: ${watched.heard}`,
  );
  if (!action) throw new Error(`${command} did not ask`);
  const last = Date.parse(text(action['expiresAt']));
  const aim = async (): Promise<void> => {
    // Some in time, some late.
    if (expiry) await sleep(Math.max(0, last - Date.now() - 10 + random.between(-8, 8)));
  };
  try {
    return await playRace({ arena, random, watched, action, way }, kinds, aim);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : '';
    throw new Error(`RACE_SEED=${seed}: ${command}: ${kinds.join(', ')}: ${why}`, { cause });
  }
}

/** Plays them all, some at once. Resolves with how often each outcome won; an error names the seed. */
export async function playRaces(
  arena: Arena,
  rounds: { from: number; count: number; atOnce: number; expiry: boolean },
): Promise<Map<string, number>> {
  const won = new Map<string, number>();
  let next = rounds.from;
  const player = async (): Promise<void> => {
    while (next < rounds.from + rounds.count) {
      const seed = next;
      next += 1;
      const outcome = await playRound(arena, seed, rounds.expiry);
      won.set(outcome, (won.get(outcome) ?? 0) + 1);
    }
  };
  const players = Array.from({ length: rounds.atOnce }, () =>
    player().finally(() => {
      // After a failure nobody begins another round.
      next = Infinity;
    }),
  );
  await Promise.allSettled(players);
  await Promise.all(players);
  return won;
}
