import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import type { RunRequest, ToolEffects } from '../../../src/agent/agent-runner.ts';
import { defineTool, type ToolDefinition } from '../../../src/agent/tools.ts';
import { hashOf } from '../../../src/lib/json.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import type { EventBody } from '../../../src/stream/events.ts';
import { foldEvents, type MessageFold } from '../../../src/stream/fold.ts';
import type { MessagePart } from '../../../src/stream/message.ts';
import { whatStands } from '../../../src/stream/recovery.ts';
import { batchBench, historyFault } from '../../support/batch-agent.ts';
import type { BatchBench, BatchCall } from '../../support/batch-agent.ts';
import { DyingCheckpoints } from '../../support/dying-checkpoints.ts';
import { decide, PausedRun } from '../../support/paused-run.ts';
import type { Body, Outcome } from '../../support/agent-run.ts';
import { created, logOf } from '../../support/events.ts';
import { MemoryRunFiles } from '../../support/tool-run.ts';
import type { Say } from '../../support/paused-run.ts';

let db: ReturnType<typeof openDatabase>;
beforeEach(() => {
  db = openDatabase(':memory:');
});
afterEach(() => void db.close());

const call = (name: string, n: number): BatchCall => ({
  id: `call_${name}_${n}x`,
  name,
  args: { n },
});
const helper = (name: string, id: string, ...calls: BatchCall[]): BatchCall => {
  return { id: `call_${name}_${id}`, name, args: { task: JSON.stringify(calls) } };
};
const ask = (id: string): BatchCall => {
  return { id: `call_ask_${id}`, name: 'ask_user', args: { questions: [{ question: `${id}?` }] } };
};
const dead = new Error('killed');

/** By what it is about, so that the same thing is said however often it is asked. */
function sayFor(toolCallId: string): Say {
  if (toolCallId.endsWith('_2x')) return { decision: 'reject', reason: 'no' };
  if (toolCallId.endsWith('_3x')) return { decision: 'edit', editedArgs: { n: 33 } };
  if (toolCallId.endsWith('_4x')) return { decision: 'respond', responseText: 'by hand' };
  return { decision: 'approve' };
}

interface Played {
  bench: BatchBench;
  last: Outcome;
  died: boolean;
  /** Model calls of the whole turn: those that stood, and those made after. */
  models: number;
  asked: string[];
}

/** Plays a turn to its end as workers would, one of which is killed after so many writes. */
async function play(batch: BatchCall[], writes: number): Promise<Played> {
  const checkpoints = new DyingCheckpoints(createSqliteCheckpoints({ db }), writes);
  const bench = batchBench({ checkpoints });
  const run = new PausedRun(bench, JSON.stringify(batch));
  const asked: string[] = [];
  let died = false;
  let kept = { calls: 0, sent: 0 };
  for (let segment = 1; segment < 40; segment += 1) {
    const kill = new AbortController();
    checkpoints.onDeath(() => kill.abort(dead));
    const signals: Partial<RunRequest> = { signal: kill.signal, ...bench.over(run.request.fence) };
    const last = await run.drive(signals);
    if (last.error === dead) {
      died = true;
    } else if (run.action) {
      const { action } = run;
      if ('requests' in action) {
        asked.push(...action.requests.map(({ toolCallId }) => toolCallId));
        run.note(decide(action, ...action.requests.map(({ toolCallId }) => sayFor(toolCallId))));
      } else if (action.kind === 'custom') {
        throw new Error('nothing asks in its own form here');
      } else {
        asked.push(...action.questions.map(({ question }) => question));
        run.note({ answers: { q1: `to ${action.questions[0]?.question ?? ''}` } });
      }
    } else {
      const models = kept.calls + bench.model.sent.length - kept.sent;
      return { bench, last, died, models, asked };
    }
    const standing = await run.adopt();
    kept = { calls: standing.calls.length, sent: bench.model.sent.length };
  }
  throw new Error('it never ends');
}

const SCENES: Record<string, BatchCall[]> = {
  'a mixed batch': [
    call('gated', 1),
    call('free', 9),
    call('gated', 2),
    call('gated', 3),
    call('gated', 4),
  ],
  'a rejection alone': [call('gated', 2)],
  'a question beside a gated call': [ask('colour'), call('gated', 1)],
  'two questions at once': [ask('colour'), ask('size')],
  'a sub-agent with a mixed batch': [
    helper('helper', 'a', call('gated', 1), call('gated', 2), call('free', 9)),
  ],
  'two sub-agents that both ask': [
    helper('helper', 'a', call('gated', 1)),
    helper('helper', 'b', call('gated', 3), ask('colour')),
    call('free', 9),
  ],
  'a sub-agent in a sub-agent': [
    helper('helper', 'a', helper('deep', 'b', call('gated', 1), ask('size'))),
  ],
};

/** Every so many writes, another one first in each scene; CRASH_STRIDE=1 dies after every single one. */
const STRIDE = Number(process.env['CRASH_STRIDE'] ?? 12);
const cases = Object.entries(SCENES).map(
  ([scene, batch], index) => [scene, batch, index % STRIDE] as const,
);

