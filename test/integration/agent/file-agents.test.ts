import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { defineTool } from '../../../src/agent/tools.ts';
import { openService, type Service, type ServiceOptions } from '../../../src/service.ts';
import { request } from '../../support/api.ts';
import type { Answer, FakeOpenAi } from '../../support/fake-openai.ts';
import {
  approve,
  ask,
  FileServices,
  generationOf,
  local,
  streamOf,
} from '../../support/file-services.ts';
import { sayer } from '../../support/graphs.ts';
import { answer, calls, sent, sum } from '../../support/played-model.ts';
import { eventually } from '../../support/services.ts';

let files: FileServices;

beforeEach(async () => {
  files = await FileServices.open();
});

afterEach(() => files[Symbol.asyncDispose]());

const provider = (...answers: Answer[]): Promise<FakeOpenAi> => files.provider(...answers);
const write = (text: string): Promise<void> => files.write(text);
const start = (text: string, more?: ServiceOptions): Promise<Service> => files.start(text, more);

describe('agents of a file', () => {
  test('run as they stand there, and every turn of a conversation has the same instructions', async () => {
    const model = await provider(calls(sum('6*7')), answer('It is ', '42.'), answer('Again.'));
    const service = await start(`${local(model)}
agents:
  - id: sums
    name: Sums
    description: Does sums.
    model: local:llama3:8b
    parameters: { temperature: 0.25 }
    instructions: "Secret of {{agent.name}} for {{user.id}}. It is {{current_datetime}}, {{current_weekday}}. {{{{"
    tools: [calculator, ask_user]
    files: [image/*]
  - { id: plain, model: demo }
defaultAgent: plain
`);

    const first = await ask(service, 'what is 6*7?', { agentId: 'sums', timezone: 'Asia/Kolkata' });
    const { conversationId } = first.turn;
    await ask(service, 'and again?', { agentId: 'sums', timezone: 'Asia/Kolkata', conversationId });

    const requests = sent(model);
    expect(requests[0]).toMatchObject({
      model: 'llama3:8b',
      temperature: 0.25,
      tools: ['calculator', 'ask_user'],
      system: expect.stringMatching(
        /^Secret of Sums for local\. It is \d{4}-\d\d-\d\dT\d\d:\d\d\+05:30, \w+day\. \{\{\n\nThe user's time zone: Asia\/\w+\.$/,
      ),
    });
    expect(requests[1]?.last).toContain('42');
    expect(requests.map(({ system }) => system)).toEqual(Array(3).fill(requests[0]?.system));
    expect(model.requests[0]?.headers['authorization']).toBe('Bearer sk-of-the-file');
    const agents = await request(service.url, { path: '/api/agents' });
    const able = { approvals: false, questions: false, files: ['*/*'] };
    const capabilities = { ...able, subagents: [], handoffs: [] };
    expect(agents.json).toEqual({
      items: [
        { agentId: 'plain', name: 'plain', description: '', default: true, capabilities },
        {
          agentId: 'sums',
          name: 'Sums',
          description: 'Does sums.',
          default: false,
          capabilities: { ...capabilities, questions: true, files: ['image/*'] },
        },
      ],
    });
    expect(agents.text).not.toMatch(/Secret|llama|sk-/);
  });

  test('stop calling tools at their limit, whatever the model wants, and answer', async () => {
    const model = await provider(
      calls(sum('1+1'), sum('2+2'), sum('3+3')),
      calls(sum('4+4')),
      answer('Enough.'),
    );
    const service = await start(`${local(model)}
agents: [{ id: a, model: local:m, tools: [calculator], maxToolCalls: 2, toolApproval: { ask: [calculator] } }]
`);

    const { turn, generation } = await ask(service, 'add');
    const asked = z.object({ requests: z.array(z.unknown()) }).parse(generation['pendingAction']);
    await approve(service, turn, generation);
    await eventually('it is over', async () =>
      ['completed', 'failed'].includes(String((await generationOf(service, turn))['status'])),
    );

    const text = await streamOf(service, turn);
    expect(asked.requests).toHaveLength(2);
    // One event each, and the last event has the whole message with both.
    expect(text.match(/No more than 2 tool calls are allowed/g)).toHaveLength(4);
    expect(text).toContain('"Enough."');
    expect(sent(model).map((each) => each.tool_choice)).toEqual([undefined, 'none', 'none']);
  });

  test('call those below them, to any depth, and these hand over to nobody', async () => {
    const model = await provider(
      calls(['ask_b', { task: 'for b' }]),
      calls(['c', { task: 'for c' }]),
      calls(sum('20+3')),
      answer('c says 23'),
      answer('b says so'),
      answer('a is done'),
    );
    const service = await start(`${local(model)}
agents:
  - { id: a, description: The first., model: local:a, instructions: I am a., subagents: [{ agent: b, name: ask_b, description: Asks b. }] }
  - { id: b, description: The second., model: local:b, instructions: I am b., subagents: [c], handoffs: [a] }
  - { id: c, description: The third., model: local:c, instructions: "I am {{agent.id}}.", tools: [calculator] }
`);

    const { turn } = await ask(service, 'go');

    expect(sent(model).map(({ model, system, tools }) => [model, system, tools])).toEqual([
      ['a', 'I am a.', ['ask_b']],
      ['b', 'I am b.', ['c']],
      ['c', 'I am c.', ['calculator']],
      ['c', 'I am c.', ['calculator']],
      ['b', 'I am b.', ['c']],
      ['a', 'I am a.', ['ask_b']],
    ]);
    expect(sent(model)[4]?.last).toBe('c says 23');
    expect(await streamOf(service, turn)).toContain('a is done');
  });

  test('have their titles from another provider, and stand under the policy of the file', async () => {
    const model = await provider(calls(sum('1+1')), answer('Not allowed, it seems.'));
    const titles = await provider(answer('A fine title'));
    const service = await start(`
providers:
  local: { type: openai, baseUrl: "${model.baseURL}" }
  second: { type: openai, baseUrl: "${titles.baseURL}", apiKey: "\${MY_KEY}" }
policy: { deny: [calculator], reason: Do it in your head. }
agents: [{ id: a, model: local:m, tools: [calculator], title: { model: second:small } }]
`);

    await ask(service, 'add');

    await eventually('a title is asked for', async () => titles.requests.length > 0);
    expect(sent(titles).map((each) => each.model)).toEqual(['small']);
    expect(sent(model)[1]?.last).toContain('Do it in your head.');
    expect(model.requests[0]?.headers['authorization']).toBe('Bearer none');
  });

  test('stand beside those given in code, and have tools given in code', async () => {
    const model = await provider(calls(['greet', { name: 'Ada' }]), answer('done'));
    const greet = defineTool({
      name: 'greet',
      description: 'Greets.',
      schema: z.object({ name: z.string() }),
      effects: 'read',
      run: async ({ name }) => `Hello, ${name}!`,
    });
    const coded = { id: 'coded', name: 'In code', graph: sayer(() => 'hello').compile() };
    const text = `${local(model)}
agents: [{ id: a, model: local:m, tools: [greet] }]
defaultAgent: coded
`;

    const service = await start(text, { agents: [coded], tools: [greet] });
    await ask(service, 'greet Ada', { agentId: 'a' });

    expect(sent(model)[1]?.last).toBe('Hello, Ada!');
    expect((await request(service.url, { path: '/api/agents' })).json).toMatchObject({
      items: [
        { agentId: 'coded', name: 'In code', default: true },
        { agentId: 'a', default: false },
      ],
    });
    await expect(
      openService({ tools: [greet, greet], env: { PORT: '0', DATA_DIR: files.folder } }),
    ).rejects.toThrow("There are two tools called 'greet'.");
  });
});

const asking = (model: FakeOpenAi, instructions: string): string => `${local(model)}
agents: [{ id: a, model: local:m, instructions: "${instructions}", tools: [calculator], toolApproval: { ask: [calculator] } }]
`;

describe('another file while the service runs', () => {
  test('is for the next turn: what waits goes on with the instructions and the provider it began with', async () => {
    const before = await provider(calls(sum('1+1')), answer('old end'));
    const after = await provider(answer('new'));
    const service = await start(asking(before, 'old'));
    const { turn, generation } = await ask(service, 'go');

    await write(asking(after, 'new').replace('id: a,', 'id: a, name: Anew,'));
    const reloaded = await service.reload();
    const decided = await approve(service, turn, generation);
    await eventually('it is over', async () => {
      return (await generationOf(service, turn))['status'] === 'completed';
    });
    await ask(service, 'go');

    expect([reloaded, decided.status]).toEqual([true, 202]);
    expect(sent(before).map(({ system }) => system)).toEqual(['old', 'old']);
    expect(sent(after).map(({ system }) => system)).toEqual(['new']);
    expect((await request(service.url, { path: '/api/agents' })).text).toContain('Anew');
    expect((await request(service.url, { path: '/v1/models' })).json).toMatchObject({
      data: [{ id: 'a' }],
    });
  });

  test('is refused as a whole where it has a fault, and the one before stays', async () => {
    const model = await provider(answer('still here'));
    const service = await start(asking(model, 'old'));

    await write(asking(model, 'new').replace('tools: [calculator]', 'tools: [calculater]'));
    const faulty = await service.reload();
    await rm(join(files.folder, 'holdfast.yaml'));
    const gone = await service.reload();
    await ask(service, 'go');

    expect([faulty, gone]).toEqual([false, false]);
    expect(sent(model).map(({ system }) => system)).toEqual(['old']);
  });

  test('that took an agent away ends what waits only with the process', async () => {
    const model = await provider(calls(sum('1+1')), answer('end'));
    const first = await start(asking(model, 'old'));
    const one = await ask(first, 'go');
    await first.close();

    const second = await start('agents: [{ id: b, model: demo }]');
    const refused = await approve(second, one.turn, one.generation);

    expect([refused.status, refused.json]).toMatchObject([
      409,
      { error: { code: 'AGENT_CHANGED' } },
    ]);
  });

  test.each([
    ['', "can't be read: EISDIR"],
    ['nowhere.yaml', 'nowhere.yaml: there is no such file'],
    ['bytes.yaml', "bytes.yaml: can't be read: is no text in UTF-8"],
    ['huge.yaml', 'huge.yaml: is larger than 1 MB'],
  ])('that is no file is refused at the start: %s', async (name, fault) => {
    await writeFile(join(files.folder, 'bytes.yaml'), Buffer.from([0x61, 0xff, 0xfe]));
    await writeFile(join(files.folder, 'huge.yaml'), ' '.repeat(5_000_000));
    const env = { PORT: '0', DATA_DIR: files.folder, HOLDFAST_CONFIG: join(files.folder, name) };

    await expect(openService({ env })).rejects.toThrow(fault);
  });

  test('whose model can not work is refused at the start, with every fault', async () => {
    await expect(
      start('agents: [{ id: b, model: "x:y" }, { id: b, model: demo }]'),
    ).rejects.toThrow(
      "The configuration file has 2 faults:\n  holdfast.yaml:1: agents[1].id: 'b' is the id of agents[0] already\n  holdfast.yaml:1: agents[0].model: there is no provider 'x'; providers: openai, anthropic",
    );
  });
});
