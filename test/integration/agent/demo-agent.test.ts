import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunError } from '../../../src/agent/agent-runner.ts';
import { collect, createBench, textOf, typesOf } from '../../support/agent-run.ts';
import { createMemoryCheckpoints } from '../../support/memory-checkpoints.ts';

describe('demo agent (PROTOCOL.md section 8)', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdfast-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  const bench = () =>
    createBench({ checkpoints: createMemoryCheckpoints(), ledgerFile: join(dir, 'ledger') });

  test('say N D word: one delta for each word, usage at the end', async () => {
    const { runner, request } = bench();

    const outcome = await collect(runner.run(request('say 4 0 hop')));

    expect(outcome.error).toBeUndefined();
    expect(outcome.text).toBe('hop1 hop2 hop3 hop4');
    expect(outcome.bodies).toEqual([
      { type: 'text_delta', part: 0, text: 'hop1', call: expect.stringMatching(/^ai_/) },
      { type: 'text_delta', part: 0, text: ' hop2' },
      { type: 'text_delta', part: 0, text: ' hop3' },
      { type: 'text_delta', part: 0, text: ' hop4' },
    ]);
    expect(outcome.events.at(-1)).toMatchObject({
      type: 'usage',
      usage: { call: { outputTokens: 4 }, contextMax: 128_000 },
    });
  });

  test('think N D: reasoning, then an answer, as two parts', async () => {
    const { runner, request } = bench();

    const outcome = await collect(runner.run(request('think 2 1', { nextPart: 7 })));

    expect(typesOf(outcome)).toBe('reasoning_delta text_delta usage');
    const parts = outcome.bodies.map((body) => ('part' in body ? body.part : -1));
    expect([...new Set(parts)]).toEqual([7, 8]);
  });

  test('tool: the call comes in fragments, then complete, then its result, then the answer', async () => {
    const { runner, request } = bench();

    const outcome = await collect(runner.run(request('tool')));

    expect(outcome.error).toBeUndefined();
    expect(typesOf(outcome)).toBe(
      'text_delta tool_call tool_args_delta tool_ready usage tool_result text_delta usage',
    );
    const ready = outcome.bodies.find((body) => body.type === 'tool_ready');
    expect(ready).toMatchObject({ name: 'add', args: { a: 2, b: 3 } });
    const fragments = outcome.bodies.filter((body) => body.type === 'tool_args_delta');
    expect(fragments.length).toBeGreaterThan(1);
    expect(fragments.map(({ text }) => text).join('')).toBe('{"a":2,"b":3}');
    expect(outcome.bodies.find((body) => body.type === 'tool_result')).toMatchObject({
      status: 'ok',
      output: '2 + 3 = 5',
    });
    expect(outcome.text).toContain('The tool answered: 2 + 3 = 5');
  });

  test('slow S and stubborn S: recorded in the ledger and in the file, once each', async () => {
    for (const name of ['slow', 'stubborn']) {
      const { runner, request, ledger } = bench();
      const asked = request(`${name} 0.01`);

      const outcome = await collect(runner.run(asked));

      expect(outcome.error).toBeUndefined();
      const result = outcome.bodies.find((body) => body.type === 'tool_result');
      expect(result).toMatchObject({ status: 'ok' });
      const toolCallId = ledger.starts[0];
      expect(ledger.starts).toHaveLength(1);
      expect(ledger.results.get(toolCallId ?? '')).toMatchObject({ status: 'ok' });
      const lines = (await readFile(join(dir, 'ledger'), 'utf8')).trim().split('\n');
      expect(JSON.parse(lines.at(-1) ?? '')).toEqual({
        generationId: asked.generationId,
        toolCallId,
        name,
        args: { seconds: 0.01 },
        at: expect.stringMatching(/Z$/),
      });
    }
  });

  test('big N: the output is cut at 64 KiB with a marker', async () => {
    const { runner, request } = bench();

    const outcome = await collect(runner.run(request('big 100000')));

    const result = outcome.bodies.find((body) => body.type === 'tool_result');
    expect(result?.output).toMatch(/x\n… \[truncated: \d+ of 100000 bytes shown\]$/);
    expect(Buffer.byteLength(result?.output ?? '')).toBeLessThanOrEqual(64 * 1024);
  });

  test('fail: five words, then an error that a user may read', async () => {
    const { runner, request } = bench();

    const outcome = await collect(runner.run(request('fail')));

    expect(outcome.text).toBe('word1 word2 word3 word4 word5');
    expect(outcome.error).toBeInstanceOf(RunError);
    expect(outcome.error).toMatchObject({
      code: 'MODEL_ERROR',
      message: 'The demo model failed, as it was asked to.',
    });
  });

  test('hang: nothing more comes, and the stall timeout ends it', async () => {
    const { runner, request } = createBench({
      checkpoints: createMemoryCheckpoints(),
      stallTimeoutMs: 500,
    });

    const outcome = await collect(runner.run(request('hang')));

    expect(textOf(outcome.bodies)).toBe('I stop here');
    expect(outcome.error).toMatchObject({ code: 'MODEL_STALLED' });
  });

  test.each(['hello', 'approve x', 'say', 'say 3x'])(
    'anything else (%s) is answered with the commands',
    async (text) => {
      const { runner, request } = bench();

      const outcome = await collect(runner.run(request(text)));

      expect(outcome.error).toBeUndefined();
      expect(outcome.text).toContain('`say N D [word]`');
      expect(outcome.text).toContain('`hang`');
    },
  );
});
