import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { fileSchema } from '../../../src/config/file/schema.ts';
import { request, type ApiAnswer, type Turn } from '../../support/api.ts';
import { role, say, startFakeOpenAi, stop, type Answer } from '../../support/fake-openai.ts';
import type { FakeOpenAi } from '../../support/fake-openai.ts';
import { startLimitedService, type LimitedService } from '../../support/limited-service.ts';
import { isAlive, McpHttpServer, McpLedger, stdioEntry } from '../../support/mcp.ts';
import { eventually } from '../../support/services.ts';
import type { Shape } from '../../support/shape.ts';

/** The whole service in process: an agent of the file, a provider that plays a script, real MCP servers. */

const answer: Answer = { acts: [role, ...say('done'), ...stop] };

const calls = (name: string, args: object, id = 'call_1'): Answer => ({
  acts: [
    role,
    { delta: { tool_calls: [{ index: 0, id, name, args: JSON.stringify(args) }] } },
    { finish: 'tool_calls' },
    { done: true },
  ],
});

const sentSchema = z.object({
  messages: z.array(z.looseObject({ role: z.string(), content: z.unknown() })),
  tools: z.array(z.object({ function: z.object({ name: z.string() }) })).default([]),
});

/** The tools and the last message of each request that the provider had. */
const sent = ({ requests }: FakeOpenAi) =>
  requests.map(({ body }) => {
    const { messages, tools } = sentSchema.parse(body);
    const names = tools.map((tool) => tool.function.name);
    return { names, last: String(messages.at(-1)?.content), bytes: JSON.stringify(body).length };
  });

const actionSchema = z.object({
  actionId: z.string(),
  generationId: z.string(),
  requests: z.array(
    z.object({ toolCallId: z.string(), args: z.unknown(), argsSchema: z.looseObject({}) }),
  ),
});

let open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const it of open.toReversed()) await it[Symbol.asyncDispose]();
  open = [];
});

interface Begun {
  service: LimitedService;
  provider: FakeOpenAi;
  /** The same again, as another process would. */
  restarted: () => Promise<LimitedService>;
}

async function begin(
  mcpServers: object,
  {
    answers,
    agent = {},
    env = {},
  }: { answers: Answer[]; agent?: object; env?: Record<string, string> },
): Promise<Begun> {
  const provider = await startFakeOpenAi(answers);
  open.push(provider);
  const file = fileSchema.parse({
    agents: [{ id: 'post', model: 'local:m', tools: ['mcp:notes:*'], ...agent }],
    providers: { local: { type: 'openai', baseUrl: provider.baseURL } },
  });
  const start = async (): Promise<LimitedService> => {
    const service = await startLimitedService({ ...file, ...mcpServers, env });
    open.push({ [Symbol.asyncDispose]: () => service.stop() });
    return service;
  };
  const service = await start();
  const restarted = async (): Promise<LimitedService> => {
    await service.stop();
    return start();
  };
  return { service, provider, restarted };
}

/** What another process finds again. */
function keptIn(): Record<string, string> {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-kept-'));
  open.push({ [Symbol.asyncDispose]: async () => rmSync(dir, { recursive: true, force: true }) });
  return { PROFILE: 'embedded', DATA_DIR: dir };
}

async function pausedAction({ url }: LimitedService, state: Shape) {
  expect(state['status']).toBe('paused');
  const { json } = await request(url, { path: '/api/approvals' });
  const { items } = z.object({ items: z.array(actionSchema) }).parse(json);
  const [action] = items;
  if (!action) throw new Error('nothing waits');
  return action;
}

const decide = (
  { url }: LimitedService,
  action: z.infer<typeof actionSchema>,
  decision: object,
): Promise<ApiAnswer> => {
  const toolCallId = action.requests[0]?.toolCallId;
  const { generationId, actionId } = action;
  const decisions = [{ toolCallId, ...decision }];
  return request(url, { path: '/api/chat/resume', body: { generationId, actionId, decisions } });
};

