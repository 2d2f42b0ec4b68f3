import { afterAll, describe, expect, test } from '@jest/globals';
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { type ApiAnswer, getJson, leftLive } from '../support/api.ts';
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
import { truthOf } from '../support/truth.ts';

/**
 * `kill -9` between "decision accepted" and "tool result recorded". RACE_SEED plays the same moments again,
 * APPROVAL_KILLS=12 makes it more than 200 generations.
 */

const SEED = Number(process.env['RACE_SEED'] ?? 1);
const KILLS = Number(process.env['APPROVAL_KILLS'] ?? 1);
const TURNS = 20;
const PATIENCE_MS = 60_000;
const COMMANDS = ['approve 2', 'strict', 'approve', 'twice', 'sub'];
const UNSAFE = new Set(['send_email', 'delete_file']);
const RECOVERIES = ['retry', 'done', 'skip'] as const;

/** Where the kill met a generation. */
const STEPS = ['unwritten', 'decided', 'started', 'ran', 'finished'] as const;
type Step = (typeof STEPS)[number];

interface Case {
  watched: WaitingTurn;
  /** What is posted, before the kill and again after it. */
  body: Shape;
  /** Undefined: the process died before it answered. */
  answer: ApiAnswer | undefined;
  finishedBefore: boolean;
  /** By the id of the call: what a person said to the recovery question about it. */
  recovered: Map<string, (typeof RECOVERIES)[number]>;
}

/** At a moment that chance takes, before the process can have read anything, or behind the first 202. */
type Aim = 'anywhere' | 'before' | 'behind';

interface Kill {
  server: ServerProcess;
  random: Random;
  aim: Aim;
  cases: Case[];
}

const quit = new AbortController();
setMaxListeners(0, quit.signal);

let recoveries = 0;

async function startCase(server: ServerProcess, command: string): Promise<Case> {
  const { baseUrl } = server;
  const body = { text: command };
  const watched = await WaitingTurn.start(baseUrl, { body, signal: quit.signal });
  const action = await within(watched.asked(), PATIENCE_MS, () => command);
  if (!action) throw new Error(`${command} did not ask`);
  return {
    watched,
    body: decideAll(action, { decision: 'approve' }),
    answer: undefined,
    finishedBefore: false,
    recovered: new Map(),
  };
}

/** When the process goes: at a time, behind some 202, or behind some real execution. */
async function moment({ server, random, aim }: Kill, answered: () => number): Promise<void> {
  if (aim === 'before') return;
  const ledger = join(server.dataDir, 'ledger.jsonl');
  const kind = aim === 'behind' ? 1 : random.between(0, 3);
  if (kind === 0) return sleep(random.between(0, 150));
  const before = ledgerLines(ledger).length;
  const count = random.between(1, kind === 1 ? 1 : TURNS - 2);
  const seen = (): number => (kind === 3 ? ledgerLines(ledger).length - before : answered());
  const deadline = Date.now() + PATIENCE_MS;
  while (seen() < count && Date.now() < deadline) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (kind === 2) await sleep(random.between(0, 60));
}

/** Everything is approved at once, and somewhere in between the process is gone. */
async function killWhileDeciding(kill: Kill): Promise<void> {
  const { server, cases } = kill;
  let died = false;
  let answered = 0;
  for (const it of cases) {
    it.watched.read.finally(() => (it.finishedBefore = !died)).catch(() => {});
  }
  const posts = cases.map(async (it) => {
    it.answer = await resume(server.baseUrl, it.body).catch((error: unknown) => {
      if (died) return undefined;
      throw error;
    });
    answered += 1;
  });
  await moment(kill, () => answered);
  died = true;
  await server.kill9();
  await Promise.all(posts);
}

async function generationOf({ watched }: Case): Promise<Shape> {
  const { baseUrl, turn } = watched;
  return object((await getJson(baseUrl, `/api/chat/status/${turn.conversationId}`))['generation']);
}

/** The same answer again: what was accepted is known, what never arrived is accepted now. */
async function repeat(it: Case): Promise<'known' | 'new'> {
  const again = await resume(it.watched.baseUrl, it.body);
  if (it.answer) {
    expect({ first: it.answer.status, again: again.status }).toEqual({ first: 202, again: 200 });
  }
  expect([200, 202]).toContain(again.status);
  return again.status === 200 ? 'known' : 'new';
}

function answerTo(it: Case, action: Shape): Shape {
  if (action['kind'] !== 'recovery') return decideAll(action, { decision: 'approve' });
  const decisions = callsOf(action).map((call) => {
    const decision = RECOVERIES[recoveries % RECOVERIES.length] ?? 'retry';
    recoveries += 1;
    it.recovered.set(callId(call), decision);
    const done = { decision, responseText: 'it was done' };
    return { toolCallId: callId(call), ...(decision === 'done' ? done : { decision }) };
  });
  return { ...decideAll(action, { decision: 'retry' }), decisions };
}

/** Answers whatever is asked until the generation is over. */
async function seeThrough(it: Case): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const { status, pendingAction } = await generationOf(it);
    if (status === 'completed') return;
    if (isShape(pendingAction)) {
      const { status: said, text: why } = await resume(
        it.watched.baseUrl,
        answerTo(it, pendingAction),
      );
      expect({ said, why }).toEqual({ said: 202, why: expect.any(String) });
    } else expect(['queued', 'running', 'finalizing']).toContain(status);
    if (Date.now() > deadline) throw new Error(`stuck: ${String(status)}`);
    await sleep(20);
  }
}

