import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import type { Service } from '../../../src/service.ts';
import { request, type Turn } from '../../support/api.ts';
import type { Answer, FakeOpenAi } from '../../support/fake-openai.ts';
import {
  approve,
  ask,
  FileServices,
  generationOf,
  local,
  streamOf,
} from '../../support/file-services.ts';
import { answer, calls, sent, sum } from '../../support/played-model.ts';
import { eventually } from '../../support/services.ts';
import type { Shape } from '../../support/shape.ts';

let files: FileServices;

beforeEach(async () => {
  files = await FileServices.open();
});

afterEach(() => files[Symbol.asyncDispose]());

const provider = (...answers: Answer[]): Promise<FakeOpenAi> => files.provider(...answers);
const write = (text: string): Promise<void> => files.write(text);
const start = (text: string): Promise<Service> => files.start(text);

const handing = (model: FakeOpenAi, instructions = 'I am billing.'): string => `${local(model)}
agents:
  - { id: desk, description: Receives., model: local:d, instructions: I am the desk., handoffs: [billing] }
  - id: billing
    name: Billing
    description: Knows the prices.
    model: local:b
    instructions: "${instructions}"
    tools: [calculator]
    toolApproval: { ask: [calculator] }
    approvers: ["role:cashier"]
    handoffs: [desk]
`;
const toBilling = calls(['hand_off_to_billing', { reason: 'money' }]);

async function over(service: Service, turn: Turn): Promise<Shape> {
  let generation: Shape = {};
  await eventually('it is over', async () => {
    generation = await generationOf(service, turn);
    return ['completed', 'failed'].includes(String(generation['status']));
  });
  return generation;
}

describe('an agent of the file that hands over', () => {
  test('is followed by the other one, also in later turns, which have the call with its result', async () => {
    const model = await provider(
      toBilling,
      answer('It is 42.'),
      answer('Still 42.'),
      answer('Made again.'),
    );
    const service = await start(handing(model));

    const first = await ask(service, 'what is the price?');
    const { conversationId, responseMessageId } = first.turn;
    const second = await ask(service, 'and now?', { conversationId });
    const body = { conversationId, messageId: responseMessageId };
    await request(service.url, { path: '/api/chat/regenerate', body });
    await eventually('it is made again', async () => model.requests.length === 4);
    const agents = await request(service.url, { path: '/api/agents' });

    expect(sent(model).map(({ model, system, tools }) => [model, system, tools])).toEqual([
      ['d', 'I am the desk.', ['hand_off_to_billing']],
      ['b', 'I am billing.', ['calculator', 'hand_off_to_desk']],
      ['b', 'I am billing.', ['calculator', 'hand_off_to_desk']],
      ['b', 'I am billing.', ['calculator', 'hand_off_to_desk']],
    ]);
    expect(sent(model)[1]?.last).toBe('Billing answers the user from here on.');
    expect(first.generation).toMatchObject({
      status: 'completed',
      state: { message: { agentId: 'billing', model: 'local:b' } },
    });
    expect(await streamOf(service, first.turn)).toMatch(
      /event: hand_off\ndata: \{"seq":\d+,"at":"[^"]+","toolCallId":"[^"]+","agentId":"billing","model":"local:b"\}/,
    );
    const { messages } = z
      .object({ messages: z.array(z.object({ role: z.string() })) })
      .parse(model.requests[2]?.body);
    expect(messages.map(({ role }) => role)).toEqual([
      'system',
      'user',
      'assistant',
      'tool',
      'assistant',
      'user',
    ]);
    expect(await streamOf(service, second.turn)).toContain('"route":{"by":"conversation"}');
    expect(agents.json).toMatchObject({
      items: [
        { agentId: 'desk', capabilities: { handoffs: ['billing'], approvals: true } },
        { agentId: 'billing', capabilities: { handoffs: ['desk'], approvals: true } },
      ],
    });
    await eventually('all is over', async () => {
      const active = await request(service.url, { path: '/api/chat/active' });
      return active.text === '{"generations":[]}';
    });
  });

  test('to one without tools names the tools of the past for it, so that its provider takes the history', async () => {
    const model = await provider(
      calls(['hand_off_to_quiet', {}]),
      calls(['calculator', { expression: '1+1' }]),
      answer('Hush.'),
      answer('Again.'),
    );
    const service = await start(`${local(model)}
agents:
  - { id: loud, model: local:l, handoffs: [quiet] }
  - { id: quiet, description: Says little., model: local:q }
`);

    const { turn } = await ask(service, 'hello');
    await ask(service, 'again', { conversationId: turn.conversationId });

    expect(sent(model).map(({ model, tools, tool_choice }) => [model, tools, tool_choice])).toEqual(
      [
        ['l', ['hand_off_to_quiet'], undefined],
        ['q', ['hand_off_to_quiet'], 'none'],
        ['q', ['hand_off_to_quiet', 'calculator'], 'none'],
        ['q', ['hand_off_to_quiet', 'calculator'], 'none'],
      ],
    );
    expect(sent(model)[2]?.last).toBe('There is no tool called calculator. Tools: none.');
  });

  test('and a pause of the other one outlive a reload, which is for the next turn', async () => {
    const model = await provider(toBilling, calls(sum('6*7')), answer('It is 42.'));
    const service = await start(handing(model));
    const { turn, generation } = await ask(service, 'what is the price?');

    await write(handing(model, 'I am new.'));
    const reloaded = await service.reload();
    const decided = await approve(service, turn, generation);
    const end = await over(service, turn);

    expect([reloaded, decided.status, end['status']]).toEqual([true, 202, 'completed']);
    expect(generation['pendingAction']).toMatchObject({ agentId: 'billing' });
    expect(sent(model).map(({ system }) => system)).toEqual([
      'I am the desk.',
      'I am billing.',
      'I am billing.',
    ]);
  });

  test('goes on in the other one after a restart; with another file that is refused', async () => {
    const model = await provider(toBilling, calls(sum('6*7')), answer('It is 42.'));
    const first = await start(handing(model));
    const { turn, generation } = await ask(first, 'what is the price?');
    await first.close();

    const changed = await start(handing(model, 'I am new.'));
    const refused = await approve(changed, turn, generation);
    await changed.close();
    const same = await start(handing(model));
    const decided = await approve(same, turn, generation);
    const end = await over(same, turn);

    expect(refused.json).toMatchObject({ error: { code: 'AGENT_CHANGED' } });
    expect(decided.status).toBe(202);
    expect(end).toMatchObject({ status: 'completed', state: { message: { agentId: 'billing' } } });
    expect(sent(model).map((each) => each.model)).toEqual(['d', 'b', 'b']);
    expect(sent(model)[2]?.last).toContain('42');
  });
});
