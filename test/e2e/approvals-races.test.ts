import { afterAll, describe, expect, test } from '@jest/globals';
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { activeGenerations, type ApiAnswer, getJson, request, turnOf } from '../support/api.ts';
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
} from '../support/race-client.ts';
import { type Random, seeded } from '../support/random.ts';
import { type ServerProcess, useServers } from '../support/server-process.ts';
import { isShape, list, object, type Shape, text } from '../support/shape.ts';
import { readAll } from '../support/truth.ts';

/** Everything that can come to a pause at once, through HTTP. RACE_SEED plays the same races again. */

const SEED = Number(process.env['RACE_SEED'] ?? 1);
const ROUNDS = Number(process.env['RACE_HTTP_ROUNDS'] ?? 380);
const EXPIRY_ROUNDS = Number(process.env['RACE_HTTP_EXPIRY_ROUNDS'] ?? 140);
const AT_ONCE = 20;
const TTL_MS = 1_500;
const PATIENCE_MS = 15_000;
const ROOM = {
  MAX_GENERATIONS_PER_USER: '1000',
  MAX_STREAMS_PER_USER: '1000',
  DEMO_LEDGER: 'ledger.jsonl',
};

const COMMANDS = ['approve', 'approve 2', 'approve 3', 'strict', 'sub'];
const ANSWERS = ['approve', 'reject', 'edit', 'respond'] as const;
type Kind = (typeof ANSWERS)[number] | 'abort' | 'turn';

interface Sent {
  kind: Kind;
  answer: ApiAnswer;
}

interface Race {
  server: ServerProcess;
  random: Random;
  watched: WaitingTurn;
  action: Shape;
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
  const { watched } = race;
  const { baseUrl, turn } = watched;
  const { generationId, conversationId } = turn;
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
  const sent = await Promise.all(
    kinds.map(async (kind): Promise<Sent> => {
      await from();
      await sleep(random.between(0, 12));
      return { kind, answer: await send(kind, race) };
    }),
  );
  const what = (): string =>
    `${kinds.join(', ')} at ${JSON.stringify(sent.map((it) => it.answer.text))}`;
  const { done, frames } = await within(watched.read, PATIENCE_MS, what);
  const resolutions = frames.filter(({ event }) => event === 'action_resolved');
  expect(resolutions.map(({ data }) => data['actionId'])).toEqual([actionIdOf(action)]);
  const resolved = object(resolutions[0]?.data);
  for (const each of sent) checkTold(each, resolved);
  checkWinner(sent, resolved);
  const { generationId } = watched.turn;
  const lines = ledgerLines(join(race.server.dataDir, 'ledger.jsonl'));
  checkLedger(
    lines.filter((line) => line.generationId === generationId),
    race,
    { resolved, done: done.data },
  );
  await checkTrail(race, resolved);
  for (const { kind, answer } of sent) {
    if (kind !== 'turn') continue;
    const next = await within(readAll(watched.baseUrl, turnOf(answer.json)), PATIENCE_MS, what);
    expect(['completed', 'aborted']).toContain(next.done.data['status']);
  }
  return text(resolved['outcome']);
}

const quit = new AbortController();
setMaxListeners(0, quit.signal);

async function playRound(server: ServerProcess, seed: number, expiry: boolean): Promise<string> {
  const random = seeded(seed);
  const command = COMMANDS[random.between(0, COMMANDS.length - 1)] ?? 'approve';
  const kinds = contestants(random, command);
  const watched = await WaitingTurn.start(server.baseUrl, {
    body: { text: command },
    signal: quit.signal,
  });
  const action = await within(watched.asked(), PATIENCE_MS, () => command);
  if (!action) throw new Error(`${command} did not ask`);
  const last = Date.parse(text(action['expiresAt']));
  const aim = async (): Promise<void> => {
    // Some in time, some late.
    if (expiry) await sleep(Math.max(0, last - Date.now() - 10 + random.between(-8, 8)));
  };
  try {
    return await playRace({ server, random, watched, action }, kinds, aim);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : '';
    throw new Error(`RACE_SEED=${seed}: ${command}: ${kinds.join(', ')}: ${why}`, { cause });
  }
}

async function playAll(
  server: ServerProcess,
  rounds: { from: number; count: number; atOnce: number; expiry: boolean },
): Promise<Map<string, number>> {
  const won = new Map<string, number>();
  let next = rounds.from;
  const player = async (): Promise<void> => {
    while (next < rounds.from + rounds.count) {
      const seed = next;
      next += 1;
      const outcome = await playRound(server, seed, rounds.expiry);
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

async function checkNothingLeft({ baseUrl }: ServerProcess): Promise<void> {
  expect(await activeGenerations(baseUrl)).toEqual([]);
  expect(await getJson(baseUrl, '/api/approvals')).toEqual({ items: [], nextCursor: null });
}

describe('whoever comes to a pause through HTTP', () => {
  const servers = useServers();
  afterAll(() => quit.abort());

  test(`has one winner in ${ROUNDS} races, and every loser is told`, async () => {
    const server = await servers.start(ROOM);
    const rounds = { from: SEED, count: ROUNDS, atOnce: AT_ONCE, expiry: false };
    const won = await playAll(server, rounds);

    for (const outcome of ['decided', 'aborted', 'superseded'])
      expect(won.get(outcome)).toBeGreaterThan(ROUNDS / 60);
    await checkNothingLeft(server);
    expect(server.output()).not.toContain('"level":"error"');
  }, 120_000);

  test(`has one winner in ${EXPIRY_ROUNDS} races with time`, async () => {
    const env = { APPROVAL_TTL: `${TTL_MS}ms`, SCAN_INTERVAL: '50ms' };
    const server = await servers.start({ ...ROOM, ...env });
    const rounds = { from: SEED + ROUNDS, count: EXPIRY_ROUNDS, atOnce: 35, expiry: true };
    const won = await playAll(server, rounds);

    expect(won.get('expired')).toBeGreaterThan(EXPIRY_ROUNDS / 60);
    expect(won.get('decided')).toBeGreaterThan(EXPIRY_ROUNDS / 60);
    await checkNothingLeft(server);
    expect(server.output()).not.toContain('"level":"error"');
  }, 120_000);
});
