import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { toolPolicySchema } from '../../../src/hitl/tool-policy.ts';
import { settle } from '../../support/fake-clock.ts';
import { ALICE, BOB, closeStores, Heart, memoryStores, type Stores } from '../../support/heart.ts';
import { approvalAsked, approveAll, AS_ALICE, CLIENT, startPaused } from '../../support/paused.ts';

let stores: Stores;
let heart: Heart;

beforeEach(() => {
  stores = memoryStores();
  heart = new Heart(stores);
});

afterEach(async () => {
  await heart.close();
  closeStores(stores);
});

class Gate {
  open: () => void = () => undefined;
  readonly passed = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

describe('an action that nobody answers', () => {
  test('is announced once more, then expires: told to readers, the partial kept', async () => {
    const { streamId, generationId, action } = await startPaused(heart);
    const reader = await heart.read(streamId);
    heart.core.start();
    stores.clock.jump(86_400_000 - 3_600_000);
    await stores.clock.advance(6_000);
    const warned = reader.types;
    stores.clock.jump(3_600_000);
    await stores.clock.advance(6_000);

    expect(warned.slice(-1)).toEqual(['action_expiring']);
    expect(reader.types.slice(-4)).toEqual([
      'action_resolved',
      'tool_result',
      'tool_result',
      'done',
    ]);
    expect(reader.frames.at(-1)?.data).toMatchObject({
      status: 'expired',
      message: { content: [{ text: 'shall I' }, {}, {}] },
    });
    await expect(
      heart.api.resume(AS_ALICE, approveAll(generationId, action.actionId)),
    ).rejects.toMatchObject({
      code: 'ACTION_ALREADY_RESOLVED',
      details: { outcome: 'expired', decidedBy: null },
    });
  });

  test('and is answered too late is driven to its end by the answer', async () => {
    const { streamId, generationId, action } = await startPaused(heart);
    stores.clock.jump(86_400_001);

    await expect(
      heart.api.resume(AS_ALICE, approveAll(generationId, action.actionId)),
    ).rejects.toMatchObject({
      code: 'ACTION_EXPIRED',
    });
    const reader = await heart.read(streamId);

    expect(reader.frames.at(-1)?.data['status']).toBe('expired');
  });

  test('is rejected by itself where the policy says so, and the run goes on', async () => {
    heart.policy = { ...heart.policy, agent: toolPolicySchema.parse({ onExpiry: 'reject' }) };
    const { streamId } = await startPaused(heart);
    heart.core.start();
    stores.clock.jump(86_400_000);
    await stores.clock.advance(6_000);
    const { entry } = heart.runner.last.request;
    heart.runner.last.end();
    await settle();
    const reader = await heart.read(streamId);

    expect(entry).toMatchObject({
      answered: { verdict: { decisions: [{ decision: 'reject' }, { decision: 'reject' }] } },
    });
    expect(reader.frames.find((frame) => frame.event === 'action_resolved')?.data).toMatchObject({
      outcome: 'expired',
    });
    expect(reader.frames.at(-1)?.data['status']).toBe('completed');
  });

  test('never expires where the policy says so', async () => {
    heart.policy = { ...heart.policy, agent: toolPolicySchema.parse({ onExpiry: 'never' }) };
    const { action, generationId } = await startPaused(heart);
    heart.core.start();
    stores.clock.jump(10 * 86_400_000);
    await stores.clock.advance(6_000);

    expect(action.expiresAt).toBeNull();
    expect((await stores.jobs.get(generationId))?.status).toBe('paused');
  });
});

describe('what else may come to a pause', () => {
  test('stop: the action is aborted, the calls have results, the answer loses', async () => {
    const { streamId, generationId, action } = await startPaused(heart);
    const reader = await heart.read(streamId);

    await heart.api.abort(ALICE, { generationId });
    await settle();

    expect(reader.types.slice(-4)).toEqual([
      'action_resolved',
      'tool_result',
      'tool_result',
      'done',
    ]);
    expect(reader.frames.at(-4)?.data['outcome']).toBe('aborted');
    await expect(
      heart.api.resume(AS_ALICE, approveAll(generationId, action.actionId)),
    ).rejects.toMatchObject({
      code: 'ACTION_ALREADY_RESOLVED',
      details: { outcome: 'aborted' },
    });
  });

  test('a new turn is told what is pending, or takes its place', async () => {
    const { streamId, conversationId, action } = await startPaused(heart);

    await expect(heart.start({ conversationId })).rejects.toMatchObject({
      code: 'CONVERSATION_BUSY',
      details: { status: 'paused', pendingAction: { actionId: action.actionId } },
    });

    await heart.start({ conversationId, onBusy: 'interrupt', text: 'never mind' });
    const reader = await heart.read(streamId);

    expect(reader.frames.find((frame) => frame.event === 'action_resolved')?.data['outcome']).toBe(
      'superseded',
    );
    const parts = heart.runner.last.request.history.at(1)?.content;
    expect(parts).toMatchObject([
      {},
      { type: 'tool_call', status: 'error' },
      { type: 'tool_call', status: 'error' },
    ]);
  });

  test('a second pause has another action, and one message holds it all', async () => {
    const first = await startPaused(heart);
    await heart.api.resume(AS_ALICE, approveAll(first.generationId, first.action.actionId));
    await settle();
    const again = [{ toolCallId: 'c3', name: 'mail', args: {} }];
    heart.runner.last.push({
      type: 'event',
      body: { type: 'tool_call', part: 3, toolCallId: 'c3', name: 'mail' },
    });
    heart.runner.last.push({ type: 'pause', pause: approvalAsked(again) });
    await settle();
    const job = await stores.jobs.get(first.generationId);

    expect(job).toMatchObject({
      status: 'paused',
      action: { revision: 2, requests: [{ toolCallId: 'c3' }] },
    });
    expect((await stores.conversations.lastMessage(first.conversationId))?.content).toHaveLength(4);
  });
});

describe('the trail', () => {
  test('keeps proposed, approved and who apart, and makes the standing rules', async () => {
    const { generationId, action } = await startPaused(heart);
    await heart.api.resume(AS_ALICE, {
      generationId,
      actionId: action.actionId,
      decisions: [
        { toolCallId: 'c1', decision: 'edit', editedArgs: { to: 'z' } },
        { toolCallId: 'c2', decision: 'approve', scope: 'conversation' },
      ],
    });
    await settle();

    const { audit, status } = await heart.core.approvals.get(AS_ALICE, action.actionId);
    const { items } = await heart.core.approvals.rules(ALICE, { limit: 10, cursor: undefined });
    expect(status).toBe('decided');
    expect(audit.map((entry) => entry.event)).toEqual(['proposed', 'decided', 'rule_created']);
    expect(audit[1]).toMatchObject({
      by: 'alice',
      client: CLIENT,
      details: { decisions: [{ approvedArgs: { to: 'z' } }, { approvedArgs: { to: 'b' } }] },
    });
    expect(items).toMatchObject([{ tool: 'mail', actionId: action.actionId }]);
    await expect(
      heart.core.approvals.get({ ...BOB, roles: [] }, action.actionId),
    ).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });

    const ask = { name: 'mail', effects: 'unsafe' as const, args: {} };
    expect(await heart.runner.last.request.policy(ask)).toEqual({ ruling: 'run' });

    await heart.core.approvals.revokeRule({ ...ALICE, client: CLIENT }, items[0]?.ruleId ?? '');

    expect(await heart.runner.last.request.policy(ask)).toMatchObject({ ruling: 'ask' });
  });

