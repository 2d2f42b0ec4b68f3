import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { createSqliteCheckpoints, openDatabase } from '../../../src/store/sqlite/index.ts';
import { createBench, typesOf } from '../../support/agent-run.ts';
import type { Bench } from '../../support/agent-run.ts';
import { pauseIn, PausedRun, resultsIn } from '../../support/paused-run.ts';

const lineSchema = z.object({ toolCallId: z.string(), name: z.string(), args: z.unknown() });

describe('demo agent: people in the loop (PROTOCOL.md section 8)', () => {
  let dir = '';
  let db: ReturnType<typeof openDatabase>;
  let bench: Bench;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdfast-'));
    db = openDatabase(':memory:');
    bench = createBench({
      checkpoints: createSqliteCheckpoints({ db }),
      ledgerFile: join(dir, 'ledger'),
    });
  });
  afterEach(async () => {
    db.close();
    await rm(dir, { recursive: true });
  });

  async function executed() {
    const text = await readFile(join(dir, 'ledger'), 'utf8').catch(() => '');
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.map((line) => lineSchema.parse(JSON.parse(line)));
  }

  test('approve: pauses with one call, then runs it with the arguments that were shown', async () => {
    const run = await PausedRun.start(bench, 'approve');

    expect(await executed()).toEqual([]);
    expect(run.asked).toMatchObject({
      kind: 'tool_approval',
      requests: [
        {
          name: 'send_email',
          args: { to: 'person1@example.com', subject: 'Hello 1' },
          argsSchema: { type: 'object', required: ['to', 'subject'] },
          allowedDecisions: ['approve', 'edit', 'reject', 'respond'],
          mayRemember: true,
          defaultToNo: false,
        },
      ],
    });
    const rest = await run.say({ decision: 'approve' });

    expect(rest.error).toBeUndefined();
    expect(typesOf(rest)).toBe('tool_result text_delta usage');
    expect(resultsIn(rest)).toEqual([
      { status: 'ok', output: 'sent "Hello 1" to person1@example.com' },
    ]);
    expect(await executed()).toMatchObject([
      { name: 'send_email', args: { to: 'person1@example.com', subject: 'Hello 1' } },
    ]);
    expect(rest.text).toContain('This is what happened.\n- sent "Hello 1"');
  });

  test('approve, edited: runs with the edited arguments', async () => {
    const run = await PausedRun.start(bench, 'approve');
    const editedArgs = { to: 'boss@example.com', subject: 'Other' };

    const rest = await run.say({ decision: 'edit', editedArgs });

    expect(resultsIn(rest)).toEqual([{ status: 'ok', output: 'sent "Other" to boss@example.com' }]);
    expect(await executed()).toMatchObject([{ args: editedArgs }]);
  });

  test('approve, rejected: nothing runs, the model is told why', async () => {
    const run = await PausedRun.start(bench, 'approve');

    const rest = await run.say({ decision: 'reject', reason: 'too late' });

    expect(resultsIn(rest)).toEqual([
      { status: 'rejected', output: 'The user rejected this call: too late' },
    ]);
    expect(rest.text).toContain('rejected this call: too late');
    expect(await executed()).toEqual([]);
  });

  test('approve, responded: the text is the result, nothing runs', async () => {
    const run = await PausedRun.start(bench, 'approve');

    const rest = await run.say({ decision: 'respond', responseText: 'I sent it myself' });

    expect(resultsIn(rest)).toEqual([{ status: 'responded', output: 'I sent it myself' }]);
    expect(await executed()).toEqual([]);
  });

  test('approve K: one action for the batch, the ungated call runs once, after the decision', async () => {
    const run = await PausedRun.start(bench, 'approve 3');

    expect(run.requests.map(({ name }) => name)).toEqual(Array(3).fill('send_email'));
    expect(await executed()).toEqual([]);
    const rest = await run.say({ decision: 'approve' }, { decision: 'reject' });

    expect(
      resultsIn(rest)
        .map(({ status }) => status)
        .toSorted(),
    ).toEqual(['ok', 'ok', 'rejected', 'rejected']);
    expect((await executed()).map(({ name }) => name).toSorted()).toEqual(['note', 'send_email']);
    expect(rest.text).toMatch(/- sent "Hello 1".*\n- noted: .*\n- The user rejected.*\n- The user/);
  });

  test('strict: only approve and reject', async () => {
    const run = await PausedRun.start(bench, 'strict');

    expect(run.requests).toMatchObject([
      { name: 'delete_file', allowedDecisions: ['approve', 'reject'] },
    ]);
    const refused = await run.say({ decision: 'respond', responseText: 'no' });
    const rest = await run.drive({
      entry: { kind: 'continue', answered: { ...answeredOf(run), verdict: approveAll(run) } },
    });

    expect(refused.error).toMatchObject({ code: 'RESUME_MISMATCH' });
    expect(resultsIn(rest)).toEqual([{ status: 'ok', output: 'deleted old.txt' }]);
  });

  test('twice: the second call is asked for after the first has its result', async () => {
    const run = await PausedRun.start(bench, 'twice');
    const first = run.requests;
    const middle = await run.say({ decision: 'approve' });
    const second = run.requests;
    const rest = await run.say({ decision: 'reject' });

    expect(typesOf(middle)).toMatch(/^tool_result .*pause$/);
    expect(second[0]?.toolCallId).not.toBe(first[0]?.toolCallId);
    expect((await executed()).map(({ toolCallId }) => toolCallId)).toEqual([first[0]?.toolCallId]);
    expect(rest.text).toMatch(/- sent "Hello 1".*\n- The user rejected/);
  });

  test('ask: the answer comes back to the model as readable JSON', async () => {
    const run = await PausedRun.start(bench, 'ask');

    expect(run.asked).toMatchObject({
      kind: 'ask_user_question',
      questions: [
        {
          id: 'q1',
          question: 'Which colour do you like best?',
          header: 'Colour',
          options: [{ label: 'Red', value: 'red' }, { label: 'Green' }, { label: 'Blue' }],
        },
      ],
    });
    const rest = await run.answer({ answers: { q1: 'green' } });

    const [result] = resultsIn(rest);
    expect(result?.status).toBe('ok');
    expect(JSON.parse(result?.output ?? '')).toEqual([
      { question: 'Which colour do you like best?', answer: 'green' },
    ]);
    expect(rest.text).toContain('green');
  });

  test('sub: the helper streams under its path, and its call pauses the whole generation', async () => {
    const run = await PausedRun.start(bench, 'sub');
    const started = pauseIn(run.outcome ?? (await run.drive()));
    const call = run.outcome?.bodies.find((body) => body.type === 'tool_call');
    const path = call?.type === 'tool_call' ? [call.toolCallId] : [];
    const rest = await run.say({ decision: 'approve' });

    expect(started).toMatchObject({ kind: 'tool_approval', requests: [{ name: 'send_email' }] });
    const words = run.outcome?.bodies.find((body) => body.type === 'text_delta');
    expect(words).toBeDefined();
    expect(call).toMatchObject({ name: 'helper' });
    const told = rest.bodies.filter((body) => body.type === 'text_delta' && body.path);
    expect(told[0]).toMatchObject({ path });
    expect(resultsIn(rest).map(({ status }) => status)).toEqual(['ok', 'ok']);
    expect(await executed()).toHaveLength(1);
  });
});

function answeredOf(run: PausedRun) {
  if (!run.answered) throw new Error('not answered');
  return run.answered;
}

function approveAll(run: PausedRun) {
  const { action } = answeredOf(run);
  const requests = 'requests' in action ? action.requests : [];
  return {
    decisions: requests.map(({ toolCallId }) => ({ toolCallId, decision: 'approve' as const })),
  };
}
