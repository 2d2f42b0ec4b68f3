import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { toolPolicySchema } from '../../../src/hitl/tool-policy.ts';
import type { ConversationStore } from '../../../src/stream/conversation-store.ts';
import { settle } from '../../support/fake-clock.ts';
import { stateOf } from '../../support/frames.ts';
import { ALICE, closeStores, Heart, memoryStores, type Stores } from '../../support/heart.ts';
import {
  approvalAsked,
  approveAll,
  AS_ALICE,
  AS_FINANCE,
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
    const { conversations: kept } = stores;
    const conversations: ConversationStore = {
      ...kept,
      upsertMessage: async (message, fence) => {
        if (message.status === 'streaming') throw new Error('disk full');
        return kept.upsertMessage(message, fence);
      },
    };
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

  test('stands under the policy of the agent that asks, where the turn was handed to it', async () => {
    heart.policy = { ...heart.policy, agent: toolPolicySchema.parse({ approvers: ['role:desk'] }) };
    const billing = { approvers: ['role:finance'], fourEyes: true, onExpiry: 'never' };
    heart.handOffs = [{ agentId: 'billing', policy: toolPolicySchema.parse(billing) }];
    const { generationId, action } = await startPaused(heart, {
      ...approvalAsked(),
      agentId: 'billing',
    });
    const request = approveAll(generationId, action.actionId);
    const remembered = {
      generationId,
      actionId: action.actionId,
      decisions: ['c1', 'c2'].map((toolCallId) => {
        return { toolCallId, decision: 'approve' as const, scope: 'always' as const };
      }),
    };

    await expect(
      heart.api.resume({ ...AS_FINANCE, roles: ['desk'] }, request),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(heart.api.resume(AS_ALICE, request)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(heart.api.resume(AS_FINANCE, remembered)).resolves.toMatchObject({
      repeated: false,
    });
    heart.runner.last.end();
    await settle();
    await expect(heart.api.resume(AS_FINANCE, remembered)).resolves.toMatchObject({
      repeated: true,
    });

    expect(action).toMatchObject({ agentId: 'billing', expiresAt: null });
    const [rule] = await stores.approvals.rulesOf(ALICE);
    expect(rule).toMatchObject({ tool: 'mail', agentId: 'billing' });
    const trail = await stores.approvals.audit(action.actionId);
    expect(trail[0]).toMatchObject({ event: 'proposed', details: { agentId: 'billing' } });
    expect(await stores.approvals.get(action.actionId)).toMatchObject({
      approverRoles: ['finance'],
      fourEyes: true,
    });
  });
});
