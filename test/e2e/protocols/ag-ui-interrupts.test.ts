import { describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { course } from '../../support/ag-ui.ts';
import {
  agentOf,
  answer,
  ask,
  cancelled,
  placeOf,
  run,
  useAgUi,
} from '../../support/ag-ui-client.ts';

/** The stock HttpAgent, unmodified, where people decide. */
describe('an interrupt', () => {
  const scene = useAgUi();

  test('is approved', async () => {
    const agent = agentOf(scene.baseUrl);
    const asked = await ask(agent, 'approve');
    expect(asked.interrupts).toMatchObject([{ reason: 'tool_call' }]);
    expect(scene.sentBy(placeOf(asked).generationId)).toEqual([]);
    const runId = randomUUID();
    const [{ id } = { id: '' }] = asked.interrupts;
    const resume = [{ interruptId: id, status: 'resolved' as const, payload: { approved: true } }];
    const { events, interrupts, said } = await run(agent, { runId, resume });

    expect(events[0]).toMatchObject({ type: 'RUN_STARTED', runId });
    expect(events.at(-1)).toMatchObject({
      type: 'RUN_FINISHED',
      runId,
      outcome: { type: 'success' },
    });
    expect(interrupts).toEqual([]);
    expect(said).toContain('sent "Hello 1"');
    expect(scene.sentBy(placeOf(asked).generationId)).toHaveLength(1);
  });

  test('is edited', async () => {
    const agent = agentOf(scene.baseUrl);
    const asked = await ask(agent, 'approve');
    const editedArgs = { to: 'ann@example.com', subject: 'Edited' };
    const { said } = await answer(agent, { approved: true, editedArgs });

    expect(said).toContain('sent "Edited" to ann@example.com');
    expect(scene.sentBy(placeOf(asked).generationId)).toEqual([editedArgs]);
  });

  test.each([
    ['rejected', { approved: false, reason: 'Not today.' }, 'Not today.'],
    ['rejected by its name', 'reject', 'reject'],
    ['answered in its place', { decision: 'respond', responseText: 'I did it.' }, 'I did it.'],
  ])('is %s, and nothing runs', async (_how, payload, heard) => {
    const agent = agentOf(scene.baseUrl);
    const asked = await ask(agent, 'approve');
    const { said, error } = await answer(agent, payload);

    expect(error).toBeUndefined();
    expect(said).toContain(heard);
    expect(scene.sentBy(placeOf(asked).generationId)).toEqual([]);
  });

  test('is there for each call of a batch, and each has its own answer', async () => {
    const agent = agentOf(scene.baseUrl);
    const asked = await ask(agent, 'approve 3');
    expect(asked.interrupts).toHaveLength(3);
    const editedArgs = { to: 'b@example.com', subject: 'B' };
    const { said } = await answer(agent, true, { decision: 'edit', editedArgs }, false);

    expect(said).toContain('noted');
    const sent = scene.sentBy(placeOf(asked).generationId);
    expect(sent).toHaveLength(2);
    expect(sent).toContainEqual(editedArgs);
  });

  test('comes a second time, and a third run ends it', async () => {
    const agent = agentOf(scene.baseUrl);
    await ask(agent, 'twice');
    const second = await answer(agent, true);
    expect(second.interrupts).toHaveLength(1);
    const third = await answer(agent, true);

    expect(third.interrupts).toEqual([]);
    expect(third.events.at(-1)).toMatchObject({ outcome: { type: 'success' } });
  });

  test('asks the user', async () => {
    const agent = agentOf(scene.baseUrl);
    const asked = await ask(agent, 'ask');
    expect(asked.interrupts).toMatchObject([
      { reason: 'input_required', message: 'Which colour do you like best?' },
    ]);
    const { said } = await answer(agent, { answer: 'green' });

    expect(said).toContain('green');
  });

  test('of a sub-agent names it, and suspends it', async () => {
    const agent = agentOf(scene.baseUrl);
    const asked = await ask(agent, 'sub');
    const [started] = asked.events.filter(({ type }) => type === 'SUBAGENT_STARTED');
    expect(started).toMatchObject({ name: 'helper' });
    expect(asked.interrupts[0]?.subagentRunId).toBe(started?.['subagentRunId']);
    const { events, said } = await answer(agent, true);

    expect(said).toContain('sent "Hello 1"');
    expect(course(events)).toContain('SUBAGENT_FINISHED');
    const within = agent.messages.filter((message) => 'subagentRunId' in message);
    expect(within.length).toBeGreaterThan(2);
  });

  test('that is cancelled is a no', async () => {
    const agent = agentOf(scene.baseUrl);
    const asked = await ask(agent, 'approve');
    const { interrupts, said } = await run(agent, { resume: cancelled(agent) });

    expect(interrupts).toEqual([]);
    expect(said).toContain('reject');
    expect(scene.sentBy(placeOf(asked).generationId)).toEqual([]);
  });

  test('with questions that is cancelled stops the answer', async () => {
    const agent = agentOf(scene.baseUrl);
    await ask(agent, 'ask');
    const { events, interrupts } = await run(agent, { resume: cancelled(agent) });

    expect(interrupts).toEqual([]);
    expect(events.at(-1)).toMatchObject({ outcome: { type: 'cancelled' } });
  });

  test('that is given up for another question makes way for it', async () => {
    const agent = agentOf(scene.baseUrl);
    await ask(agent, 'approve');
    const { said, interrupts } = await ask(agent, 'say 1 1', { resume: cancelled(agent) });

    expect(said).toBe('word1');
    expect(interrupts).toEqual([]);
  });

  test('that somebody else has decided is lost with a 409, and the client can go on', async () => {
    const agent = agentOf(scene.baseUrl);
    await ask(agent, 'approve');
    const other = agent.clone();
    await answer(other, true);
    const lost = await answer(agent, false);

    expect(lost.error?.message).toContain('HTTP 409');
    expect(lost.error?.message).toContain('ACTION_ALREADY_RESOLVED');
    const on = await ask(agent, 'say 1 1', { resume: cancelled(agent) });
    expect(on.said).toBe('word1');
  });
});
