import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ToolMessage } from '@langchain/core/messages';
import type { RunRequest, ToolLedger } from '../../../src/agent/agent-runner.ts';
import { RunError } from '../../../src/agent/agent-runner.ts';
import { unavailable } from '../../../src/errors.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import { batchBench, historyFault } from '../../support/batch-agent.ts';
import type { BatchBench, BatchCall } from '../../support/batch-agent.ts';
import { FailingCheckpoints } from '../../support/failing-checkpoints.ts';
import { decide, PausedRun } from '../../support/paused-run.ts';

let db: ReturnType<typeof openDatabase>;
beforeEach(() => {
  db = openDatabase(':memory:');
});
afterEach(() => void db.close());

const gone = unavailable(new Error('cut'));
const call = (name: string, n: number): BatchCall => ({
  id: `call_${name}_${n}x`,
  name,
  args: { n },
});
const helper = (...calls: BatchCall[]): BatchCall => {
  return { id: 'call_helper_x', name: 'helper', args: { task: JSON.stringify(calls) } };
};

const SCENES: Record<string, BatchCall[]> = {
  'a batch': [call('gated', 1), call('free', 2)],
  'a sub-agent with a batch': [helper(call('gated', 1), call('free', 2)), call('free', 3)],
};

/** Plays a turn to its end, approving everything; whatever fails is done again under the next fence. */
async function play(batch: BatchCall[], nth: number) {
  const checkpoints = new FailingCheckpoints(createSqliteCheckpoints({ db }), (n) =>
    n === nth ? gone : undefined,
  );
  const bench = batchBench({ checkpoints });
  const run = new PausedRun(bench, JSON.stringify(batch));
  const errors: unknown[] = [];
  for (let segment = 1; segment < 20; segment += 1) {
    const { error } = await run.drive(bench.over(run.request.fence));
    if (error !== undefined) errors.push(error);
    else if (run.action) run.note(decide(run.action, { decision: 'approve' }));
    else return { bench, errors, calls: checkpoints.calls };
    await run.adopt().catch(async (refused: unknown) => {
      errors.push(refused);
      await run.adopt();
    });
  }
  throw new Error('it never ends');
}

/** Every so many calls, another one first in each scene; CRASH_STRIDE=1 refuses every single one. */
const STRIDE = Number(process.env['CRASH_STRIDE'] ?? 9);
const cases = Object.entries(SCENES).map(
  ([scene, batch], index) => [scene, batch, 1 + (index % STRIDE)] as const,
);

describe.each(cases)('%s', (_scene, batch, first) => {
  test('whichever call of the checkpoints is refused, the run ends with that very error and can be continued', async () => {
    const plain = await play(batch, Number.POSITIVE_INFINITY);
    expect(plain.errors).toEqual([]);

    for (let nth = first; nth <= plain.calls.length; nth += STRIDE) {
      const { bench, errors } = await play(batch, nth);

      expect({ nth, errors: errors.map((error) => error === gone) }).toEqual({
        nth,
        errors: [true],
      });
      expect(bench.executed).toHaveLength(plain.bench.executed.length);
      expect(bench.model.sent.map(historyFault).filter((fault) => fault !== undefined)).toEqual([]);
    }
  }, 60_000);
});

/** Everything that the model was shown as the result of a tool. */
function shown({ model }: BatchBench): string[] {
  return model.sent.flat().flatMap((it) => (ToolMessage.isInstance(it) ? [it.text] : []));
}

const refuse = async (): Promise<never> => {
  throw gone;
};
const ledger = (over: Partial<ToolLedger>): ToolLedger => ({
  start: async () => ({ go: 'run' }),
  done: async () => undefined,
  ...over,
});
const runAll: RunRequest['policy'] = async () => ({ ruling: 'run' });

class Gate {
  open: () => void = () => undefined;
  readonly passed = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

describe.each(Object.entries(SCENES))('%s, a store out of reach', (_scene, batch) => {
  test.each<[string, Partial<RunRequest>, number]>([
    ['before a tool', { ledger: ledger({ start: refuse }) }, 0],
    ['after a tool', { ledger: ledger({ done: refuse }) }, 1],
    ['when asked for the policy', { policy: refuse }, 0],
  ])('%s: the run ends with that error, the model sees none of it', async (_at, over, ran) => {
    const bench = batchBench({ checkpoints: createSqliteCheckpoints({ db }) });

    const run = await PausedRun.start(bench, JSON.stringify(batch), { policy: runAll, ...over });

    expect(run.outcome?.error).toBe(gone);
    expect(bench.executed.length > 0).toBe(ran > 0);
    expect(shown(bench)).toEqual([]);
  });
});

test('a write that fails while a tool of its step still runs is heard of, and the run ends with its error', async () => {
  const gate = new Gate();
  const unheard: unknown[] = [];
  const hear = (error: unknown): void => void unheard.push(error);
  process.on('unhandledRejection', hear);
  const checkpoints = new FailingCheckpoints(createSqliteCheckpoints({ db }), (_n, called) => {
    if (called !== 'putWrites' || bench.executed.length < 2) return undefined;
    // The tool ends a few turns of the event loop after the write has failed.
    setTimeout(gate.open, 20);
    return gone;
  });
  let started = 0;
  const bench = batchBench({
    checkpoints,
    effect: () => ((started += 1) === 2 ? gate.passed : undefined),
  });

  const batch = JSON.stringify([call('free', 1), call('free', 2)]);
  const run = await PausedRun.start(bench, batch, bench.over(1));

  process.off('unhandledRejection', hear);
  expect(run.outcome?.error).toBe(gone);
  expect(bench.ledgerOf.results.size).toBe(2);
  expect(unheard).toEqual([]);
});

test('a state that can not be saved ends the run with its code', async () => {
  const large = new RunError('CHECKPOINT_TOO_LARGE', 'too large');
  const checkpoints = new FailingCheckpoints(createSqliteCheckpoints({ db }), (n) =>
    n === 4 ? large : undefined,
  );
  const bench = batchBench({ checkpoints });

  const run = await PausedRun.start(bench, JSON.stringify([call('free', 1)]), bench.over(1));

  expect(run.outcome?.error).toBe(large);
});
