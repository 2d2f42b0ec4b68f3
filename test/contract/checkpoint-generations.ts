import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AIMessage } from '@langchain/core/messages';
import { INTERRUPT, isInterrupted } from '@langchain/langgraph';
import { emptyCheckpoint } from '@langchain/langgraph-checkpoint';
import { z } from 'zod';
import { threadId, type Checkpoints } from '../../src/agent/checkpoints.ts';
import { ODD_ARGS } from '../support/odd-args.ts';
import { createScript, deltaLoop, fanOut, loop, on, resume } from './checkpoint-graphs.ts';
import type { CheckpointsFixture, CheckpointsSuite } from './checkpoint-kit.ts';

const at = (fence: number, generationId = 'gen_1') => ({ generationId, fence });

/** Ids of the open questions, by what they ask. */
function questions(result: unknown): Record<string, string> {
  if (!isInterrupted<string>(result)) return {};
  return Object.fromEntries(result[INTERRUPT].map(({ id, value }) => [String(value), String(id)]));
}

/** A hold that ends the process as far as the run can tell. */
function kill(process: AbortController): () => Promise<void> {
  return () => {
    process.abort(new Error('killed'));
    return new Promise(() => {});
  };
}

function describeForks(of: () => CheckpointsFixture, mode: { keepHistory: boolean }): void {
  const fresh = (): Promise<Checkpoints> => of().fresh(mode);
  const threads = async (): Promise<string[]> => [...(await of().records()).keys()];
  const others = async (): Promise<[string, number[]][]> =>
    [...(await of().records())].filter(([id]) => !id.startsWith('gen_1:'));

  describe(`keepHistory: ${mode.keepHistory}`, () => {
    test('a run that died half-way goes on under the next fence and repeats only what had not finished', async () => {
      const script = createScript();
      const dead = new AbortController();
      script.hold.set('slow', () => new Promise(() => {}));
      const run = await fanOut(await fresh(), script).stream(
        { items: ['fast', 'slow', 'quick'] },
        { ...on(at(1)), streamMode: 'updates', signal: dead.signal },
      );
      const nodes: string[] = [];
      const died = (async () => {
        for await (const update of run) {
          nodes.push(...Object.keys(update));
          if (nodes.length === 3) dead.abort(new Error('killed'));
        }
      })();
      await expect(died).rejects.toThrow('killed');
      expect(nodes).toEqual(['plan', 'branch', 'branch']);
      script.hold.clear();

      const revived = await fresh();
      const from = await revived.latestFenceBelow(at(2));
      await revived.fork(from ?? -1, at(2));
      const result = await fanOut(revived, script).invoke(null, on(at(2)));

      expect(from).toBe(1);
      expect(result.done).toEqual(['planned', 'fast', 'slow', 'quick', 'joined']);
      expect(Object.fromEntries(script.starts)).toEqual({ fast: 1, quick: 1, slow: 2 });
    });

    test('questions of parallel branches and of a sub-graph keep their ids and are answered one fence at a time', async () => {
      const script = createScript();
      const first = await fresh();
      const items = ['ask a', 'plain', 'sub b', 'ask c'];

      const asked = questions(await fanOut(first, script).invoke({ items }, on(at(1))));
      expect(Object.keys(asked).toSorted()).toEqual(['ask a', 'ask c', 'sub b!']);

      const second = await fresh();
      await second.fork(1, at(2));
      const state = await fanOut(second, script).getState(on(at(2)));
      const listed = state.tasks.flatMap((task) => task.interrupts.map(({ id }) => String(id)));
      expect(listed.toSorted()).toEqual(Object.values(asked).toSorted());

      const partly = resume({ [asked['ask a'] ?? '']: 'A', [asked['sub b!'] ?? '']: 'B' });
      const left = questions(await fanOut(second, script).invoke(partly, on(at(2))));
      expect(left).toEqual({ 'ask c': asked['ask c'] });

      const third = await fresh();
      await third.fork(2, at(3));
      const last = resume({ [asked['ask c'] ?? '']: 'C' });
      const result = await fanOut(third, script).invoke(last, on(at(3)));
      expect(result.done).toEqual(['planned', 'ask a=A', 'plain', 'sub b!=B', 'ask c=C', 'joined']);
      expect(script.starts.get('plain')).toBe(1);
      expect(script.starts.get('sub b.before')).toBe(1);
    });

    test.each([
      { where: 'ask a', why: 'before its branch was done', again: true },
      { where: 'join', why: 'after its branch was done', again: false },
      { where: 'join', why: 'after its branch was done, and answered again', again: true },
    ])(
      'a driver killed with the answer in hand, $why, is followed up',
      async ({ where, again }) => {
        const script = createScript();
        const first = await fresh();
        const paused = await fanOut(first, script).invoke({ items: ['ask a', 'x'] }, on(at(1)));
        const answer = resume({ [questions(paused)['ask a'] ?? '']: 'A' });
        await first.fork(1, at(2));
        const dead = new AbortController();
        script.hold.set(where, kill(dead));
        const died = fanOut(first, script).invoke(answer, { ...on(at(2)), signal: dead.signal });
        await expect(died).rejects.toThrow('killed');
        script.hold.clear();

        const revived = await fresh();
        await revived.fork(2, at(3));
        const result = await fanOut(revived, script).invoke(again ? answer : null, on(at(3)));

        expect(result.done).toEqual(['planned', 'ask a=A', 'x', 'joined']);
        expect(script.starts.get('x')).toBe(1);
      },
    );

    test('a delta channel is whole again after a fork', async () => {
      const first = await fresh();
      const asked = questions(
        await deltaLoop(first).invoke({ left: 5, lines: ['input'] }, on(at(1))),
      );

      const second = await fresh();
      await second.fork(1, at(2));
      const result = await deltaLoop(second).invoke(
        resume({ [asked['go on?'] ?? '']: 'yes' }),
        on(at(2)),
      );

      const steps = [5, 4, 3, 2, 1].map((left) => `step ${left}`);
      expect(result.lines).toEqual(['input', ...steps, 'yes']);
    });

    test('data stays as it is, whatever its keys mean to LangGraph, in messages and beside them', async () => {
      const { saver } = await fresh();
      const call = { type: 'tool_call' as const, id: 'c', name: 't', args: ODD_ARGS };
      const thread = { configurable: { thread_id: threadId(at(1)), checkpoint_ns: '' } };
      const said = new AIMessage({
        id: 'm',
        content: [{ type: 'x', ODD_ARGS }],
        tool_calls: [call],
      });
      const values = {
        messages: [said],
        beside: [ODD_ARGS, new Set([ODD_ARGS]), new Map([[1, ODD_ARGS]])],
      };
      const versions = { messages: 1, beside: 1 };
      const checkpoint = {
        ...emptyCheckpoint(),
        channel_values: values,
        channel_versions: versions,
      };
      const metadata = { source: 'loop' as const, step: 1, parents: {} };
      const config = await saver.put(thread, checkpoint, metadata, versions);
      await saver.putWrites(
        config,
        [
          ['messages', said],
          ['asked', { value: ODD_ARGS }],
        ],
        'task',
      );

      const second = await fresh();
      await second.fork(1, at(2));
      const tuple = await second.saver.getTuple({ configurable: { thread_id: threadId(at(2)) } });

      const { messages, beside } = z
        .object({ messages: z.array(z.instanceof(AIMessage)), beside: z.unknown() })
        .parse(tuple?.checkpoint.channel_values);
      expect(messages[0]?.tool_calls).toEqual([call]);
      expect(messages[0]?.content).toEqual(said.content);
      expect(beside).toEqual(values.beside);
      expect(JSON.stringify(messages[0]?.tool_calls)).toBe(JSON.stringify([call]));
      const [[, , again], [, , asked]] = z
        .tuple([
          z.tuple([z.string(), z.string(), z.instanceof(AIMessage)]),
          z.tuple([z.string(), z.string(), z.unknown()]),
        ])
        .parse(tuple?.pendingWrites);
      expect(again.tool_calls).toEqual([call]);
      expect(JSON.stringify(asked)).toBe(JSON.stringify({ value: ODD_ARGS }));
    });

    test('the latest fence below an attempt is of its own generation and compared as a number', async () => {
      const checkpoints = await fresh();
      for (const attempt of [at(9), at(10), at(11), at(4, 'gen_10'), at(10, 'gen_1a')]) {
        await loop(checkpoints).invoke({ left: 1 }, on(attempt));
      }

      expect(await checkpoints.latestFenceBelow(at(11))).toBe(10);
      expect(await checkpoints.latestFenceBelow(at(10))).toBe(9);
      expect(await checkpoints.latestFenceBelow(at(9))).toBeUndefined();
      expect(await checkpoints.latestFenceBelow(at(5, 'gen_10'))).toBe(4);
      expect(await checkpoints.latestFenceBelow(at(5, 'gen_2'))).toBeUndefined();
    });

    test('a second fork into the same attempt replaces the first', async () => {
      const checkpoints = await fresh();
      const asked = questions(await loop(checkpoints).invoke({ left: 2 }, on(at(1))));
      await checkpoints.fork(1, at(2));
      await loop(checkpoints).invoke(resume({ [asked['go on?'] ?? '']: 'once' }), on(at(2)));

      await checkpoints.fork(1, at(2));

      const state = await loop(checkpoints).getState(on(at(2)));
      expect(state.next).toEqual(['ask']);
      expect(state.values.text).toBe('..');
    });

    test('deleting a generation takes every fence, and what a zombie still writes', async () => {
      const script = createScript();
      const release = new AbortController();
      const released = new Promise<void>((resolve) => {
        release.signal.addEventListener('abort', () => resolve());
      });
      script.hold.set('slow', () => released);
      const checkpoints = await fresh();
      await loop(checkpoints).invoke({ left: 1 }, on(at(1)));
      await loop(checkpoints).invoke({ left: 1 }, on(at(1, 'gen_10')));
      await loop(checkpoints).invoke({ left: 1 }, on(at(1, 'gen_1a')));
      const kept = await others();
      const zombie = await fanOut(checkpoints, script).stream(
        { items: ['fast', 'slow'] },
        { ...on(at(2)), streamMode: 'updates' },
      );
      const nodes: string[] = [];
      for await (const update of zombie) {
        nodes.push(...Object.keys(update));
        if (nodes.length === 2) {
          await checkpoints.deleteGeneration('gen_1');
          release.abort();
        }
      }

      expect(nodes.at(-1)).toBe('join');
      expect(await threads()).toEqual(['gen_10:1', 'gen_1a:1']);
      expect(await others()).toEqual(kept);
      await checkpoints.fork(1, at(3));
      await checkpoints.deleteGeneration('gen_1');
      expect(await threads()).toEqual(['gen_10:1', 'gen_1a:1']);
    });
  });
}

