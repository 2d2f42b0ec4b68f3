import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { toolPolicySchema } from '../../../src/hitl/tool-policy.ts';
import { settle } from '../../support/fake-clock.ts';
import { stateOf } from '../../support/frames.ts';
import { ALICE, BOB, closeStores, Heart, memoryStores, type Stores } from '../../support/heart.ts';
import {
  approvalAsked,
  approveAll,
  AS_ALICE,
  AS_FINANCE,
  CLIENT,
  pauseRun,
  rejectAll,
  startPaused,
} from '../../support/paused.ts';
import { severable } from '../../support/severed.ts';

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

describe('a pause', () => {
  test('is announced once all of it is durable, and frees its slot', async () => {
    const { streamId, conversationId, action } = await startPaused(heart);
    const reader = await heart.read(streamId);

    const saved = await stores.conversations.lastMessage(conversationId);
    expect(reader.types.at(-1)).toBe('pending_action');
    expect(reader.frames.at(-1)?.data['action']).toEqual(action);
    expect(action).toMatchObject({
      kind: 'tool_approval',
      revision: 1,
      requests: [{ toolCallId: 'c1' }, {}],
    });
    expect(JSON.stringify(action)).not.toContain('i1');
    expect(stateOf(reader.frames)).toMatchObject({ status: 'paused', pendingAction: action });
    expect(saved?.content).toHaveLength(3);
    expect(
      await heart.core.approvals.pending(AS_ALICE, { limit: 10, cursor: undefined }),
    ).toMatchObject({
      items: [{ actionId: action.actionId }],
    });
    expect((await heart.api.status(ALICE, conversationId)).generation).toMatchObject({
      status: 'paused',
      pendingAction: { actionId: action.actionId },
    });
    reader.close();
  });

  test('that can not be made durable fails, and nothing of it is announced', async () => {
    const conversations = Object.assign({}, stores.conversations, {
      upsertMessage: (message: { role: string; status: string }, fence: number) =>
        message.status === 'streaming'
          ? Promise.reject(new Error('disk full'))
          : Reflect.apply(stores.conversations.upsertMessage, stores.conversations, [
              message,
              fence,
            ]),
    });
    const broken = new Heart(stores, {}, { conversations });
    const { streamId } = await broken.start();
    await pauseRun(broken);
    const reader = await broken.read(streamId);

    expect(reader.types).not.toContain('pending_action');
    expect(reader.frames.at(-1)?.data).toMatchObject({
      status: 'failed',
      error: { code: 'PAUSE_NOT_DURABLE' },
    });
    await broken.close();
  });

  test('whose process died before it was announced is announced by another', async () => {
    const approvals = severable(stores.approvals);
    const first = new Heart(stores, { driver: 'first' }, { approvals: approvals.port });
    const { streamId } = await first.start();
    approvals.cut();
    await pauseRun(first);
    const before = await heart.read(streamId);
    heart.core.start();
    await stores.clock.advance(26_000);

    expect(before.types.filter((type) => type === 'pending_action')).toHaveLength(1);

    approvals.mend();
    await settle();
    const after = await heart.read(streamId);

    expect(after.types.filter((type) => type === 'pending_action')).toHaveLength(1);
    before.close();
    after.close();
    await first.close();
  });
});

