import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ToolDefinition } from '../../../src/agent/tools.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  ALICE,
  McpHttpServer,
  McpLedger,
  mcpBench,
  mcpEntry,
  pidOf,
  stdioEntry,
  toolsOf,
} from '../../support/mcp.ts';
import type { McpBench } from '../../support/mcp.ts';
import { eventually } from '../../support/services.ts';
import { callTool } from '../../support/tool-run.ts';

/** Real servers of the official SDK, as child processes and over HTTP. */

/** 100 MB by hand. */
const FLOOD = Number(process.env['MCP_FLOOD'] ?? 11_000_000);
describe('a server that works', () => {
  let bench: McpBench;
  let tools: Map<string, ToolDefinition>;
  beforeAll(async () => {
    bench = mcpBench(
      {
        notes: stdioEntry(
          { effects: [{ tools: 'whoami', effects: 'idempotent' }] },
          { MCP_SECRET: 'k-${KEY}' },
        ),
        blind: stdioEntry({ trustAnnotations: false, tools: ['read_*', 'put_*'] }),
      },
      { env: { KEY: '42' } },
    );
    tools = await toolsOf(bench, ['mcp:notes:*']);
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
  });

  test('is not started by naming it; whoever is first, and whoever comes meanwhile, gets all its tools', async () => {
    await using other = mcpBench({ notes: stdioEntry() });
    other.tools.source(['mcp:notes:*']);

    expect(other.counted).toEqual([]);
    const found = await Promise.all([1, 2, 3].map(() => toolsOf(other, ['mcp:notes:*'])));
    expect(found.map(({ size }) => size)).toEqual([12, 12, 12]);
    expect(other.counted).toEqual(['notes connected ok', 'notes up true']);
  });

  test('offers its tools under names of their own, with their effects', async () => {
    const effects = Object.fromEntries([...tools].map(([name, tool]) => [name, tool.effects]));

    expect(effects).toMatchObject({
      mcp__notes__read_note: 'read',
      mcp__notes__put_note: 'idempotent',
      mcp__notes__send_mail: 'unsafe',
      mcp__notes__wipe: 'unsafe',
      mcp__notes__hang: 'unsafe',
      mcp__notes__whoami: 'idempotent',
    });
    expect(tools.get('mcp__notes__send_mail')?.parameters).toMatchObject({
      type: 'object',
      properties: { to: { type: 'string', minLength: 1 } },
    });
  });

  test('without trust its annotations count for nothing, and only the named tools are offered', async () => {
    const found = await toolsOf(bench, ['mcp:blind:*note', 'mcp:blind:send_mail', 'mcp:none:*']);

    expect([...found].map(([name, { effects }]) => `${name} ${effects}`)).toEqual([
      'mcp__blind__read_note unsafe',
      'mcp__blind__put_note unsafe',
    ]);
  });

  test('answers in text, and what is no text is named', async () => {
    expect(await callTool(tools.get('mcp__notes__read_note'), { id: '7' })).toEqual({
      status: 'ok',
      text: 'note 7',
    });
    expect((await callTool(tools.get('mcp__notes__picture'))).text.split('\n')).toEqual([
      'here it is',
      '[shown to the user: image.png (image/png, 70 bytes)]',
      '[resource: note 1 notes://1]',
    ]);
    expect((await callTool(tools.get('mcp__notes__numbers'))).text).toBe('{"sum":3}');
    expect(await callTool(tools.get('mcp__notes__fail'))).toEqual({
      status: 'error',
      text: 'no such note in /var/notes',
    });
  });

  test('gets what its entry says of the environment, and no more', async () => {
    const { text } = await callTool(tools.get('mcp__notes__whoami'));

    expect(text).toContain('k-42');
    expect(text).not.toContain('MONGODB');
  });

  test('arguments are checked by its schema before it is asked', () => {
    const mail = tools.get('mcp__notes__send_mail');

    expect(mail?.refuse({ to: 'a' })).toBeUndefined();
    expect(mail?.refuse({ to: '' })).toBe(
      'The arguments of mcp__notes__send_mail are not valid: to: must NOT have fewer than 1 characters.',
    );
    expect(mail?.refuse({ to: 'a', cc: 'b' })).toMatch(/additional properties \(cc\)/);
    expect(mail?.refuse([])).toMatch(/must be object/);
  });

  test('a run that is stopped does not wait for its answer', async () => {
    const stop = new AbortController();
    const before = bench.counted.length;
    const asked = callTool(tools.get('mcp__notes__hang'), {}, { signal: stop.signal });
    stop.abort(new Error('stopped'));

    await expect(asked).rejects.toThrow('stopped');
    expect(bench.counted.slice(before)).toEqual(['notes called aborted']);
  });

  test('a change of its list is seen by the next run', async () => {
    expect(tools.has('mcp__notes__grown_1')).toBe(false);
    await callTool(tools.get('mcp__notes__grow'));

    await eventually('the new tool is listed', async () =>
      (await toolsOf(bench, ['mcp:notes:*'])).has('mcp__notes__grown_1'),
    );
  });

  test('many bytes are cut, and too many end the connection without harm', async () => {
    const huge = tools.get('mcp__notes__huge');

    const cut = await callTool(huge, { bytes: 1_000_000 }, { keepsLarge: false });
    expect(cut.text).toMatch(/\[truncated: \d+ of 1000000 bytes shown\]$/);

    const flood = await callTool(huge, { bytes: FLOOD });
    expect(flood).toMatchObject({ status: 'error', text: expect.stringMatching(/was lost/) });
    await eventually('it is there again', async () => {
      return (await callTool(tools.get('mcp__notes__read_note'), { id: '8' })).text === 'note 8';
    });
  });
});

