import { afterEach, expect, test } from '@jest/globals';
import { interrupt } from '@langchain/langgraph';
import { request, type ApiAnswer } from '../../support/api.ts';
import { state } from '../../support/graphs.ts';
import { startLimitedService, type LimitedService } from '../../support/limited-service.ts';
import { list, object, text, type Shape } from '../../support/shape.ts';

let service: LimitedService | undefined;
afterEach(async () => {
  await service?.stop();
  service = undefined;
});

const SCHEMA = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
const ASKED = { how: 'many?', responseSchema: SCHEMA };

/** Asks, and says what it was told. */
const graph = state()
  .addNode('ask', () => {
    const told = JSON.stringify(interrupt<unknown, unknown>(ASKED));
    return { messages: [{ role: 'assistant', content: `told ${told}` }] };
  })
  .addEdge('__start__', 'ask')
  .compile();

async function started(): Promise<LimitedService> {
  service = await startLimitedService({}, [], [{ id: 'own', graph }]);
  return service;
}

const post = (at: LimitedService, path: string, body: Shape): Promise<ApiAnswer> =>
  request(at.url, { path, body });
const codeOf = ({ status, json }: ApiAnswer) => [status, object(json['error'])['code']];

/** The data of a stream's frames. */
const framesOf = (answer: ApiAnswer): Shape[] =>
  answer.text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => object(JSON.parse(line.slice('data: '.length))));

test('the native API: refused with what is wrong, taken once, repeated, told to readers and in the trail', async () => {
  const at = await started();
  const { turn, state: waiting } = await at.turn('go');
  const action = object(waiting['pendingAction']);
  const { actionId } = action;
  const { generationId } = turn;
  const say = (said: Shape) => post(at, '/api/chat/resume', { generationId, actionId, ...said });

  const wrong = await say({ response: { n: 1.5 } });
  const forms = await say({ response: { n: 1 }, answer: 'x' });
  const decisions = await say({ decisions: [] });
  const taken = await say({ response: { n: 1 } });
  const repeated = await say({ response: { n: 1 } });
  const other = await say({ response: { n: 2 } });
  const frames = framesOf(await request(at.url, { path: turn.streamPath }));
  const trail = (await request(at.url, { path: `/api/approvals/${text(actionId, 'id')}` })).json;

  expect(action).toMatchObject({ kind: 'custom', value: ASKED, responseSchema: SCHEMA });
  expect(codeOf(wrong)).toEqual([422, 'RESPONSE_INVALID']);
  expect(object(wrong.json['error'])['details']).toEqual({
    faults: [{ path: '/n', message: 'must be integer' }],
  });
  expect(codeOf(forms)).toEqual([400, 'INVALID_REQUEST']);
  expect(codeOf(decisions)).toEqual([400, 'INCOMPLETE_DECISION']);
  expect([taken.status, repeated.status]).toEqual([202, 200]);
  expect(codeOf(other)).toEqual([409, 'ACTION_ALREADY_RESOLVED']);
  expect(frames).toContainEqual(expect.objectContaining({ actionId, response: { n: 1 } }));
  expect(frames.at(-1)).toMatchObject({ status: 'completed' });
  expect(list(trail['audit'])).toMatchObject([
    { event: 'proposed', details: { kind: 'custom', value: ASKED } },
    { event: 'decided', details: { response: { n: 1 } } },
  ]);
});

test('the AI SDK: a call of custom_interrupt, whose output is the response', async () => {
  const at = await started();
  const user = { id: 'u1', role: 'user', parts: [{ type: 'text', text: 'go' }] };
  const asked = await post(at, '/ai-sdk/chat', { id: 'chat1', messages: [user] });
  const [part] = framesOf(asked).filter(({ type }) => type === 'tool-input-available');
  const { toolCallId, input, toolName, providerMetadata } = part ?? {};
  const stored = await request(at.url, { path: '/ai-sdk/chat/chat1/messages' });
  const answer = (output: unknown) => {
    const call = { type: `tool-${String(toolName)}`, toolCallId, input };
    const done = { ...call, state: 'output-available', output };
    const parts = [{ ...done, callProviderMetadata: providerMetadata }];
    const message = { id: 'a1', role: 'assistant', parts };
    return post(at, '/ai-sdk/chat', { id: 'chat1', messages: [user, message] });
  };

  const wrong = await answer('many');
  const rest = await answer({ n: 4 });

  expect([toolName, input]).toEqual(['custom_interrupt', { value: ASKED, responseSchema: SCHEMA }]);
  expect(stored.text).toContain('"type":"tool-custom_interrupt"');
  expect(wrong.status).toBe(422);
  expect(rest.text).toContain('told {\\"n\\":4}');
});

const interruptOf = (answer: ApiAnswer): Shape => {
  const outcome = object(framesOf(answer).at(-1)?.['outcome']);
  return object(list(outcome['interrupts'])[0]);
};

const resume = (interrupt: Shape, entry: Shape) => ({
  resume: [{ interruptId: interrupt['id'], ...entry }],
});

test('AG-UI: one interrupt with the schema, answered by its payload, or given up', async () => {
  const at = await started();
  const run = (threadId: string, runId: string, more: Shape = {}) => {
    const messages = [{ id: `m_${threadId}`, role: 'user', content: 'go' }];
    const empty = { state: {}, tools: [], context: [], forwardedProps: {} };
    return post(at, '/ag-ui', { threadId, runId, messages, ...empty, ...more });
  };
  const asked = interruptOf(await run('t1', 'r1'));
  const lost = interruptOf(await run('t2', 'r2'));

  const rest = await run('t1', 'r3', resume(asked, { status: 'resolved', payload: { n: 5 } }));
  const gone = await run('t2', 'r4', { messages: [], ...resume(lost, { status: 'cancelled' }) });

  expect(asked).toMatchObject({
    id: expect.stringMatching(/^act_\w+:custom:value$/),
    reason: 'custom',
    responseSchema: SCHEMA,
    metadata: { holdfast: { kind: 'custom', value: ASKED } },
  });
  expect(rest.text).toContain('told {\\"n\\":5}');
  expect(gone.text).not.toContain('told');
  expect((await request(at.url, { path: '/api/approvals' })).json['items']).toEqual([]);
});

test('OpenAI responses: a function call with the question, answered by its output', async () => {
  const at = await started();
  const asked = await post(at, '/v1/responses', { model: 'own', input: 'go' });
  const call = object(list(asked.json['output']).at(-1));
  const answer = (output: string) =>
    post(at, '/v1/responses', {
      previous_response_id: asked.json['id'],
      input: [{ type: 'function_call_output', call_id: call['call_id'], output }],
    });

  const wrong = await answer('plenty');
  const rest = await answer('{"n":6}');

  expect(asked.json).toMatchObject({ status: 'incomplete' });
  expect(call).toMatchObject({ type: 'function_call', name: 'custom_interrupt' });
  expect(JSON.parse(text(call['arguments'], 'arguments'))).toEqual({
    value: ASKED,
    responseSchema: SCHEMA,
  });
  expect(wrong.status).toBe(422);
  expect(rest.json).toMatchObject({ status: 'completed' });
  expect(rest.text).toContain('told {\\"n\\":6}');
});
