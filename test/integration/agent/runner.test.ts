import { describe, expect, test } from '@jest/globals';
import { AIMessage } from '@langchain/core/messages';
import { z } from 'zod';
import { plainAgent } from '../../../src/agent/catalog.ts';
import { defineTool } from '../../../src/agent/tools.ts';
import type { ToolDefinition } from '../../../src/agent/tools.ts';
import { collect, createBench } from '../../support/agent-run.ts';
import { settle } from '../../support/fake-clock.ts';
import { createMemoryCheckpoints } from '../../support/memory-checkpoints.ts';
import { callsOf, modelsOf, ScriptedModel } from '../../support/scripted-model.ts';

const call = callsOf({ id: 'call_abcdefgh', name: 'act', args: {} });

function act(run: ToolDefinition | Parameters<typeof defineTool>[0]['run']): ToolDefinition {
  if (typeof run !== 'function') return run;
  return defineTool({ name: 'act', description: 'acts', schema: z.object({}), run });
}

function once(
  tool: ToolDefinition,
  model = new ScriptedModel((n) => (n === 1 ? [call] : [{ content: 'ok' }])),
) {
  const agent = { ...plainAgent('scripted'), tools: [tool] };
  const checkpoints = createMemoryCheckpoints();
  return {
    ...createBench({ checkpoints, agents: [agent], models: modelsOf(model) }),
    model,
    checkpoints,
  };
}

describe('tools in a run', () => {
  test('a tool gets its keys, and what it emits is a custom event', async () => {
    let seen: object = {};
    const bench = once(
      act(async (_args, { idempotencyKey, toolCallId, generationId, emit }) => {
        seen = { idempotencyKey, toolCallId, generationId };
        await emit({ progress: 50 });
        return { done: true };
      }),
    );
    const asked = bench.request('go');

    const outcome = await collect(bench.runner.run(asked));

    const { generationId } = asked;
    expect(seen).toEqual({
      generationId,
      toolCallId: 'call_abcdefgh',
      idempotencyKey: `${generationId}/call_abcdefgh`,
    });
    expect(outcome.bodies).toContainEqual({ type: 'custom', data: { progress: 50 } });
    expect(outcome.bodies.find((b) => b.type === 'tool_result')).toMatchObject({
      output: '{"done":true}',
    });
  });

  test('a tool that throws is an error for the model, without stack and paths, and recorded', async () => {
    const bench = once(
      act(async () => {
        throw new Error('no file /etc/app/secret.json\n    at run (/srv/x.js:1:1)');
      }),
    );

    const outcome = await collect(bench.runner.run(bench.request('go')));

    const expected = { status: 'error', output: 'no file [path]' };
    expect(outcome.bodies.find((b) => b.type === 'tool_result')).toMatchObject(expected);
    expect(bench.ledger.results.get('call_abcdefgh')).toEqual(expected);
    expect(outcome.text).toBe('ok');
  });

  test('a ledger that refuses ends the run with its own error, and the tool does not run', async () => {
    let runs = 0;
    const bench = once(
      act(async () => {
        runs += 1;
        return '';
      }),
    );
    const refusal = new Error('stale fence');
    bench.ledger.refuse = refusal;

    const outcome = await collect(bench.runner.run(bench.request('go')));

    expect(outcome.error).toBe(refusal);
    expect(runs).toBe(0);
    expect(bench.model.sent).toHaveLength(1);
  });

  test('a recorded result is used again with its own status', async () => {
    const bench = once(act(async () => 'never'));
    bench.ledger.results.set('call_abcdefgh', { status: 'outcome_unknown', output: 'skipped' });

    const outcome = await collect(bench.runner.run(bench.request('go')));

    expect(outcome.bodies.find((b) => b.type === 'tool_result')).toMatchObject({
      status: 'outcome_unknown',
      output: 'skipped',
    });
    expect(bench.ledger.starts).toEqual([]);
  });
});

async function* many() {
  for (let n = 0; n < 2_000; n += 1) {
    yield { content: `w${n} ` };
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a run', () => {
  test('a reader that is slow holds the model back', async () => {
    const model = new ScriptedModel(many);
    const bench = once(
      act(async () => ''),
      model,
    );
    let ahead = 0;
    let read = 0;

    for await (const event of bench.runner.run(bench.request('go'))) {
      if (event.type !== 'event') continue;
      read += 1;
      if (read % 20 === 0)
        for (let turn = 0; turn < 50; turn += 1)
          await new Promise((resolve) => setImmediate(resolve));
      ahead = Math.max(ahead, model.produced - read);
    }

    expect(read).toBe(2_000);
    expect(ahead).toBeLessThan(150);
  });

  test('a reader that leaves stops the model', async () => {
    let stopped = false;
    async function* endless(_n: number, _messages: unknown, signal: AbortSignal | undefined) {
      signal?.addEventListener('abort', () => (stopped = true));
      for (;;) {
        yield { content: 'w' };
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const bench = once(
      act(async () => ''),
      new ScriptedModel(endless),
    );

    const events = bench.runner.run(bench.request('go'))[Symbol.asyncIterator]();
    await events.next();
    await events.return?.();
    // One that goes on makes a word in each turn of the loop.
    await settle(100);
    const { produced } = bench.model;
    await settle(100);

    expect(stopped).toBe(true);
    expect(bench.model.produced).toBe(produced);
  });

  test('a changed or removed agent does not go on', async () => {
    const bench = once(act(async () => ''));
    const asked = bench.request('go');
    const spec = { ...asked.spec, fingerprint: 'other' };

    const changed = await collect(bench.runner.run({ ...asked, spec }));
    const removed = await collect(
      bench.runner.run({ ...asked, spec: { ...asked.spec, agentId: 'gone' } }),
    );

    expect(changed.error).toMatchObject({ code: 'AGENT_CHANGED' });
    expect(removed.error).toMatchObject({ code: 'AGENT_CHANGED' });
  });

  test('the id on the first delta is the id of the message in the state', async () => {
    const script = new ScriptedModel((n) =>
      n === 1 ? [{ id: 'chatcmpl-1', content: 'a' }, call] : [{ id: 'chatcmpl-1', content: 'b' }],
    );
    const bench = once(
      act(async () => ''),
      script,
    );

    const outcome = await collect(bench.runner.run(bench.request('go')));

    const tuple = await bench.checkpoints.saver.getTuple({
      configurable: { thread_id: Object.keys(bench.checkpoints.saver.storage)[0] },
    });
    const messages: unknown = tuple?.checkpoint.channel_values['messages'];
    const inState = (Array.isArray(messages) ? messages : []).flatMap((message: unknown) =>
      AIMessage.isInstance(message) ? [message.id] : [],
    );
    const told = outcome.bodies.flatMap((b) => (b.type === 'text_delta' && b.call ? [b.call] : []));
    expect(told).toEqual(inState);
    expect(new Set(told).size).toBe(2);
  });
});