describe('a server that dies', () => {
  test('over stdio: it is started again, reads are asked again, and the unsafe outcome is not guessed', async () => {
    using ledger = new McpLedger();
    await using bench = mcpBench({ notes: stdioEntry({}, { MCP_LEDGER: ledger.file }) });
    const tools = await toolsOf(bench, ['mcp:notes:*']);
    const first = await pidOf(tools.get('mcp__notes__whoami'));

    const unsafe = callTool(tools.get('mcp__notes__hang'));
    await eventually('the effect is done', () => ledger.effects('hang') === 1);
    process.kill(first, 'SIGKILL');
    expect(await unsafe).toMatchObject({ status: 'outcome_unknown' });
    expect((await unsafe).text).toMatch(/was lost while the tool ran.*not known/);
    expect(ledger.effects('hang')).toBe(1);

    const second = await pidOf(tools.get('mcp__notes__whoami'));
    expect(second).not.toBe(first);
    const read = callTool(tools.get('mcp__notes__hang_read'));
    await eventually('it is asked', () => ledger.effects('hang_read') === 1);
    process.kill(second, 'SIGKILL');
    await eventually('it is asked again', () => ledger.effects('hang_read') === 2);
    process.kill(await pidOf(tools.get('mcp__notes__whoami')), 'SIGKILL');
    expect(await read).toEqual({
      status: 'error',
      text: "The MCP server 'notes' was lost while the tool ran.",
    });
    expect(bench.counted.filter((it) => it === 'notes called lost')).toHaveLength(2);
  });

  test('over HTTP: the same, and a session that it forgot is begun anew without a second effect', async () => {
    using ledger = new McpLedger();
    await using server = await McpHttpServer.begin({ MCP_LEDGER: ledger.file });
    await using bench = mcpBench({ notes: server.entry() });
    const tools = await toolsOf(bench, ['mcp:notes:*']);

    const unsafe = callTool(tools.get('mcp__notes__hang'));
    await eventually('the effect is done', () => ledger.effects('hang') === 1);
    await server.kill();
    expect(await unsafe).toMatchObject({ status: 'outcome_unknown' });

    // Nobody is there: said to the model at once, and to the operator once.
    for (const _ of [1, 2, 3]) {
      const said = await callTool(tools.get('mcp__notes__send_mail'), { to: 'x' });
      expect(said).toEqual({
        status: 'error',
        text: "The MCP server 'notes' can't be reached now, so the tool did not run.",
      });
    }
    expect(bench.logged.filter(({ level }) => level === 'warn')).toHaveLength(1);
    expect((await toolsOf(bench, ['mcp:notes:*'])).size).toBe(tools.size);
    expect(bench.counted).toContain('notes up false');

    await server.start();
    await eventually(
      'it is reached again',
      async () => (await callTool(tools.get('mcp__notes__send_mail'), { to: 'y' })).status === 'ok',
    );
    expect(ledger.effects('send_mail')).toBe(1);
    expect(bench.logged.map(({ message }) => message)).toEqual([
      'connection to the MCP server ended',
      'MCP server is back',
    ]);

    // Killed and restarted between two calls: the session is unknown there.
    await server.kill();
    await server.start();
    expect(await callTool(tools.get('mcp__notes__send_mail'), { to: 'z' })).toMatchObject({
      status: 'ok',
    });
    expect(ledger.effects('send_mail')).toBe(2);
  });

  test('at its start: nothing is offered, its last words are in the log, and it is not tried in a loop', async () => {
    const clock = new FakeClock();
    await using bench = mcpBench(
      {
        broken: mcpEntry({
          transport: 'stdio',
          command: process.execPath,
          args: ['-e', 'console.error("no licence"); process.exit(3)'],
        }),
        missing: mcpEntry({ transport: 'stdio', command: '/no/such/program' }),
        unset: mcpEntry({
          transport: 'http',
          url: 'http://127.0.0.1:1',
          headers: { a: '${NONE}' },
        }),
      },
      { clock },
    );
    const patterns = ['mcp:broken:*', 'mcp:missing:*', 'mcp:unset:*'];
    expect((await toolsOf(bench, patterns)).size).toBe(0);
    expect((await toolsOf(bench, patterns)).size).toBe(0);

    expect(bench.counted.filter((it) => it.endsWith('connected failed'))).toHaveLength(3);
    expect(bench.logged).toHaveLength(3);
    expect(JSON.stringify(bench.logged)).toContain('no licence');
    await clock.advance(1_000);
    await toolsOf(bench, ['mcp:missing:*']);
    expect(bench.counted.filter((it) => it === 'missing connected failed')).toHaveLength(2);
    expect(bench.logged).toHaveLength(3);
  });

  test('before it could be asked: what was called earlier waits for it, is checked by its own schema, and runs', async () => {
    using ledger = new McpLedger();
    await using server = await McpHttpServer.begin({ MCP_LEDGER: ledger.file });
    await server.kill();
    const clock = new FakeClock();
    const servers = { notes: server.entry(), other: server.entry() };
    await using bench = mcpBench(servers, { clock });
    const { signal } = new AbortController();
    const source = bench.tools.source(['mcp:notes:*_mail', 'mcp:gone:*']);
    const offer = await source.list({ owner: ALICE, signal });
    const callOf = (name: string) => offer.standIn({ name, parameters: { type: 'object' } });
    expect(offer.tools).toEqual([]);
    expect(callOf('mcp__other__send_mail')).toBeUndefined();
    expect(callOf('calculator')).toBeUndefined();
    expect(callOf('mcp__notes__send_mail')?.effects).toBe('unsafe');

    const down = callTool(callOf('mcp__notes__send_mail'), { to: 'x' });
    await clock.advance(1_000);
    expect(await down).toMatchObject({
      status: 'error',
      text: expect.stringMatching(/'notes' can't be reached now/),
    });
    expect(await callTool(callOf('mcp__gone__any'), {})).toMatchObject({
      text: "The MCP server 'gone' is not available.",
    });

    const approved = callTool(callOf('mcp__notes__send_mail'), { to: 'y' });
    await server.start();
    await clock.advance(2_000);
    expect(await approved).toEqual({ status: 'ok', text: 'sent to y' });
    expect(await callTool(callOf('mcp__notes__send_mail'), { to: '' })).toMatchObject({
      status: 'error',
      text: expect.stringMatching(/are not valid: to: must NOT have fewer/),
    });
    for (const name of ['mcp__notes__wipe', 'mcp__notes__none'])
      expect((await callTool(callOf(name))).text).toBe(`There is no tool called ${name} any more.`);
    expect(ledger.lines.filter((it) => 'name' in it)).toMatchObject([{ name: 'send_mail' }]);
    expect(bench.counted.filter((it) => it.includes(' called '))).toEqual([
      'notes called unreachable',
      'notes called ok',
    ]);

    // Now all that it has is known, so what is not there is not there.
    const now = await source.list({ owner: ALICE, signal });
    expect(now.standIn({ name: 'mcp__notes__none', parameters: {} })).toBeUndefined();
  });

  test('a server that says nothing is given up in time', async () => {
    const silent = [
      '-e',
      'setInterval(() => {}, 1000); process.stdin.resume().on("end", () => process.exit())',
    ];
    const entry = { transport: 'stdio', command: process.execPath, args: silent };
    await using bench = mcpBench({ mute: mcpEntry({ ...entry, connectTimeout: '200ms' }) });

    expect((await toolsOf(bench, ['mcp:mute:*'])).size).toBe(0);
    expect(bench.counted).toEqual(['mute connected failed', 'mute up false']);
  });

  test('an answer that takes too long is given up, and the unsafe outcome is not guessed', async () => {
    await using bench = mcpBench({ notes: stdioEntry({ timeout: '300ms' }) });
    const tools = await toolsOf(bench, ['mcp:notes:*']);

    const [unsafe, read] = await Promise.all([
      callTool(tools.get('mcp__notes__hang')),
      callTool(tools.get('mcp__notes__hang_read')),
    ]);

    expect(unsafe).toMatchObject({ status: 'outcome_unknown' });
    expect(read).toEqual({
      status: 'error',
      text: "The MCP server 'notes' gave no answer within 300 ms.",
    });
    expect(bench.counted.filter((it) => it === 'notes called timeout')).toHaveLength(2);
  });
});
