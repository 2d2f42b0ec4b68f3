import { describe, expect, test } from '@jest/globals';
import type { Owner } from '../../../src/stream/owner.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  ALICE,
  McpHttpServer,
  McpLedger,
  mcpBench,
  pidOf,
  isAlive,
  stdioEntry,
  toolsOf,
} from '../../support/mcp.ts';
import { eventually } from '../../support/services.ts';
import { callTool } from '../../support/tool-run.ts';

/** Whose connections there are and for how long, and servers that mean harm. */

const BOB: Owner = { tenantId: 't', userId: 'bob' };
const quiet = new AbortController().signal;

describe('connections', () => {
  test('are of one user each where headers name the user, and end when nobody needs them', async () => {
    using ledger = new McpLedger();
    await using server = await McpHttpServer.begin({ MCP_LEDGER: ledger.file });
    const clock = new FakeClock();
    const headers = { 'x-user': '{{user.tenant}}/{{user.id}} ${KEY}' };
    await using bench = mcpBench(
      { notes: server.entry({ headers }) },
      { clock, env: { KEY: '{{user.id}}' } },
    );
    const odd: Owner = { tenantId: 't', userId: 'zoë\r\nx-admin: 1%' };
    const as = async (owner: Owner): Promise<string> => {
      const tools = await toolsOf(bench, ['mcp:notes:whoami'], owner);
      return (await callTool(tools.get('mcp__notes__whoami'), {}, { owner })).text;
    };

    const [alice, bob] = await Promise.all([as(ALICE), as(BOB)]);
    expect(alice).toMatch(/^t\/alice \{\{user\.id\}\} /);
    expect(bob).toMatch(/^t\/bob /);
    expect(await as(odd)).toMatch(/^t\/zo%C3%AB%0D%0Ax-admin:%201%25 /);
    expect(ledger.lines).toHaveLength(3);

    await clock.advance(4 * 60_000);
    await as(ALICE);
    await clock.advance(2 * 60_000);
    await eventually(
      'the others have gone',
      () => ledger.lines.filter(({ session }) => session === 'ended').length === 2,
    );
    await as(ALICE);
    expect(ledger.lines).toHaveLength(5);
  });

  test('of a server that is no longer in the file, or is another one there, are closed', async () => {
    await using bench = mcpBench({ notes: stdioEntry() });
    const source = bench.tools.source(['mcp:notes:*']);
    const list = async () => (await source.list({ owner: ALICE, signal: quiet })).tools;
    const byName = async (name: string) => (await list()).find((tool) => tool.name === name);
    const first = await pidOf(await byName('mcp__notes__whoami'));

    bench.servers = { notes: stdioEntry({}, { MCP_SECRET: 'other' }) };
    bench.tools.reloaded();
    await eventually('the first has gone', () => !isAlive(first));
    const whoami = await byName('mcp__notes__whoami');
    expect((await callTool(whoami)).text).toContain('other');
    const second = await pidOf(whoami);
    expect(bench.tools.source(['mcp:notes:*']).id).not.toBe(source.id);

    bench.servers = {};
    bench.tools.reloaded();
    await eventually('the second has gone', () => !isAlive(second));
    expect(await list()).toEqual([]);
    expect(await callTool(whoami)).toMatchObject({ status: 'error' });
    expect(bench.counted).toContain('notes gone');
  });

  test('leave no process behind', async () => {
    const bench = mcpBench({ notes: stdioEntry() });
    const tools = await toolsOf(bench, ['mcp:notes:whoami']);
    const pid = await pidOf(tools.get('mcp__notes__whoami'));

    await bench[Symbol.asyncDispose]();

    expect(isAlive(pid)).toBe(false);
  });
});

describe('a server that means harm', () => {
  test('with five thousand tools a page and no last page: a thousand are taken', async () => {
    await using bench = mcpBench({ evil: stdioEntry({}, { MCP_MODE: 'flood' }) });

    expect((await toolsOf(bench, ['mcp:evil:*'])).size).toBe(1_000);
    expect(bench.logged[0]?.fields).toMatchObject({ cut: true });
  });

  test('with a cursor that leads to itself: the list ends', async () => {
    await using bench = mcpBench({ evil: stdioEntry({}, { MCP_MODE: 'loop' }) });

    expect([...(await toolsOf(bench, ['mcp:evil:*'])).keys()]).toEqual(['mcp__evil__once']);
  });

  test('with odd names, double names and schemas that lie: what is left can be used, and nothing hangs', async () => {
    await using bench = mcpBench({ evil: stdioEntry({}, { MCP_MODE: 'odd' }) });
    const tools = await toolsOf(bench, ['mcp:evil:*']);
    const names = [...tools.keys()];

    expect(names.every((name) => /^[a-zA-Z0-9_-]{1,64}$/.test(name))).toBe(true);
    expect(names.slice(0, 5)).toEqual([
      'mcp__evil__files_x2f_read',
      'mcp__evil__files_x5f_x2f_read',
      'mcp__evil__dup',
      'mcp__evil___xfc_mlaut',
      'mcp__evil__a_x20_b',
    ]);
    expect((await callTool(tools.get('mcp__evil__files_x2f_read'))).text).toBe('called files/read');
    expect(bench.logged[0]?.fields).toMatchObject({
      left: 4,
      open: expect.arrayContaining(['mcp__evil__evil_kind']),
    });
    const began = performance.now();
    for (const [name, tool] of tools) {
      if (name.includes('evil_')) tool.refuse({ a: `${'a'.repeat(40)}!` });
    }
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(tools.get('mcp__evil__evil_regex')?.refuse({ a: 'b' })).toBeUndefined();
  });

  test('without tools: it offers none', async () => {
    await using bench = mcpBench({ bare: stdioEntry({}, { MCP_MODE: 'empty' }) });

    expect((await toolsOf(bench, ['mcp:bare:*'])).size).toBe(0);
    expect(bench.counted).toEqual(['bare connected ok', 'bare up true']);
  });
});
