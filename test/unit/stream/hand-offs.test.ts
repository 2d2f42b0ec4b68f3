import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Standing } from '../../../src/agent/agent-runner.ts';
import { OPEN_POLICY, toolPolicySchema } from '../../../src/hitl/tool-policy.ts';
import { settle } from '../../support/fake-clock.ts';
import { stateOf } from '../../support/frames.ts';
import { ALICE, closeStores, Heart, memoryStores, type Stores } from '../../support/heart.ts';
import { AS_ALICE, AS_FINANCE } from '../../support/paused.ts';
import { severable } from '../../support/severed.ts';

let stores: Stores;
let dead: Heart;
let alive: Heart;
let cut: () => void;
let mend: () => void;

beforeEach(() => {
  stores = memoryStores();
  const jobs = severable(stores.jobs);
  const transport = severable(stores.transport);
  cut = () => void [jobs, transport].map((it) => it.cut());
  mend = () => void [jobs, transport].map((it) => it.mend());
  dead = new Heart(stores, { driver: 'dead' }, { jobs: jobs.port, transport: transport.port });
  alive = new Heart(stores, { driver: 'alive' });
  for (const heart of [dead, alive]) {
    heart.handOffs = [{ agentId: 'billing', policy: OPEN_POLICY }];
  }
});

afterEach(async () => {
  mend();
  await dead.close();
  await alive.close();
  closeStores(stores);
});

/** Past the lease and the next scan. */
const LATER = 26_000;

const CALL = { toolCallId: 'c1', name: 'hand_off_to_billing' };
const TO = { agentId: 'billing', model: 'big' };

function handOver({ runner: { last } }: Heart): void {
  last.push({ type: 'event', body: { type: 'tool_call', part: 0, ...CALL } });
  last.push({ type: 'event', body: { type: 'tool_ready', ...CALL, args: {} } });
  const { toolCallId } = CALL;
  last.push({
    type: 'event',
    body: { type: 'tool_result', toolCallId, status: 'ok', output: 'done' },
  });
  last.push({ type: 'event', body: { type: 'hand_off', toolCallId, ...TO } });
}

const called: Standing = {
  resumable: true,
  calls: [{ call: 'm0', reasoning: '', text: '', toolCalls: [{ ...CALL, args: {} }] }],
  results: [],
  steered: [],
};
const handed: Standing = {
  ...called,
  results: [{ toolCallId: 'c1', status: 'ok', output: 'done' }],
  answering: { ...TO, contextMax: null },
};

describe('an answer that is handed over', () => {
  test('is the message of the agent that answered last, and so are the next turn and another answer', async () => {
    const { streamId, conversationId, responseMessageId } = await dead.start();
    handOver(dead);
    dead.runner.last.end();
    await settle();
    const reader = await dead.read(streamId);
    const next = await dead.start({ conversationId });
    const nextBy = dead.runner.last.request.spec.agentId;
    dead.runner.last.end();
    await settle();
    await dead.api.again(ALICE, {
      kind: 'regenerate',
      onBusy: 'reject',
      conversationId,
      target: responseMessageId,
      metadata: {},
      bodyHash: 'h2',
    });
    await settle();
    const againBy = dead.runner.last.request.spec.agentId;
    dead.runner.last.end();
    await settle();

    expect(stateOf(reader.frames).message).toMatchObject({ ...TO, status: 'complete' });
    const saved = await stores.conversations.message(conversationId, responseMessageId);
    expect(saved).toMatchObject(TO);
    expect(next.status).toBe('started');
    expect([nextBy, againBy]).toEqual(['billing', 'billing']);
  });

  test("by a driver that died before it was durable is the first agent's again", async () => {
    const { streamId } = await dead.start();
    handOver(dead);
    await settle();
    await stores.clock.advance(100);
    const before = stateOf((await dead.read(streamId)).frames).message;
    alive.runner.standing.set(streamId, called);
    cut();
    alive.core.start();
    await stores.clock.advance(LATER);
    const reader = await alive.read(streamId);
    const after = stateOf(reader.frames).message;
    alive.runner.last.end();
    await settle();

    expect(before).toMatchObject(TO);
    expect(after).toMatchObject({ agentId: 'demo', model: 'demo' });
    expect(after.content).toMatchObject([{ toolCallId: 'c1', status: 'ready' }]);
    reader.close();
  });

  test('by a driver that died before readers knew is told to them', async () => {
    const { streamId } = await dead.start();
    dead.runner.last.push({ type: 'event', body: { type: 'tool_call', part: 0, ...CALL } });
    dead.runner.last.push({ type: 'event', body: { type: 'tool_ready', ...CALL, args: {} } });
    const result = { toolCallId: 'c1', status: 'ok', output: 'done' } as const;
    dead.runner.last.push({ type: 'event', body: { type: 'tool_result', ...result } });
    await settle();
    await stores.clock.advance(100);
    alive.runner.standing.set(streamId, handed);
    cut();
    alive.core.start();
    await stores.clock.advance(LATER);
    alive.runner.last.end();
    await settle();
    const reader = await alive.read(streamId);

    expect(reader.types).toContain('segment');
    expect(stateOf(reader.frames).message).toMatchObject({ ...TO, status: 'complete' });
  });

  test('and cut off in a tool asks the approvers of every agent that may have called it', async () => {
    const finance = toolPolicySchema.parse({ approvers: ['role:finance'], fourEyes: true });
    dead.handOffs = [{ agentId: 'billing', policy: finance }];
    const { streamId } = await dead.start();
    const pay = { toolCallId: 'c9', name: 'pay', args: {} };
    await dead.runner.last.request.ledger.start({ ...pay, effects: 'unsafe' });
    cut();
    alive.core.start();
    await stores.clock.advance(LATER);
    const job = await stores.jobs.get(streamId);
    if (job?.status !== 'paused') throw new Error('it does not wait');
    const { actionId } = job.action;
    const decisions = [{ toolCallId: 'c9', decision: 'skip' as const }];
    const request = { generationId: streamId, actionId, decisions };

    await expect(alive.api.resume(AS_ALICE, request)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(
      alive.api.resume({ ...AS_FINANCE, roles: ['desk'] }, request),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(alive.api.resume(AS_FINANCE, request)).resolves.toMatchObject({ repeated: false });
    await settle();
    alive.runner.last.end();
    await settle();
  });
});