function describeIndex(of: () => CheckpointsFixture): void {
  test('the generations that have checkpoints, in their order, page by page', async () => {
    const checkpoints = await of().fresh({ keepHistory: false });
    for (const id of ['gen_b', 'gen_a', 'gen_c', 'gen_d']) {
      for (const fence of [1, 2]) await loop(checkpoints).invoke({ left: 1 }, on(at(fence, id)));
    }
    await checkpoints.deleteGeneration('gen_c');
    const seen: string[] = [];
    for (let page = await checkpoints.generations('', 3); page.length > 0;) {
      seen.push(...page);
      page = await checkpoints.generations(seen.at(-1) ?? '', 3);
    }

    expect(seen).toEqual(['gen_a', 'gen_b', 'gen_d']);
  });
}

function describeWithoutHistory(of: () => CheckpointsFixture): void {
  const fresh = (): Promise<Checkpoints> => of().fresh({ keepHistory: false });

  describe('without history', () => {
    test('a long run leaves one checkpoint per namespace, its writes and one value per channel', async () => {
      for (const [fence, left] of [3, 30].entries()) {
        await loop(await fresh()).invoke({ left }, { ...on(at(fence)), recursionLimit: 100 });
      }

      const records = await of().records();
      expect(records.get('gen_1:0')?.[0]).toBe(1);
      expect(records.get('gen_1:1')).toEqual(records.get('gen_1:0'));
    });

    test('a delta channel keeps the ancestors since its last snapshot', async () => {
      await deltaLoop(await fresh()).invoke({ left: 3, lines: ['input'] }, on(at(1)));

      expect((await of().records()).get('gen_1:1')?.[0]).toBeGreaterThan(3);
    });

    test('a generation that pauses often holds its two latest fences', async () => {
      const checkpoints = await fresh();
      await loop(checkpoints).invoke({ left: 1 }, on(at(1)));
      for (const fence of [2, 3, 4]) await checkpoints.fork(fence - 1, at(fence));

      expect([...(await of().records()).keys()]).toEqual(['gen_1:3', 'gen_1:4']);
    });
  });
}

export function describeCheckpointGenerations({ name, create }: CheckpointsSuite): void {
  describe(`Checkpoints: ${name}`, () => {
    let fixture: CheckpointsFixture;
    const of = (): CheckpointsFixture => fixture;

    beforeEach(async () => {
      fixture = await create();
    });

    afterEach(async () => {
      await fixture.destroy();
    });

    describeForks(of, { keepHistory: true });
    describeForks(of, { keepHistory: false });
    describeWithoutHistory(of);
    describeIndex(of);
  });
}
