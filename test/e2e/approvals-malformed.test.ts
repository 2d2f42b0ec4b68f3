import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hashOf } from '../../src/lib/json.ts';
import { carryOut } from '../../src/stream/job-command.ts';
import type { Job } from '../../src/stream/job.ts';
import { getJson, request, startTurn, type Turn } from '../support/api.ts';
import {
  actionIdOf,
  callId,
  callsOf,
  decideAll,
  ledgerLines,
  sleep,
} from '../support/race-client.ts';
import {
  anyKind,
  bytesOf,
  callKinds,
  type Case,
  damaged,
  edits,
  notAllowed,
  type Pause,
  questions,
} from '../support/race-answers.ts';
import { type Product, startProduct } from '../support/race-product.ts';
import { isShape, list, object, type Shape, text } from '../support/shape.ts';
import { readAll } from '../support/truth.ts';

/** Answers as nobody should give them, by the hundred, to live pauses of every kind. */

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 60);

let product: Product;
let other: Pause;

async function isLeft({ generationId }: Turn): Promise<boolean> {
  const job = await product.jobs.get(generationId);
  return job?.status === 'paused' && job.lease === null;
}

async function pendingOf(turn: Turn): Promise<Shape> {
  for (;;) {
    const status = await getJson(product.baseUrl, `/api/chat/status/${turn.conversationId}`);
    const { pendingAction, status: now } = object(status['generation']);
    // Its driver lets go of it last: from then on nobody writes to its record.
    if (isShape(pendingAction) && (await isLeft(turn))) return pendingAction;
    if (!['queued', 'running', 'paused'].includes(String(now)))
      throw new Error(`it is ${String(now)}`);
    await sleep(5);
  }
}

async function pauseAt(command: string): Promise<Pause> {
  const turn = await startTurn(product.baseUrl, { text: command });
  const action = await pendingOf(turn);
  return { turn, action, right: rightAnswer(action) };
}

function rightAnswer(action: Shape): Shape {
  const { generationId, actionId, kind } = action;
  if (kind === 'ask_user_question') {
    const question = object(list(action['questions'])[0]);
    return { generationId, actionId, answers: { [text(question['id'])]: 'green' } };
  }
  return decideAll(action, { decision: kind === 'recovery' ? 'retry' : 'approve' });
}

/** A driver that died inside an unsafe tool, as the record has it. */
async function recoveryPause(): Promise<Pause> {
  const { turn, action } = await pauseAt('approve');
  const { generationId } = turn;
  const now = await product.jobs.now();
  const decisions = callsOf(action).map((call) => ({
    toolCallId: callId(call),
    decision: 'approve' as const,
  }));
  const resolution = {
    actionId: actionIdOf(action),
    outcome: 'decided' as const,
    verdict: { decisions },
    verdictHash: 'h',
    decidedBy: 'local',
    decidedAt: new Date(now).toISOString(),
  };
  const actor = { driver: 'dead', now, leaseTtl: 1 };
  await carryOut(product.jobs, generationId, { type: 'decide', resolution, now });
  const claimed = await carryOut(product.jobs, generationId, { type: 'claim', actor });
  const call = object(callsOf(action)[0]);
  const args = { to: 'person1@example.com', subject: 'Hello 1' };
  const started = await carryOut(product.jobs, generationId, {
    type: 'tool_start',
    fence: claimed.job?.fence ?? 0,
    entry: {
      toolCallId: callId(call),
      name: 'send_email',
      effects: 'unsafe',
      args,
      argsHash: hashOf(args),
    },
  });
  if (started.outcome !== 'moved') throw new Error('somebody else claimed it');
  const question = await pendingOf(turn);
  expect(question['kind']).toBe('recovery');
  return { turn, action: question, right: rightAnswer(question) };
}

interface Seen {
  status: unknown;
  job: Job | undefined;
  audit: unknown;
}

async function look({ turn, action }: Pause): Promise<Seen> {
  const { baseUrl, jobs } = product;
  const status = await request(baseUrl, { path: `/api/chat/status/${turn.conversationId}` });
  const approval = await request(baseUrl, { path: `/api/approvals/${actionIdOf(action)}` });
  return {
    status: status.text,
    job: await jobs.get(turn.generationId),
    audit: approval.text,
  };
}

/** The status and the code of an answer to a body that may be no JSON at all. */
async function say(body: string): Promise<string> {
  const answer = await fetch(`${product.baseUrl}/api/chat/resume`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const said: unknown = await answer.json();
  const error = isShape(said) && isShape(said['error']) ? said['error'] : {};
  return `${answer.status} ${String(error['code'])}`;
}

const COMMANDS: [string, () => Promise<Pause>, (pause: Pause) => Case[]][] = [
  ['two calls', () => pauseAt('approve 2'), (it) => [...callKinds(it), ...edits(it)]],
  [
    'a call that allows yes and no',
    () => pauseAt('strict'),
    (it) => [...callKinds(it), ...notAllowed(it, 'edit', 'respond', 'retry', 'done', 'skip')],
  ],
  ['a call of a sub-agent', () => pauseAt('sub'), (it) => [...callKinds(it), ...edits(it)]],
  ['a question', () => pauseAt('ask'), questions],
  [
    'a recovery question',
    recoveryPause,
    (it) => [...callKinds(it), ...notAllowed(it, 'approve', 'edit', 'reject', 'respond')],
  ],
];

describe('a pause', () => {
  beforeAll(async () => {
    product = await startProduct();
    other = await pauseAt('approve');
  });
  afterAll(() => product.close());

  test.each(COMMANDS)(
    'for %s survives every malformed answer, and the right one then works',
    async (_name, make, own) => {
      const pause = await make();
      const before = await look(pause);
      const cases = [...anyKind(pause, other), ...own(pause)];

      const said: string[] = [];
      for (const [name, body] of cases) {
        said.push(`${name}: ${await say(bytesOf(body))}`);
        expect({ name, ...(await look(pause)) }).toEqual({ name, ...before });
      }
      expect(said).toEqual(cases.map(([name, , expected]) => `${name}: ${expected}`));
      await fc.assert(
        fc.asyncProperty(damaged(pause.right), async (body) => {
          expect(await say(JSON.stringify(body))).toMatch(/^4\d\d [A-Z_]+$/);
          expect((await product.jobs.get(pause.turn.generationId))?.version).toBe(
            before.job?.version,
          );
        }),
        { numRuns: RUNS },
      );

      expect(await look(pause)).toEqual(before);
      expect(await say(JSON.stringify(pause.right))).toMatch(/^202/);
      const { done } = await readAll(product.baseUrl, pause.turn);
      expect(done.data['status']).toBe('completed');
      const ran = ledgerLines(product.ledger).filter(
        ({ generationId }) => generationId === pause.turn.generationId,
      );
      const gated = new Set(callsOf(pause.action).map(callId));
      expect(ran.filter(({ toolCallId }) => gated.has(toolCallId))).toHaveLength(gated.size);
      expect(product.errors).toEqual([]);
    },
    60_000,
  );
});
