import { describe, expect, test } from '@jest/globals';
import { HumanMessage } from '@langchain/core/messages';
import { z } from 'zod';
import { plainAgent } from '../../../src/agent/catalog.ts';
import type { Checkpoints } from '../../../src/agent/checkpoints.ts';
import { subAgentTool } from '../../../src/agent/sub-agent.ts';
import { defineTool } from '../../../src/agent/tools.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import { collect, createBench } from '../../support/agent-run.ts';
import { createMemoryCheckpoints } from '../../support/memory-checkpoints.ts';
import { callsOf, ScriptedModel } from '../../support/scripted-model.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A boss that asks two helpers at once; each helper looks something up, then answers in two words. */
function office(
  lookUp: (signal: AbortSignal) => Promise<string>,
  checkpoints: Checkpoints = createMemoryCheckpoints(),
) {
  const boss = new ScriptedModel((n) =>
    n === 1
      ? [
          callsOf(
            { id: 'call_helper_a', name: 'help', args: { task: 'a' } },
            { id: 'call_helper_b', name: 'help', args: { task: 'b' } },
          ),
        ]
      : [{ content: 'both helped' }],
  );
  const helper = new ScriptedModel(async function* (_n, messages) {
    const task = messages.findLast((message) => HumanMessage.isInstance(message))?.text ?? '';
    if (messages.at(-1)?.type === 'human') {
      yield callsOf({ id: `call_look_up_${task}`, name: 'look_up', args: {} });
      return;
    }
    yield { content: `${task}1 ` };
    await turn();
    yield { content: `${task}2` };
  });
  const tool = defineTool({
    name: 'look_up',
    description: 'looks up',
    schema: z.object({}),
    effects: 'read',
    run: (_args, { signal }) => lookUp(signal),
  });
  const help = subAgentTool({
    name: 'help',
    description: 'helps',
    agent: { ...plainAgent('helper'), id: 'helper', tools: [tool] },
  });
  const bench = createBench({
    checkpoints,
    agents: [{ ...plainAgent('boss'), tools: [help] }],
    models: {
      check: async () => undefined,
      resolve: async (name) => ({
        model: name === 'boss' ? boss : helper,
        requiresFinish: false,
      }),
    },
  });
  return { ...bench, boss, helper };
}

describe('sub-agents', () => {
  test('two at once: their parts stay apart, with the path of the call that started each', async () => {
    const { runner, request } = office(async () => 'found');

    const outcome = await collect(runner.run(request('go')));

    expect(outcome.error).toBeUndefined();
    const said = new Map<string, string>();
    for (const body of outcome.bodies)
      if (body.type === 'text_delta') {
        const key = `${body.part} ${body.path?.join('/') ?? 'root'}`;
        said.set(key, (said.get(key) ?? '') + body.text);
      }
    expect(
      [...said].map(([key, text]) => `${key.replace(/^\d+ /, '')}: ${text}`).toSorted(),
    ).toEqual(['call_helper_a: a1 a2', 'call_helper_b: b1 b2', 'root: both helped']);
    const inner = outcome.bodies.filter((b) => b.type === 'tool_call' && b.name === 'look_up');
    expect(inner).toMatchObject([{ path: ['call_helper_a'] }, { path: ['call_helper_b'] }]);
    const states = outcome.bodies.flatMap((b) =>
      b.type === 'agent' ? [`${b.agentId} ${b.path.join('/')} ${b.state}`] : [],
    );
    expect(states.toSorted()).toEqual([
      'helper call_helper_a finished',
      'helper call_helper_a started',
      'helper call_helper_b finished',
      'helper call_helper_b started',
    ]);
    const results = outcome.bodies.filter((b) => b.type === 'tool_result').map((b) => b.output);
    expect(results.toSorted()).toEqual(['a1 a2', 'b1 b2', 'found', 'found']);
  });

  test.each(['memory', 'sqlite'])(
    'stopped inside: what sub-agents did stands with its path and is not asked again (%s)',
    async (kind) => {
      const db = openDatabase(':memory:');
      const checkpoints =
        kind === 'sqlite' ? createSqliteCheckpoints({ db }) : createMemoryCheckpoints();
      let looked = 0;
      const stop = new AbortController();
      const stopped = new Error('stopped');
      const { runner, request, boss, helper } = office(async (signal) => {
        looked += 1;
        if (looked === 2) setImmediate(() => stop.abort(stopped));
        if (looked <= 2) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        signal.throwIfAborted();
        return 'found';
      }, checkpoints);
      const first = request('go', { signal: stop.signal });

      const cut = await collect(runner.run(first));
      const standing = await runner.adopt({ ...first, fence: 2 });
      const rest = await collect(
        runner.run({
          ...first,
          fence: 2,
          nextPart: 4,
          entry: { kind: 'continue' },
          signal: new AbortController().signal,
        }),
      );

      expect(cut.error).toBe(stopped);
      expect(standing.calls.map(({ path, toolCalls }) => [path, toolCalls.length])).toEqual([
        [undefined, 2],
        expect.arrayContaining([[expect.stringMatching(/^call_helper_/)], 1]),
        expect.arrayContaining([[expect.stringMatching(/^call_helper_/)], 1]),
      ]);
      expect(rest.error).toBeUndefined();
      expect(rest.text).toContain('both helped');
      // Each helper was asked twice in all, the boss too: nothing that stood was asked again.
      expect(helper.sent).toHaveLength(4);
      expect(boss.sent).toHaveLength(2);
      expect(rest.bodies.filter((b) => b.type === 'tool_call')).toEqual([]);
      db.close();
    },
  );

  test('drained inside: a hand-over, then it goes on to the end', async () => {
    const drain = new AbortController();
    const { runner, request, helper } = office(async () => {
      drain.abort();
      return 'found';
    });
    const first = request('go', { drain: drain.signal });

    const cut = await collect(runner.run(first));
    await runner.adopt({ ...first, fence: 2 });
    const rest = await collect(
      runner.run({
        ...first,
        fence: 2,
        nextPart: 4,
        entry: { kind: 'continue' },
        drain: new AbortController().signal,
      }),
    );

    expect(cut.error).toBeUndefined();
    expect(cut.events.at(-1)).toEqual({ type: 'handover' });
    expect(rest.error).toBeUndefined();
    expect(rest.text).toContain('both helped');
    expect(helper.sent).toHaveLength(4);
  });
});