  test('has what was approved also where it is stopped before anybody was told of it', async () => {
    const { approvals } = stores;
    const late = new Gate();
    const open = approvals.open.bind(approvals);
    const get = approvals.get.bind(approvals);
    // Neither the announcement nor the one who decided gets on before the stop has.
    jest
      .spyOn(approvals, 'open')
      .mockImplementation((record) => late.passed.then(() => open(record)));
    const { generationId, action } = await startPaused(heart);
    const asked = jest.spyOn(approvals, 'get');
    asked.mockImplementationOnce((id) => late.passed.then(() => get(id)));
    const decided = heart.api.resume(AS_ALICE, approveAll(generationId, action.actionId));
    await settle();
    await heart.api.abort(ALICE, { generationId });
    late.open();
    await decided;
    await settle();

    const { audit, status } = await heart.core.approvals.get(AS_ALICE, action.actionId);
    const [entry] = audit.filter(({ event }) => event === 'decided');
    expect(status).toBe('decided');
    expect(entry).toMatchObject({
      by: 'alice',
      details: { decisions: [{ approvedArgs: { to: 'a' } }, { approvedArgs: { to: 'b' } }] },
    });
  });

  test('has one webhook per transition', async () => {
    const { generationId, action } = await startPaused(heart);
    await heart.api.resume(AS_ALICE, approveAll(generationId, action.actionId));
    await settle();
    heart.runner.last.end();
    await settle();

    const due = await stores.outbox.due(stores.clock.now(), 100);
    expect(due.map((item) => item.event)).toEqual([
      'approval.waiting',
      'approval.decided',
      'generation.finished',
    ]);
    expect(JSON.stringify(due)).not.toContain('shall');
  });
});
