import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { HumanMessage } from '@langchain/core/messages';
import { interrupt, Send } from '@langchain/langgraph';
import { z } from 'zod';
import { RunError } from '../../../src/agent/agent-runner.ts';
import type { Checkpoints } from '../../../src/agent/checkpoints.ts';
import { ownAgent } from '../../../src/agent/own-graph.ts';
import type { CompiledGraph } from '../../../src/agent/own-graph.ts';
import type { Json } from '../../../src/lib/json.ts';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import { createBench } from '../../support/agent-run.ts';
import type { Outcome } from '../../support/agent-run.ts';
import { DyingCheckpoints } from '../../support/dying-checkpoints.ts';
import { PlainModel, state, words } from '../../support/graphs.ts';
import { PausedRun } from '../../support/paused-run.ts';

let db: ReturnType<typeof openDatabase>;
let checkpoints: Checkpoints;
/** What the graph got, in its order. */
let got: unknown[] = [];
beforeEach(() => {
  got = [];
  db = openDatabase(':memory:');
  checkpoints = createSqliteCheckpoints({ db });
});
afterEach(() => void db.close());

const benchOf = (graph: CompiledGraph, at = checkpoints) =>
  createBench({ checkpoints: at, agents: [ownAgent({ id: 'own', graph })] });
const start = (graph: CompiledGraph) => PausedRun.start(benchOf(graph), 'go');
const codeOf = ({ error }: Outcome) => (error instanceof RunError ? error.code : error);

function valueOf(run: PausedRun): Json {
  const { asked } = run;
  if (asked.kind !== 'custom') throw new Error(`a ${asked.kind} is asked`);
  return asked.value;
}

const keep = (response: unknown): void => void got.push(response);
const end = new PlainModel(() => words('the end'));

/** One node that asks all of these, one after the other. */
const asker = (...values: unknown[]) =>
  state()
    .addNode('ask', async ({ messages }) => {
      const said = values.map((value) => interrupt<unknown, unknown>(value));
      said.forEach(keep);
      return { messages: [await end.invoke(messages)] };
    })
    .addEdge('__start__', 'ask')
    .compile();

/** Asks in a node of its own; what it was told is kept when the node ends. */
const inner = (name: string, ...values: string[]) =>
  state()
    .addNode(`${name}_ask`, () => {
      const said = values.map((value) => interrupt<unknown, unknown>(value));
      return { messages: [new HumanMessage(`${name} ${JSON.stringify(said)}`)] };
    })
    .addNode(`${name}_note`, ({ messages }) => {
      keep(messages.at(-1)?.text);
      return {};
    })
    .addEdge('__start__', `${name}_ask`)
    .addEdge(`${name}_ask`, `${name}_note`);

const GRAPHS: Record<string, { graph: () => CompiledGraph; asks: string[]; keeps: string[] }> = {
  'three questions of one node': {
    graph: () => asker('a', 'b', 'c'),
    asks: ['a', 'b', 'c'],
    keeps: ['to a', 'to b', 'to c'],
  },
  'a graph as a node': {
    graph: () =>
      state()
        .addNode('sub', inner('s', 'a', 'b').compile())
        .addNode('after', () => keep(interrupt('c')) ?? {})
        .addEdge('__start__', 'sub')
        .addEdge('sub', 'after')
        .compile(),
    asks: ['a', 'b', 'c'],
    keeps: ['s ["to a","to b"]', 'to c'],
  },
  'two graphs called by one node that asks too': {
    graph: () =>
      state()
        .addNode('calls', async ({ messages }) => {
          await inner('s', 'a', 'b').compile().invoke({ messages });
          await inner('t', 'c').compile().invoke({ messages });
          keep(interrupt('d'));
          return {};
        })
        .addEdge('__start__', 'calls')
        .compile(),
    asks: ['a', 'b', 'c', 'd'],
    keeps: ['s ["to a","to b"]', 't ["to c"]', 'to d'],
  },
  'nodes side by side': {
    graph: () =>
      state()
        .addNode('fan', () => ({}))
        .addNode('one', ({ messages: [first] }) => keep(interrupt(first)) ?? {})
        .addEdge('__start__', 'fan')
        .addConditionalEdges('fan', () =>
          ['a', 'b', 'c'].map((each) => new Send('one', { messages: [each] })),
        )
        .compile(),
    asks: ['a', 'b', 'c'],
    keeps: ['to a', 'to b', 'to c'],
  },
  'graphs side by side that ask twice': {
    graph: () =>
      state()
        .addNode('s', inner('s', 'a', 'b').compile())
        .addNode('t', inner('t', 'c', 'd').compile())
        .addEdge('__start__', 's')
        .addEdge('__start__', 't')
        .compile(),
    asks: ['a', 'b', 'c', 'd'],
    keeps: ['s ["to a","to b"]', 't ["to c","to d"]'],
  },
};

const sorted = (texts: Iterable<unknown>): string[] =>
  z
    .array(z.string())
    .parse([...texts])
    .toSorted();

/** Every so many writes; CRASH_STRIDE=1 dies after every single one. */
const STRIDE = Number(process.env['CRASH_STRIDE'] ?? 7);

