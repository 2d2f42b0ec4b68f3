import { beforeAll, describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import type { Response } from 'openai/resources/responses/responses';
import { request } from '../../support/api.ts';
import {
  approvalsOf,
  ask,
  eventsOf,
  openAi,
  SECRET,
  tokenOf,
  until,
} from '../../support/openai-client.ts';
import { type ServerProcess, useServers } from '../../support/server-process.ts';

/** Responses that wait for a person, with the stock openai package (docs/PROTOCOL.md section 10, OpenAI). */

const answer = (id: string) => ({
  type: 'mcp_approval_response',
  approval_request_id: id,
  approve: true,
});

describe('responses that wait for a person', () => {
  const servers = useServers();
  let server: ServerProcess;
  let alice: OpenAI;
  let aliceKey: string;
  beforeAll(async () => {
    server = await servers.start({ PROFILE: 'memory', AUTH_MODE: 'jwt', JWT_SECRET: SECRET });
    aliceKey = await tokenOf('alice');
    alice = openAi(server.baseUrl, aliceKey);
  }, 60_000);

  test('ask for approvals, and go on as another response', async () => {
    const stream = alice.responses.stream({ model: 'demo', input: 'approve 2' });
    const events = await eventsOf(stream);
    const waiting = await stream.finalResponse();
    const asked = approvalsOf(waiting);

    expect(events.at(-1)?.type).toBe('response.incomplete');
    expect(waiting).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'requires_action' },
    });
    expect(asked).toMatchObject([
      { name: 'send_email', arguments: expect.stringContaining('person1') },
      { name: 'send_email', arguments: expect.stringContaining('person2') },
    ]);

    const [first, second] = asked;
    const answer = alice.responses.stream({
      model: 'demo',
      previous_response_id: waiting.id,
      input: [
        { type: 'mcp_approval_response', approval_request_id: first?.id ?? '', approve: true },
        {
          type: 'mcp_approval_response',
          approval_request_id: second?.id ?? '',
          approve: false,
          reason: 'One is enough.',
        },
      ],
    });
    const after = await eventsOf(answer);
    const response = await answer.finalResponse();

    expect(after[0]?.type).toBe('response.created');
    expect(after.map((event) => event.sequence_number)).toEqual([...after.keys()]);
    expect(response).toMatchObject({ status: 'completed', previous_response_id: waiting.id });
    const calls = response.output.filter((item) => item.type === 'mcp_call');
    expect(calls).toHaveLength(3);
    expect(calls.find((it) => it.approval_request_id === first?.id)).toMatchObject({
      output: 'sent "Hello 1" to person1@example.com',
      error: null,
    });
    expect(calls.find((it) => it.approval_request_id === second?.id)).toMatchObject({
      output: null,
      error: expect.stringContaining('One is enough.'),
    });
    expect(response.output_text).toContain('This is what happened.');
    expect(await alice.responses.retrieve(response.id)).toMatchObject({ status: 'completed' });
    // Who reads the first response again reads it to its end.
    const whole = await eventsOf(await alice.responses.retrieve(waiting.id, { stream: true }));
    expect(whole.at(-1)?.type).toBe('response.completed');
    const numbers = whole.map((event) => event.sequence_number);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    const behind = await alice.responses.retrieve(waiting.id, {
      stream: true,
      starting_after: events.length - 1,
    });
    expect(await eventsOf(behind)).toEqual(
      whole.filter((event) => event.sequence_number >= events.length),
    );
  });

  test('are answered once, and refuse half an answer', async () => {
    const waiting = await alice.responses.create({ model: 'demo', input: 'approve 2' });
    const items = approvalsOf(waiting).map(({ id }) => ({
      type: 'mcp_approval_response' as const,
      approval_request_id: id,
      approve: true,
    }));
    const answer = (input: typeof items) =>
      alice.responses.create({ previous_response_id: waiting.id, input });

    await expect(answer(items.slice(0, 1))).rejects.toMatchObject({
      status: 400,
      code: 'undecided',
    });
    expect(await alice.responses.retrieve(waiting.id)).toMatchObject({ status: 'incomplete' });
    const done = await answer(items);
    expect(done.status).toBe('completed');
    expect(await answer(items)).toEqual(done);
    await expect(answer(items.map((item) => ({ ...item, approve: false })))).rejects.toMatchObject({
      status: 409,
      code: 'action_already_resolved',
    });
    await expect(
      alice.responses.create({
        model: 'demo-plain',
        previous_response_id: waiting.id,
        input: items,
      }),
    ).rejects.toMatchObject({ status: 400, param: 'model' });
  });

  test('twice, have a response for each answer', async () => {
    const approve = async (waiting: Response) =>
      alice.responses.create({
        previous_response_id: waiting.id,
        input: approvalsOf(waiting).map(({ id }) => ({
          type: 'mcp_approval_response' as const,
          approval_request_id: id,
          approve: true,
        })),
      });
    const first = await alice.responses.create({ model: 'demo', input: 'twice' });
    const second = await approve(first);
    const third = await approve(second);

    expect([first.status, second.status, third.status]).toEqual([
      'incomplete',
      'incomplete',
      'completed',
    ]);
    expect(new Set([first.id, second.id, third.id]).size).toBe(3);
    expect(third.previous_response_id).toBe(second.id);
    expect(approvalsOf(third)).toEqual([]);
  });

  test('for a word of the user, take it as the output of a function', async () => {
    const waiting = await alice.responses.create({ model: 'demo', input: 'ask' });
    const call = waiting.output.find((item) => item.type === 'function_call');
    expect(waiting.status).toBe('incomplete');
    expect(call).toMatchObject({
      name: 'ask_user',
      arguments: expect.stringContaining('Which colour'),
    });
    const answer = await alice.responses.create({
      previous_response_id: waiting.id,
      input: [{ type: 'function_call_output', call_id: call?.call_id ?? '', output: 'green' }],
    });

    expect(answer).toMatchObject({ status: 'completed' });
    expect(answer.output_text).toContain('green');
  });

  test('and are approved elsewhere, go on where they are polled', async () => {
    const waiting = await alice.responses.create({ model: 'demo', input: 'strict' });
    const headers = { authorization: `Bearer ${aliceKey}` };
    const { json } = await request(server.baseUrl, { path: '/api/approvals', headers });
    const items: unknown[] = Array.isArray(json['items']) ? json['items'] : [];
    const action = JSON.stringify(items[0]);
    const of = (key: string): string => new RegExp(`"${key}":"([^"]+)"`).exec(action)?.[1] ?? '';
    const decisions = [{ toolCallId: of('toolCallId'), decision: 'approve' }];
    const body = { generationId: of('generationId'), actionId: of('actionId'), decisions };
    await request(server.baseUrl, { path: '/api/chat/resume', headers, body });
    const done = await until(alice, waiting.id, ({ status }) => status === 'completed');

    expect(done.output_text).toContain('deleted old.txt');
  });

  test('can be cancelled', async () => {
    const { id } = await alice.responses.create({ model: 'demo', input: 'approve' });

    expect(await alice.responses.cancel(id)).toMatchObject({
      status: 'cancelled',
      incomplete_details: null,
    });
  });

  test('answers that do not fit are refused, and the response waits on', async () => {
    const waiting = await alice.responses.create({ model: 'demo', input: 'approve' });
    const question = await alice.responses.create({ model: 'demo', input: 'ask' });
    const done = await alice.responses.create({ model: 'demo', input: 'say 1 0' });
    const id = approvalsOf(waiting)[0]?.id ?? '';
    const refusals: [string, unknown[], string][] = [
      [waiting.id, [answer('mcpr_act_1_0')], '409 no_pending_action'],
      [waiting.id, [answer('nonsense')], '409 no_pending_action'],
      [waiting.id, [answer(id.replace(/_0$/, '_7'))], '400 invalid_value'],
      [waiting.id, [answer(id), answer(id)], '400 duplicate_decision'],
      [waiting.id, [answer(id), answer('mcpr_act_1_0')], '400 invalid_value'],
      [question.id, [answer(id)], '409 no_pending_action'],
      [done.id, [answer(id)], '409 no_pending_action'],
      [
        waiting.id,
        [{ type: 'function_call_output', call_id: `call_${id.slice(5, -2)}`, output: 'x' }],
        '400 invalid_value',
      ],
    ];
    const seen: string[] = [];
    for (const [previous, input] of refusals) {
      const body = { previous_response_id: previous, input };
      const got = await ask(`${server.baseUrl}/v1/responses`, { body, apiKey: aliceKey });
      seen.push(`${got.status} ${/"code":"(\w+)"/.exec(got.text)?.[1] ?? ''}`);
    }

    expect(seen).toEqual(refusals.map(([, , wanted]) => wanted));
    for (const it of [waiting, question]) {
      expect(await alice.responses.retrieve(it.id)).toMatchObject({ status: 'incomplete' });
      await alice.responses.cancel(it.id);
    }
  });

  test('a continuation that was never made is not found', async () => {
    const { id } = await alice.responses.create({ model: 'demo', input: 'approve' });

    await expect(alice.responses.retrieve(`${id}_2`)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await alice.responses.cancel(id);
  });
});