describe('a decision', () => {
  test('resumes the run from its checkpoint, on the same stream, in one message', async () => {
    const { streamId, generationId, action, conversationId } = await startPaused(heart);
    const reader = await heart.read(streamId);

    const resumed = await heart.api.resume(AS_ALICE, approveAll(generationId, action.actionId));
    await settle();
    const { entry, nextPart } = heart.runner.last.request;
    for (const toolCallId of ['c1', 'c2']) {
      heart.runner.last.push({
        type: 'event',
        body: { type: 'tool_result', toolCallId, status: 'ok', output: 'sent' },
      });
    }
    heart.runner.last.say('done');
    heart.runner.last.end();
    await settle();

    expect(resumed).toMatchObject({ status: 'resuming', repeated: false, streamId });
    expect(entry).toMatchObject({ kind: 'continue', answered: { interruptId: 'i1', action } });
    expect(nextPart).toBe(3);
    expect(reader.types.slice(-8)).toEqual([
      'pending_action',
      'action_resolved',
      'segment',
      'tool_result',
      'tool_result',
      'text_delta',
      'title',
      'done',
    ]);
    const last = await stores.conversations.lastMessage(conversationId);
    expect(stateOf(reader.frames).message.content).toEqual(last?.content);
    expect(last?.content).toMatchObject([
      { text: 'shall I' },
      { status: 'ok', decision: 'approve' },
      {},
      { text: 'done' },
    ]);
  });

  test('that is repeated by the same person is the same, whatever its order, also after the end', async () => {
    const { generationId, conversationId, action } = await startPaused(heart);
    const request = approveAll(generationId, action.actionId);
    await heart.api.resume(AS_ALICE, request);
    await settle();
    const again = {
      conversationId,
      actionId: action.actionId,
      decisions: 'decisions' in request ? request.decisions.toReversed() : [],
    };

    await expect(heart.api.resume(AS_ALICE, again)).resolves.toMatchObject({ repeated: true });

    heart.runner.last.end();
    await settle();

    await expect(heart.api.resume(AS_ALICE, again)).resolves.toMatchObject({
      repeated: true,
      generationId,
    });
    expect(heart.runner.runs).toHaveLength(2);
  });

  test('that comes second learns who was first', async () => {
    const { generationId, action } = await startPaused(heart);
    await heart.api.resume(AS_ALICE, approveAll(generationId, action.actionId));

    await expect(
      heart.api.resume(AS_ALICE, rejectAll(generationId, action.actionId)),
    ).rejects.toMatchObject({
      code: 'ACTION_ALREADY_RESOLVED',
      details: { outcome: 'decided', decidedBy: 'alice' },
    });
  });

  test('of many at once has one winner, and one run follows', async () => {
    const { generationId, action } = await startPaused(heart);
    const all = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        heart.api.resume(
          AS_ALICE,
          index % 2 === 0
            ? approveAll(generationId, action.actionId)
            : rejectAll(generationId, action.actionId),
        ),
      ),
    );
    await settle();

    const won = all.filter((it) => it.status === 'fulfilled' && !it.value.repeated);
    expect(won).toHaveLength(1);
    expect(heart.runner.runs).toHaveLength(2);
  });

  test('survives a process that dies before it told anybody', async () => {
    const { streamId, generationId, action } = await startPaused(heart);
    const approvals = severable(stores.approvals);
    const second = new Heart(
      stores,
      { driver: 'second', maxConcurrentRuns: 0 },
      { approvals: approvals.port },
    );
    approvals.cut();
    void second.api.resume(AS_ALICE, approveAll(generationId, action.actionId));
    await settle();
    heart.core.start();
    await settle();
    heart.runner.last.end();
    await settle();
    approvals.mend();
    await settle();
    const reader = await heart.read(streamId);
    const { audit } = await heart.core.approvals.get(AS_ALICE, action.actionId);

    expect(reader.types.filter((type) => type === 'action_resolved')).toHaveLength(1);
    expect(audit.map((entry) => entry.event)).toEqual(['proposed', 'decided']);
    await second.close();
  });

  test.each([
    ['for a generation that does not exist', { generationId: 'gen_none' }, 'NOT_FOUND'],
    ['for an action that is not there', { actionId: 'act_none' }, 'STALE_ACTION'],
    [
      'that leaves a call out',
      { decisions: [{ toolCallId: 'c1', decision: 'approve' as const }] },
      'UNDECIDED',
    ],
    [
      'that edits without arguments',
      { decisions: ['c1', 'c2'].map((toolCallId) => ({ toolCallId, decision: 'edit' as const })) },
      'INCOMPLETE_DECISION',
    ],
    [
      'with arguments that the tool does not take',
      {
        decisions: ['c1', 'c2'].map((toolCallId) => ({
          toolCallId,
          decision: 'edit' as const,
          editedArgs: { wrong: 1 },
        })),
      },
      'EDITED_ARGS_INVALID',
    ],
  ])('%s is refused, and the right one then works', async (_name, change, code) => {
    const { generationId, action } = await startPaused(heart);
    const right = approveAll(generationId, action.actionId);

    await expect(heart.api.resume(AS_ALICE, { ...right, ...change })).rejects.toMatchObject({
      code,
    });
    await expect(heart.api.resume(AS_ALICE, right)).resolves.toMatchObject({ repeated: false });
  });

  test('is refused where the agent was changed meanwhile, unless its policy says otherwise', async () => {
    const { generationId, action } = await startPaused(heart);
    heart.fingerprint = 'other';

    await expect(
      heart.api.resume(AS_ALICE, approveAll(generationId, action.actionId)),
    ).rejects.toMatchObject({
      code: 'AGENT_CHANGED',
    });
  });

  test('may be made by the owner or a role of the policy; with four eyes never by the owner', async () => {
    heart.policy = {
      ...heart.policy,
      agent: toolPolicySchema.parse({ approvers: ['role:finance'], fourEyes: true }),
    };
    const { generationId, action } = await startPaused(heart);
    const request = approveAll(generationId, action.actionId);

    await expect(heart.api.resume({ ...AS_FINANCE, roles: [] }, request)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(heart.api.resume({ ...AS_FINANCE, tenantId: 'x' }, request)).rejects.toMatchObject(
      { code: 'NOT_FOUND' },
    );
    await expect(heart.api.resume(AS_ALICE, request)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(heart.api.resume(AS_FINANCE, request)).resolves.toMatchObject({ repeated: false });
  });
});

describe('an action that nobody answers', () => {
  test('is announced once more, then expires: told to readers, the partial kept', async () => {
    const { streamId, generationId, action } = await startPaused(heart);
    const reader = await heart.read(streamId);
    heart.core.start();
    await stores.clock.advance(86_400_000 - 3_590_000);
    const warned = reader.types;
    await stores.clock.advance(3_600_000);

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
    await stores.clock.advance(86_400_000 + 6_000);
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
    await stores.clock.advance(10 * 86_400_000);

    expect(action.expiresAt).toBeNull();
    expect((await stores.jobs.get(generationId))?.status).toBe('paused');
  }, 60_000);
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