/** The calls of the answer, when it is over. */
async function callsOf({ url }: LimitedService, { conversationId }: Turn) {
  const path = `/api/conversations/${conversationId}/messages`;
  const part = z.looseObject({
    type: z.string(),
    status: z.string().optional(),
    output: z.string().optional(),
  });
  const schema = z.object({
    items: z.array(z.looseObject({ role: z.string(), status: z.string(), content: z.array(part) })),
  });
  let found: z.infer<typeof part>[] = [];
  await eventually('the answer is over', async () => {
    const { items } = schema.parse((await request(url, { path })).json);
    const last = items.findLast((message) => message.role === 'assistant');
    found = last?.content ?? [];
    return last?.status === 'complete';
  });
  return found.filter(({ type }) => type === 'tool_call');
}

const mail = (to: string) => calls('mcp__notes__send_mail', { to });

describe('an MCP tool behind an approval', () => {
  test('over stdio: its server is killed while a person thinks; the edited call runs once', async () => {
    using ledger = new McpLedger();
    const notes = stdioEntry({}, { MCP_LEDGER: ledger.file });
    const { service, provider } = await begin(
      { mcpServers: { notes } },
      { answers: [calls('mcp__notes__whoami', {}), mail('a'), answer] },
    );

    const { turn, state } = await service.turn('write to a');
    const action = await pausedAction(service, state);
    expect(action.requests[0]).toMatchObject({
      args: { to: 'a' },
      argsSchema: { properties: { to: { minLength: 1 } } },
    });
    const pid = Number(sent(provider)[1]?.last.split(' ').at(-1));
    process.kill(pid, 'SIGKILL');
    await eventually('it is dead', () => !isAlive(pid));
    const refused = await decide(service, action, { decision: 'edit', editedArgs: { to: '' } });
    expect(refused.text).toMatch(/EDITED_ARGS_INVALID.*to: must NOT have fewer than 1/);
    expect(ledger.effects('send_mail')).toBe(0);

    await decide(service, action, { decision: 'edit', editedArgs: { to: 'b' } });

    expect((await callsOf(service, turn)).at(-1)).toMatchObject({
      status: 'ok',
      output: 'sent to b',
    });
    expect(ledger.lines.filter(({ name }) => name === 'send_mail')).toMatchObject([
      { args: { to: 'b' }, key: expect.stringContaining(turn.generationId) },
    ]);
  });

  test('over HTTP: approved while its server is down, the model is told; when it is back, the next one runs', async () => {
    using ledger = new McpLedger();
    const server = await McpHttpServer.begin({ MCP_LEDGER: ledger.file });
    open.push(server);
    const { service, provider } = await begin(
      { mcpServers: { notes: server.entry() } },
      { answers: [mail('a'), answer, mail('b'), answer] },
    );

    const first = await service.turn('write to a');
    const action = await pausedAction(service, first.state);
    await server.kill();
    await decide(service, action, { decision: 'approve' });
    expect((await callsOf(service, first.turn)).at(-1)).toMatchObject({
      status: 'error',
      output: "The MCP server 'notes' can't be reached now, so the tool did not run.",
    });
    expect(sent(provider).at(-1)?.last).toMatch(/can't be reached/);
    expect(ledger.effects('send_mail')).toBe(0);

    await server.start();
    const second = await service.turn('write to b');
    const again = await pausedAction(service, second.state);
    await server.kill();
    await server.start();
    await decide(service, again, { decision: 'approve' });
    const [last] = (await callsOf(service, second.turn)).slice(-1);
    expect(last).toMatchObject({ status: 'ok', output: 'sent to b' });
    expect(ledger.effects('send_mail')).toBe(1);
    const { text } = await request(service.url, { path: '/metrics' });
    expect(text).toContain('holdfast_mcp_calls_total{server="notes",status="ok"} 1');
    expect(text).toMatch(/holdfast_mcp_calls_total\{server="notes",status="unreachable"\} 1/);
  });

  test('approved after a restart while its server is down: the server is named, as ever, and it is counted', async () => {
    const server = await McpHttpServer.begin();
    open.push(server);
    const { service, provider, restarted } = await begin(
      { mcpServers: { notes: server.entry() } },
      { answers: [mail('a'), answer], env: keptIn() },
    );
    const { turn, state } = await service.turn('write to a');
    const action = await pausedAction(service, state);
    await server.kill();

    const later = await restarted();
    const refused = await decide(later, action, { decision: 'edit', editedArgs: { to: '' } });
    expect(refused.text).toMatch(/EDITED_ARGS_INVALID/);
    await decide(later, action, { decision: 'edit', editedArgs: { to: 'b' } });

    expect((await callsOf(later, turn)).at(-1)).toMatchObject({
      status: 'error',
      output: "The MCP server 'notes' can't be reached now, so the tool did not run.",
    });
    // Providers refuse a history of calls without tools.
    expect(sent(provider).at(-1)?.names).toEqual(['mcp__notes__send_mail']);
    const { text } = await request(later.url, { path: '/metrics' });
    expect(text).toMatch(/holdfast_mcp_calls_total\{server="notes",status="unreachable"\} 1/);
  });

  test('its server dies in the middle of it: the outcome is not guessed, and it is not called again', async () => {
    using ledger = new McpLedger();
    const server = await McpHttpServer.begin({ MCP_LEDGER: ledger.file });
    open.push(server);
    const { service } = await begin(
      { mcpServers: { notes: server.entry() } },
      { answers: [calls('mcp__notes__hang', {}), answer] },
    );
    const { turn, state } = await service.turn('hang');
    await decide(service, await pausedAction(service, state), { decision: 'approve' });
    await eventually('its effect is done', () => ledger.effects('hang') === 1);
    await server.kill();
    await server.start();

    expect((await callsOf(service, turn)).at(-1)).toMatchObject({
      status: 'outcome_unknown',
      output: expect.stringMatching(/was lost while the tool ran.*not known/),
    });
    expect(ledger.effects('hang')).toBe(1);
  });
});

describe('what the model is sent', () => {
  test('of a thousand tools: those that it found, also after a pause', async () => {
    const { service, provider } = await begin(
      { mcpServers: { notes: stdioEntry({}, { MCP_MODE: 'flood' }) } },
      {
        agent: {
          deferTools: { except: ['calculator', 'mcp:notes:t7'] },
          tools: ['mcp:notes:*', 'calculator'],
        },
        answers: [
          calls('find_tools', { query: 'does t42' }),
          calls('mcp__notes__t42', {}, 'call_2'),
          answer,
          answer,
        ],
      },
    );

    const { turn, state } = await service.turn('do t42');
    const before = sent(provider);
    expect(before[0]?.names.toSorted()).toEqual(['calculator', 'find_tools', 'mcp__notes__t7']);
    expect(before[0]?.bytes).toBeLessThan(4_000);
    expect(JSON.parse(before[1]?.last ?? '')).toHaveLength(10);
    expect(before[1]?.last).toMatch(/^\[\{"name":"mcp__notes__t42",/);
    expect(before[1]?.names).toContain('mcp__notes__t42');
    expect(before[1]?.names.length).toBeLessThanOrEqual(13);

    await decide(service, await pausedAction(service, state), { decision: 'reject' });
    await callsOf(service, turn);
    expect(sent(provider)[2]?.names).toEqual(before[1]?.names);
    // What was found stays found in the next turn.
    await service.turn('and now', { conversationId: turn.conversationId });
    expect(sent(provider)[3]?.names).toContain('mcp__notes__t42');
  });

  test('of a large output: its beginning, and a tool to read on', async () => {
    const { service, provider } = await begin(
      { mcpServers: { notes: stdioEntry() } },
      { answers: [calls('mcp__notes__huge', { bytes: 200_000 }), answer] },
    );

    await service.turn('much');

    const [first, second] = sent(provider);
    expect(first?.names).not.toContain('read_output');
    expect(second?.names).toContain('read_output');
    const [, ref = ''] =
      /the whole is output (\S+), see read_output\]$/.exec(second?.last ?? '') ?? [];
    const whole = await request(service.url, { path: `/api/files/${ref}` });
    expect(whole.text.length).toBe(200_000);
  });
});
