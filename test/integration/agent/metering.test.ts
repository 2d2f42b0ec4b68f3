import { describe, expect, test } from '@jest/globals';
import { RunError } from '../../../src/agent/agent-runner.ts';
import { plainAgent } from '../../../src/agent/catalog.ts';
import type { Meter } from '../../../src/agent/meter.ts';
import { unavailable } from '../../../src/errors.ts';
import { collect, createBench } from '../../support/agent-run.ts';
import { createMemoryCheckpoints } from '../../support/memory-checkpoints.ts';
import { modelsOf, ScriptedModel, type Fields } from '../../support/scripted-model.ts';

const usage = { input_tokens: 7, output_tokens: 3, total_tokens: 10 };

function told(content: string): Fields {
  const fields: Fields = { content };
  // The constructor's types lose this field.
  Reflect.set(fields, 'usage_metadata', usage);
  return fields;
}

async function metered(
  play: (signal: AbortSignal | undefined) => AsyncIterable<Fields>,
  meter: Partial<Meter> = {},
  stop?: AbortController,
) {
  const used: string[] = [];
  const model = new ScriptedModel((_call, _messages, signal) => play(signal));
  const { runner, request } = createBench({
    checkpoints: createMemoryCheckpoints(),
    agents: [plainAgent('a:b')],
    models: modelsOf(model),
    meter: {
      check: async () => undefined,
      used: async ({ owner, key, model: name, tokens }) => {
        used.push(`${owner.userId} ${name} ${tokens.inputTokens}+${tokens.outputTokens} ${key}`);
      },
      ...meter,
    },
  });
  const asked = request('hello', stop && { signal: stop.signal });
  const outcome = await collect(runner.run(asked), () => stop?.abort(new Error('stopped')));
  return { used, outcome, model, id: asked.generationId };
}
describe('what calls of models use', () => {
  test('is written down by owner, generation, fence and call', async () => {
    const { used, id } = await metered(async function* () {
      yield { content: 'hi' };
      yield told('');
    });

    expect(used).toHaveLength(1);
    expect(used[0]).toContain(`u1 a:b 7+3 ${id}/1/ai_`);
  });

  test('counts where the call failed after it was told', async () => {
    const { used, outcome } = await metered(async function* () {
      yield told('hi');
      throw new Error('broken');
    });

    expect(outcome.error).toMatchObject({ code: 'MODEL_ERROR' });
    expect(used).toHaveLength(1);
  });

  test('counts where the run was stopped in the middle', async () => {
    const { used } = await metered(
      async function* (signal) {
        yield told('hi');
        await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }));
      },
      {},
      new AbortController(),
    );

    expect(used).toHaveLength(1);
  });

  test('no model is asked where nothing is left, and an outage of the store is one', async () => {
    const over = new RunError('BUDGET_EXCEEDED', 'over');
    const refused = await metered(
      async function* () {
        yield { content: 'hi' };
      },
      { check: async () => Promise.reject(over) },
    );
    const down = await metered(
      async function* () {
        yield { content: 'hi' };
      },
      { check: async () => Promise.reject(unavailable(new Error('down'))) },
    );

    expect(refused.outcome.error).toMatchObject({ code: 'BUDGET_EXCEEDED' });
    expect(down.outcome.error).toMatchObject({ code: 'UNAVAILABLE' });
    expect([refused.model.sent, down.model.sent]).toEqual([[], []]);
  });
});
