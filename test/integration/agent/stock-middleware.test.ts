import { describe, expect, test } from '@jest/globals';
import { Command, MemorySaver } from '@langchain/langgraph';
import { createAgent, humanInTheLoopMiddleware, tool } from 'langchain';
import { z } from 'zod';
import { FlowGate } from '../../../src/agent/flow-gate.ts';
import { GuardedModel } from '../../../src/agent/guarded-model.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { testId } from '../../support/agent-run.ts';
import { historyFault } from '../../support/batch-agent.ts';
import { callsOf, ScriptedModel } from '../../support/scripted-model.ts';

/**
 * Why there is a middleware of our own: what LangChain's does with the same situations as in
 * approval-regressions.test.ts. If one of these fails after an upgrade, it was mended there.
 */

const config = { configurable: { thread_id: 't' } };

function stock() {
  const model = new ScriptedModel((_n, messages) =>
    messages.at(-1)?.type === 'human'
      ? [
          callsOf(
            { id: 'call_one_x', name: 'gated', args: { n: 1 } },
            { id: 'call_two_x', name: 'gated', args: { n: 2 } },
            { id: 'call_three_x', name: 'free', args: { n: 3 } },
          ),
        ]
      : [{ content: 'done' }],
  );
  const ran: string[] = [];
  const tools = ['gated', 'free'].map((name) =>
    tool(async ({ n }: { n: number }) => String(ran.push(`${name} ${n}`)), {
      name,
      description: name,
      schema: z.object({ n: z.number() }),
    }),
  );
  const guarded = new GuardedModel({
    inner: model,
    gate: new FlowGate(),
    clock: systemClock,
    newId: testId,
    random: () => 0,
    usedToolIds: new Set(),
    stallTimeoutMs: 10_000,
    maxRetries: 0,
    maxSteps: 5,
    requiresFinish: false,
    retried: () => undefined,
  });
  const agent = createAgent({
    model: guarded,
    tools,
    // @ts-expect-error -- its types do not hold under exactOptionalPropertyTypes
    middleware: [humanInTheLoopMiddleware({ interruptOn: { gated: true } })],
    checkpointer: new MemorySaver(),
  });
  const resume = (...decisions: { type: string }[]) =>
    agent.invoke(new Command({ resume: { decisions } }), config);
  return { agent, model, ran, resume };
}

describe('the stock middleware', () => {
  test('mixed batch: an approved call is lost, another is left without a result', async () => {
    const { agent, model, ran, resume } = stock();
    await agent.invoke({ messages: 'go' }, config);

    await resume({ type: 'approve' }, { type: 'reject' });

    expect(ran).toEqual([]);
    expect(historyFault(model.sent.at(-1) ?? [])).toBeDefined();
  });

  test('malformed answer: the right one does not work any more', async () => {
    const { agent, ran, resume } = stock();
    await agent.invoke({ messages: 'go' }, config);

    await expect(resume()).rejects.toThrow('decisions');
    await expect(resume({ type: 'approve' }, { type: 'approve' })).rejects.toThrow('decisions');

    expect(ran).toEqual([]);
  });

  test('double resume: everything runs twice', async () => {
    const { agent, ran, resume } = stock();
    await agent.invoke({ messages: 'go' }, config);
    const yes = { type: 'approve' };

    await Promise.all([resume(yes, yes), resume(yes, yes)]);

    expect(ran.filter((each) => each === 'gated 1')).toHaveLength(2);
  });
});