function linesOf(lines: LedgerLine[], generationId: string): Map<string, LedgerLine[]> {
  const byCall = new Map<string, LedgerLine[]>();
  for (const line of lines) {
    if (line.generationId !== generationId) continue;
    byCall.set(line.toolCallId, [...(byCall.get(line.toolCallId) ?? []), line]);
  }
  return byCall;
}

/** I6: an unsafe call ran once, and twice only where a person said so. */
function checkLedger(it: Case, lines: LedgerLine[]): void {
  for (const [id, executions] of linesOf(lines, it.watched.turn.generationId)) {
    if (!UNSAFE.has(executions[0]?.name ?? '')) continue;
    const most = it.recovered.get(id) === 'retry' ? 2 : 1;
    expect({ id, ran: executions.length <= most }).toEqual({ id, ran: true });
  }
}

/** The message says of each call what is true. */
async function checkMessage(it: Case, lines: LedgerLine[]): Promise<void> {
  const { message, log } = await truthOf(it.watched.baseUrl, it.watched.turn);
  const executed = linesOf(lines, it.watched.turn.generationId);
  const calls = list(message['content'])
    .filter(isShape)
    // A sub-agent has no effect of its own: its calls have theirs.
    .filter(({ type, name }) => type === 'tool_call' && name !== 'helper');
  expect(calls.length).toBeGreaterThan(0);
  for (const call of calls) {
    const recovery = it.recovered.get(callId(call));
    expect({ recovery, status: call['status'] }).toEqual({
      recovery,
      status: recovery === 'skip' ? 'outcome_unknown' : 'ok',
    });
    if (recovery === 'done') expect(call['output']).toBe('it was done');
    else if (recovery !== 'skip') expect(executed.get(callId(call))?.length).toBeGreaterThan(0);
  }
  const actions = [...log.values()].filter(({ event }) => event === 'pending_action');
  const ends = [...log.values()].filter(({ event }) => event === 'action_resolved');
  expect(ends.map(({ data }) => data['actionId'])).toEqual(
    actions.map(({ data }) => actionIdOf(object(data['action']))),
  );
  expect(new Set(ends.map(({ data }) => data['outcome']))).toEqual(new Set(['decided']));
}

function stepOf(it: Case, known: boolean, atKill: LedgerLine[]): Step {
  if (!known) return 'unwritten';
  if (it.finishedBefore) return 'finished';
  if (it.recovered.size > 0) return 'started';
  const asked = list(it.body['decisions']).filter(isShape).map(callId);
  const ran = linesOf(atKill, it.watched.turn.generationId);
  return asked.every((id) => ran.has(id)) ? 'ran' : 'decided';
}

/** Which kill is missing until both a decision that was written and one that was not have been met. */
function missing(met: readonly Step[]): Aim | undefined {
  if (!met.includes('unwritten')) return 'before';
  return met.every((step) => step === 'unwritten') ? 'behind' : undefined;
}

async function killOnce(server: ServerProcess, seed: number, aim: Aim): Promise<Step[]> {
  const random = seeded(seed);
  const commands = Array.from({ length: TURNS }, (_, n) => COMMANDS[n % COMMANDS.length] ?? '');
  const cases = await Promise.all(commands.map((command) => startCase(server, command)));
  const ledger = join(server.dataDir, 'ledger.jsonl');

  await killWhileDeciding({ server, random, aim, cases });
  const atKill = ledgerLines(ledger);
  await server.restart();
  const known = await Promise.all(cases.map(repeat));
  await Promise.all(cases.map(seeThrough));
  await Promise.all(
    cases.map(({ watched }) => within(watched.read, PATIENCE_MS, () => watched.turn.generationId)),
  );

  const lines = ledgerLines(ledger);
  for (const it of cases) {
    checkLedger(it, lines);
    await checkMessage(it, lines);
  }
  return cases.map((it, index) => stepOf(it, known[index] === 'known', atKill));
}

describe('kill -9 around decisions', () => {
  const servers = useServers();
  afterAll(() => quit.abort());

  test(`${KILLS * TURNS} generations: no decision is lost, no unsafe tool runs twice by itself`, async () => {
    const server = await servers.start({
      MAX_GENERATIONS_PER_USER: '1000',
      MAX_STREAMS_PER_USER: '1000',
      DEMO_LEDGER: 'ledger.jsonl',
    });
    const met: Step[] = [];
    const kill = async (seed: number, aim: Aim): Promise<void> => {
      try {
        met.push(...(await killOnce(server, seed, aim)));
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : '';
        throw new Error(`RACE_SEED=${seed} APPROVAL_KILLS=1: ${why}`, { cause });
      }
    };
    for (let nth = 0; nth < KILLS; nth += 1) await kill(SEED + nth, 'anywhere');
    // A slow machine can turn every moment that chance took into one of a kind.
    const aim = missing(met);
    if (aim) await kill(SEED + KILLS, aim);

    const counts = STEPS.map((step) => `${step} ${met.filter((it) => it === step).length}`);
    if (process.env['APPROVAL_KILLS']) process.stdout.write(`kill -9 met: ${counts.join(', ')}\n`);
    expect(missing(met)).toBeUndefined();
    expect(await leftLive(server.baseUrl)).toEqual([]);
    expect(await getJson(server.baseUrl, '/api/approvals')).toEqual({
      items: [],
      nextCursor: null,
    });
    expect(text(server.output())).not.toContain('"level":"error"');
  }, 300_000);
});
