import { afterEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import type { AgentDefinition } from '../../../src/agent/catalog.ts';
import type { Checkpoints } from '../../../src/agent/checkpoints.ts';
import { OPEN_POLICY } from '../../../src/hitl/tool-policy.ts';
import { defineTool } from '../../../src/agent/tools.ts';
import type { ToolDefinition } from '../../../src/agent/tools.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import { collect, createBench, typesOf } from '../../support/agent-run.ts';
import type { Outcome } from '../../support/agent-run.ts';
import { FairWatch } from '../../support/fair-watch.ts';
import { createMemoryCheckpoints } from '../../support/memory-checkpoints.ts';
import { callsOf, modelsOf, ScriptedModel } from '../../support/scripted-model.ts';

const databases: ReturnType<typeof openDatabase>[] = [];
function sqlite(): Checkpoints {
  const db = openDatabase(':memory:');
  databases.push(db);
  return createSqliteCheckpoints({ db });
}
afterEach(() => {
  for (const db of databases.splice(0)) db.close();
});

class Gate {
  open: () => void = () => undefined;
  readonly passed = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

function agentWith(tools: ToolDefinition[]): AgentDefinition {
  return {
    id: 'a',
    model: 'scripted',
    instructions: 'test',
    tools,
    maxSteps: 5,
    parameters: {},
    toolApproval: OPEN_POLICY,
  };
}
const ended = (outcome: Outcome): unknown => outcome.error ?? outcome.events.at(-1);
const resultsOf = ({ bodies }: Outcome) =>
  bodies.flatMap((body) => (body.type === 'tool_result' ? [body.toolCallId] : []));
const stopped = new Error('stopped');

describe.each([
  ['memory', createMemoryCheckpoints],
  ['sqlite', sqlite],
])('stop and go on (%s checkpoints)', (_name, create) => {
  test('stopped while it writes: ends at once with the reason, then the model is asked again', async () => {
    const { runner, request } = createBench({ checkpoints: create() });
    const stop = new AbortController();
    const first = request('say 50 5', { signal: stop.signal });

    let watch: FairWatch | undefined;
    const cut = await collect(runner.run(first), () => {
      watch ??= new FairWatch();
      stop.abort(stopped);
    });
    const took = watch?.stop();
    const standing = await runner.adopt({ ...first, fence: 2 });
    const rest = await collect(runner.run({ ...request('say 50 5'), ...first, ...going(2, 1) }));

    expect(cut.error).toBe(stopped);
    expect(cut.bodies).toHaveLength(1);
    expect(took).toBeLessThan(100);
    expect(standing).toEqual({ resumable: true, calls: [], results: [], steered: [] });
    expect(rest.error).toBeUndefined();
    expect(rest.text.split(' ')).toHaveLength(50);
    expect(rest.bodies[0]).toMatchObject({ part: 1 });
  });

  test('stopped in a tool that watches its signal: the call stands, the tool runs again, the model is not asked again', async () => {
    const { runner, request, ledger } = createBench({ checkpoints: create() });
    const stop = new AbortController();
    const first = request('slow 0.2', { signal: stop.signal });

    const cut = await collect(runner.run(first), (event) => {
      if (event.type === 'usage') setImmediate(() => stop.abort(stopped));
    });
    const standing = await runner.adopt({ ...first, fence: 2 });
    const rest = await collect(runner.run({ ...first, ...going(2, 2) }));

    expect(cut.error).toBe(stopped);
    const toolCallId = standing.calls[0]?.toolCalls[0]?.toolCallId;
    const began = cut.bodies.find((body) => body.type === 'text_delta');
    expect(standing.calls).toEqual([
      {
        call: began?.call,
        reasoning: '',
        text: 'One moment.',
        toolCalls: [{ toolCallId, name: 'slow', args: { seconds: 0.2 } }],
      },
    ]);
    expect(standing.results).toEqual([]);
    expect(typesOf(rest)).toBe('tool_result text_delta usage');
    expect(new Set(ledger.starts)).toEqual(new Set([toolCallId]));
    expect(ledger.results.get(toolCallId ?? '')).toMatchObject({ status: 'ok' });
  });

  test('stopped in a tool that ignores its signal: ends at once, its late result is taken, not made again', async () => {
    const gate = new Gate();
    const started = new Gate();
    let runs = 0;
    const tool = defineTool({
      name: 'pay',
      description: 'pays',
      schema: z.object({}),
      run: async () => {
        runs += 1;
        started.open();
        await gate.passed;
        return 'paid';
      },
    });
    const model = new ScriptedModel((call) =>
      call === 1 ? [callsOf({ id: 'call_abcdefgh', name: 'pay', args: {} })] : [{ content: 'ok' }],
    );
    const bench = createBench({
      checkpoints: create(),
      agents: [agentWith([tool])],
      models: modelsOf(model),
    });
    const stop = new AbortController();
    const first = bench.request('go', { signal: stop.signal });
    void started.passed.then(() => stop.abort(stopped));

    const cut = await collect(bench.runner.run(first));
    const beforeResult = bench.ledger.results.size;
    gate.open();
    await new Promise((resolve) => setImmediate(resolve));
    await bench.runner.adopt({ ...first, fence: 2 });
    const rest = await collect(bench.runner.run({ ...first, ...going(2, 1) }));

    expect(cut.error).toBe(stopped);
    expect(beforeResult).toBe(0);
    expect(runs).toBe(1);
    expect(rest.bodies[0]).toMatchObject({ type: 'tool_result', status: 'ok', output: 'paid' });
    expect(rest.text).toBe('ok');
    expect(model.sent).toHaveLength(2);
  });

  test('a finished sibling is not run again and its result is not told again', async () => {
    const runs: string[] = [];
    const blocked = new Gate();
    const names = ['quick', 'held'];
    const tools = names.map((name) =>
      defineTool({
        name,
        description: name,
        schema: z.object({}),
        effects: 'read',
        async run(_args, { signal }) {
          runs.push(name);
          if (name === 'held' && runs.filter((each) => each === name).length === 1) {
            await new Promise((resolve) => {
              signal.addEventListener('abort', resolve);
              blocked.open();
            });
            signal.throwIfAborted();
          }
          return name;
        },
      }),
    );
    const model = new ScriptedModel((call) =>
      call === 1
        ? [
            callsOf(
              { id: 'call_quickquick', name: 'quick', args: {} },
              { id: 'call_heldheld', name: 'held', args: {} },
            ),
          ]
        : [{ content: 'both' }],
    );
    const bench = createBench({
      checkpoints: create(),
      agents: [agentWith(tools)],
      models: modelsOf(model),
    });
    const stop = new AbortController();
    const first = bench.request('go', { signal: stop.signal });

    const cut = await collect(bench.runner.run(first), (event) => {
      if (event.type === 'event' && event.body.type === 'tool_result')
        void blocked.passed.then(() => stop.abort(stopped));
    });
    const standing = await bench.runner.adopt({ ...first, fence: 2 });
    const rest = await collect(bench.runner.run({ ...first, ...going(2, 2) }));

    expect(resultsOf(cut)).toEqual(['call_quickquick']);
    expect(standing.results).toEqual([
      { toolCallId: 'call_quickquick', status: 'ok', output: 'quick' },
    ]);
    expect(runs).toEqual(['quick', 'held', 'held']);
    expect(resultsOf(rest)).toEqual(['call_heldheld']);
    expect(rest.text).toBe('both');
    const roles = model.sent[1]?.map(({ type }) => type);
    expect(roles).toEqual(['system', 'human', 'ai', 'tool', 'tool']);
  });

  test('drained: ends with a hand-over at the next step, and goes on from there', async () => {
    const { runner, request, ledger } = createBench({ checkpoints: create() });
    const drain = new AbortController();
    const first = request('slow 0.02', { drain: drain.signal });

    const cut = await collect(runner.run(first), () => drain.abort());
    const standing = await runner.adopt({ ...first, fence: 2 });
    const rest = await collect(
      runner.run({ ...first, ...going(2, 2), drain: new AbortController().signal }),
    );

    expect(ended(cut)).toEqual({ type: 'handover' });
    expect(standing.calls).toHaveLength(1);
    expect(rest.error).toBeUndefined();
    expect(resultsOf(rest)).toHaveLength(1);
    expect(ledger.starts).toHaveLength(1);
  });

  test.each(['signal', 'drain'])(
    '%s aborted before it starts: nothing runs, and it can go on',
    async (which) => {
      const { runner, request } = createBench({ checkpoints: create() });
      const first = request('say 2 0', { [which]: AbortSignal.abort(stopped) });

      const cut = await collect(runner.run(first));
      const standing = await runner.adopt({ ...first, fence: 2 });
      const fresh = { signal: new AbortController().signal, drain: new AbortController().signal };
      const entry = standing.resumable ? going(2, 0) : { fence: 2 };
      const rest = await collect(runner.run({ ...first, ...entry, ...fresh }));

      expect(cut.bodies).toEqual([]);
      expect(ended(cut)).toEqual(which === 'signal' ? stopped : { type: 'handover' });
      expect(rest.error).toBeUndefined();
      expect(rest.text).toBe('word1 word2');
    },
  );

  test('going on from a finished checkpoint ends at once', async () => {
    const { runner, request } = createBench({ checkpoints: create() });
    const first = request('tool');
    await collect(runner.run(first));

    const standing = await runner.adopt({ ...first, fence: 2 });
    const rest = await collect(runner.run({ ...first, ...going(2, 9) }));

    expect(standing.calls.map(({ text }) => text)).toEqual([
      'One moment.',
      'The tool answered: 2 + 3 = 5',
    ]);
    expect(standing.results).toMatchObject([{ status: 'ok', output: '2 + 3 = 5' }]);
    expect(rest).toMatchObject({ events: [], error: undefined });
  });

  test('a pruned generation has nothing to adopt', async () => {
    const { runner, request } = createBench({ checkpoints: create() });
    const first = request('say 1 0');
    await collect(runner.run(first));

    await runner.prune(first.generationId);

    expect(await runner.adopt({ ...first, fence: 2 })).toMatchObject({ resumable: false });
  });
});

function going(fence: number, nextPart: number) {
  return {
    fence,
    nextPart,
    entry: { kind: 'continue' as const },
    signal: new AbortController().signal,
  };
}
