import { describe, expect, test } from '@jest/globals';
import { once, setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import { z } from 'zod';
import type { Owner } from '../../../src/stream/owner.ts';
import { noMcpMetrics } from '../../../src/mcp/metrics.ts';
import { McpPool } from '../../../src/mcp/pool.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  ALICE,
  McpHttpServer,
  McpLedger,
  mcpBench,
  mcpEntry,
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

  test('of users are two hundred: the one not needed for longest makes room, and those in use stay', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = z.object({ port: z.number() }).parse(silent.address());
    const url = `http://127.0.0.1:${port}`;
    const notes = mcpEntry({ transport: 'http', url, headers: { 'x-user': '{{user.id}}' } });
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const clock = new FakeClock();
    const deps = { servers: () => ({ notes }), env: () => undefined, clock, log };
    const pool = new McpPool({ ...deps, metrics: noMcpMetrics });
    const of = (n: number) => pool.connection('notes', { tenantId: 't', userId: `u${n}` });

    const made = Array.from({ length: 200 }, (_, n) => of(n));
    expect(of(0)).toBe(made[0]);
    expect(of(200)).toBeDefined();
    expect(of(0)).toBe(made[0]);
    expect(of(2)).toBe(made[2]);
    // The second one had to go, and comes in the place of the fourth.
    expect(of(1)).not.toBe(made[1]);
    expect(of(3)).not.toBe(made[3]);

    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    const users = Array.from({ length: 201 }, (_, n) => n).filter((n) => n !== 4);
    const busy = users.map(async (n) => of(n)?.tools(stop.signal));
    expect(of(999)).toBeUndefined();
    expect(of(5)).toBe(made[5]);
    stop.abort();
    expect(await Promise.all(busy)).not.toContain(undefined);
    expect(of(999)).toBeDefined();
    await pool[Symbol.asyncDispose]();
    silent.closeAllConnections();
    await new Promise((resolve) => silent.close(resolve));
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