describe.each(cases)('%s', (_scene, batch, first) => {
  test('killed after a write of a checkpoint: everything is asked, and runs once, all the same', async () => {
    const plain = await play(batch, Number.POSITIVE_INFINITY);
    expect(plain.last.error).toBeUndefined();
    expect(plain.last.text.endsWith('done')).toBe(true);
    let writes = first;
    for (; ; writes += STRIDE) {
      const played = await play(batch, writes);
      if (!played.died) break;
      const { bench, last, asked } = played;

      expect(last.error).toBeUndefined();
      expect(played.models).toBe(plain.bench.model.sent.length);
      expect(bench.model.sent.map(historyFault).filter((fault) => fault !== undefined)).toEqual([]);
      expect(new Set(asked)).toEqual(new Set(plain.asked));
      const gated = bench.executed.filter(({ name }) => name === 'gated');
      const expected = plain.bench.executed.filter(({ name }) => name === 'gated');
      expect(gated.map(({ argsHash }) => argsHash).toSorted()).toEqual(
        expected.map(({ argsHash }) => argsHash).toSorted(),
      );
      const free = bench.ledgerOf.starts.filter(({ argsHash }) => argsHash === hashOf({ n: 9 }));
      expect(free).toHaveLength(batch.length > 0 && JSON.stringify(batch).includes('9x') ? 1 : 0);
      expect(bench.ledgerOf.refused).toEqual([]);
    }
    expect(writes).toBeGreaterThan(4);
  }, 60_000);
});

const drawing = (effects: ToolEffects): ToolDefinition =>
  defineTool({
    name: `draw_${effects}`,
    description: 'draws two pictures',
    schema: z.strictObject({ n: z.number() }),
    effects,
    async run({ n }, { saveFile }) {
      for (const side of ['front', 'back'])
        await saveFile({ name: `${effects} ${n} ${side}`, mediaType: 'text/plain', data: side });
      return 'drawn';
    },
  });

/** The events that are durable when a driver dies. */
const LOSSES: Record<string, (said: Body[]) => Body[]> = {
  'the first attachment and all after it': (said) => {
    const first = said.findIndex(({ type }) => type === 'attachment');
    return first === -1 ? said : said.slice(0, first);
  },
  'all that the driver said': () => [],
};

/** Plays a turn as workers would, whose log loses what was said when the first one dies. */
async function showing(
  batch: BatchCall[],
  at: { writes: number; durable: (said: Body[]) => Body[] },
) {
  const checkpoints = new DyingCheckpoints(createSqliteCheckpoints({ db }), at.writes);
  const tools = (['read', 'idempotent', 'unsafe'] as const).map(drawing);
  const bench = batchBench({ checkpoints, tools, files: new MemoryRunFiles() });
  const run = new PausedRun(bench, JSON.stringify(batch));
  const kill = new AbortController();
  checkpoints.onDeath(() => kill.abort(dead));
  const over = () => bench.over(run.request.fence);
  const first = await run.drive({ signal: kill.signal, ...over() });
  const log: EventBody[] = [created()];
  if (first.error === undefined)
    return { died: false, fold: foldEvents(logOf([...log, ...first.bodies])) };
  log.push(...at.durable(first.bodies));
  const standing = await run.adopt();
  const fold = foldEvents(logOf(log));
  const { content, calls, keep } = whatStands(fold, standing, log.length);
  const before = fold.state();
  const state = { ...before, message: { ...before.message, content } };
  log.push({ type: 'segment', reason: 'recovered', keep, state, calls });
  const attached = content.flatMap((part) =>
    part.type === 'attachment' ? [String(part.url)] : [],
  );
  const second = await run.drive({ nextPart: content.length, attached, ...over() });
  expect(second.error).toBeUndefined();
  return { died: true, fold: foldEvents(logOf([...log, ...second.bodies])) };
}

const isDrawing = (part: MessagePart): boolean =>
  part.type === 'tool_call' && part.name.startsWith('draw_');

/** Each with the call that it stands behind, and the path to it. */
function shownIn({ parts }: MessageFold): string[] {
  return parts.flatMap((part, index) => {
    if (part.type !== 'attachment') return [];
    const calls = parts.slice(0, index).flatMap((it) => (it.type === 'tool_call' ? [it.name] : []));
    const has = calls.includes(`draw_${part.name.split(' ')[0] ?? ''}`);
    return [`${part.name} ${part.path?.join('/') ?? ''} ${has ? 'behind its call' : 'astray'}`];
  });
}

describe.each(Object.entries(LOSSES))('the log loses %s', (_loss, durable) => {
  test.each([
    ['side by side', [call('draw_read', 1), call('draw_idempotent', 2)]],
    ['in a sub-agent', [helper('helper', 'a', call('draw_unsafe', 3))]],
  ])(
    'what tools %s showed is in the answer once, whatever write is the last',
    async (_where, batch) => {
      const plain = await showing(batch, { writes: Number.POSITIVE_INFINITY, durable });
      const expected = shownIn(plain.fold).toSorted();
      expect(expected).toHaveLength(2 * plain.fold.parts.filter(isDrawing).length);
      let writes = 1;
      for (; ; writes += Math.min(STRIDE, 3)) {
        const { died, fold } = await showing(batch, { writes, durable });
        if (!died) break;
        expect(shownIn(fold).toSorted()).toEqual(expected);
      }
      expect(writes).toBeGreaterThan(4);
    },
    60_000,
  );
});