/** Plays a turn to its end as workers would, one of which is killed after so many writes; all is answered `to <what>`. */
async function play(graph: CompiledGraph, writes: number) {
  const dying = new DyingCheckpoints(checkpoints, writes);
  const run = new PausedRun(benchOf(graph, dying), 'go');
  const asked: string[] = [];
  let died = false;
  for (let segment = 1; segment < 20; segment += 1) {
    const kill = new AbortController();
    dying.onDeath(() => {
      died = true;
      kill.abort(new Error('killed'));
    });
    const last = await run.drive({ signal: kill.signal });
    if (run.action) {
      const value = z.string().parse(valueOf(run));
      asked.push(value);
      run.note({ response: `to ${value}` });
    } else if (!kill.signal.aborted) return { died, last, asked };
    await run.adopt();
  }
  throw new Error('it never ends');
}

describe.each(Object.entries(GRAPHS))('%s', (_name, { graph, asks, keeps }) => {
  test('each is asked once, and each gets its own response', async () => {
    const { last, asked } = await play(graph(), Number.POSITIVE_INFINITY);

    expect(last.error).toBeUndefined();
    expect(sorted(asked)).toEqual(asks);
    // A step that ends without writing anything is run again by LangGraph, with the answers it had.
    expect(sorted(new Set(got))).toEqual(keeps);
  });

  test('killed after a write of a checkpoint: no response is lost, none comes to another question', async () => {
    for (let writes = 0; ; writes += STRIDE) {
      got = [];
      const { died, last, asked } = await play(graph(), writes);

      expect([writes, last.error]).toEqual([writes, undefined]);
      expect([writes, sorted(new Set(asked))]).toEqual([writes, asks]);
      expect([writes, sorted(new Set(got))]).toEqual([writes, keeps]);
      if (!died) break;
    }
  });
});

describe('what is asked and answered', () => {
  test.each([null, false, 0, '', 'text', [], [null], {}, { a: { b: [1] } }])(
    'the response %j comes to the graph as it is',
    async (response) => {
      const run = await start(asker('well?'));

      const rest = await run.answer({ response });

      expect(rest.error).toBeUndefined();
      expect(got).toEqual([response]);
      expect(rest.text).toBe('the end');
    },
  );

  test.each([[null], [true], [0], [['a', { b: null }]], [{ kind: 'custom' }], ['{"a":1}']])(
    'the value %j is shown as it is',
    async (value) => {
      expect(valueOf(await start(asker(value)))).toEqual(value);
    },
  );

  test('members that are undefined are left out', async () => {
    const run = await start(asker({ a: undefined, b: [{ c: undefined }] }));

    expect(valueOf(run)).toEqual({ b: [{}] });
  });

  test('a schema stands beside the value: its own, or the one that interrupt was given', async () => {
    const responseSchema = { type: 'object', required: ['ok'] };
    const own = await start(asker({ what: 1, responseSchema }));
    const given = state()
      .addNode('ask', () => {
        keep(interrupt('n?', { responseSchema: z.object({ n: z.number() }) }));
        return {};
      })
      .addEdge('__start__', 'ask');
    const typed = await start(given.compile());
    const { asked } = typed;

    const rest = await typed.answer({ response: { n: 3 } });

    expect(own.asked).toMatchObject({ value: { what: 1, responseSchema }, responseSchema });
    expect(asked).toMatchObject({
      responseSchema: { type: 'object', properties: { n: { type: 'number' } } },
    });
    expect(rest.error).toBeUndefined();
    expect(got).toEqual([{ n: 3 }]);
  });

  const long = 'x'.repeat(100_001);
  const knot: unknown[] = [];
  for (let depth = 0, at = knot; depth < 40; depth += 1) {
    const next: unknown[] = [];
    at.push(next);
    at = next;
  }
  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'no JSON'],
    ['a message', { ask: new HumanMessage('x') }, 'no JSON'],
    ['a map', new Map([['a', 1]]), 'no JSON'],
    ['what is nested deeply', knot, 'no JSON'],
    ['too much', long, 'more than 100000 characters'],
    ['a schema that is a text', { responseSchema: 'string' }, 'it is no object'],
    ['a schema of no type', { responseSchema: { type: 'text' } }, "responseSchema can't be used"],
    ['a schema elsewhere', { responseSchema: { $ref: 'https://x.test/s.json' } }, "can't resolve"],
    ['a schema of another draft', { responseSchema: { $schema: 'http://x' } }, 'only the drafts'],
    ['too long a schema', { responseSchema: { description: long.slice(0, 30_000) } }, 'more than'],
  ])('%s can not be asked: PAUSE_UNSUPPORTED', async (_what, value, said) => {
    const run = await start(asker(value));

    expect(run.action).toBeUndefined();
    expect(run.outcome && codeOf(run.outcome)).toBe('PAUSE_UNSUPPORTED');
    expect(String(run.outcome?.error)).toContain(said);
  });

  test('an answer to something else is not given', async () => {
    const run = await start(asker('well?'));
    run.note({ response: 'yes' });
    if (run.answered?.action.kind === 'custom') run.answered.action.value = 'something else';

    expect(codeOf(await run.goOn())).toBe('RESUME_MISMATCH');
    expect(got).toEqual([]);
  });
});
