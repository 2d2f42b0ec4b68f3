import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { ToolDefinition } from '../../src/agent/tools.ts';
import { fileSchema, type McpServerEntry } from '../../src/config/file/schema.ts';
import { systemClock, type Clock } from '../../src/lib/clock.ts';
import type { Log } from '../../src/lib/log.ts';
import type { Owner } from '../../src/stream/owner.ts';
import { createMcpTools, type McpTools } from '../../src/mcp/mcp-tools.ts';
import type { McpMetrics } from '../../src/mcp/metrics.ts';
import { freePort } from './ports.ts';
import { callTool } from './tool-run.ts';

export const ALICE: Owner = { tenantId: 't', userId: 'alice' };

const SERVER = new URL('./mcp-server.mjs', import.meta.url).pathname;

/** One entry of `mcpServers`, as the file would have it. */
export function mcpEntry(entry: Record<string, unknown>): McpServerEntry {
  const { mcpServers } = fileSchema.parse({ mcpServers: { it: entry } });
  const { it: parsed } = mcpServers;
  if (!parsed) throw new Error('no entry');
  return parsed;
}

/** The server of mcp-server.mjs as a child of whoever connects. */
export function stdioEntry(over: Record<string, unknown> = {}, env: object = {}): McpServerEntry {
  const args = ['--no-warnings', SERVER, 'stdio'];
  return mcpEntry({ transport: 'stdio', command: process.execPath, args, env, ...over });
}

const lineSchema = z.looseObject({ name: z.string().optional(), session: z.string().optional() });

/** A file to which servers write their effects. */
export class McpLedger implements Disposable {
  readonly #dir = mkdtempSync(join(tmpdir(), 'holdfast-mcp-'));
  readonly file = join(this.#dir, 'ledger');

  get lines(): z.infer<typeof lineSchema>[] {
    try {
      const lines = readFileSync(this.file, 'utf8').trim().split('\n');
      return lines.map((line) => lineSchema.parse(JSON.parse(line)));
    } catch {
      // Nothing was written yet.
      return [];
    }
  }

  effects(name: string): number {
    return this.lines.filter((line) => line.name === name).length;
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** The server of mcp-server.mjs over HTTP, on one port for all its lives. */
export class McpHttpServer implements AsyncDisposable {
  readonly port: number;
  readonly #env: Record<string, string>;
  #child: ChildProcess | undefined;

  private constructor(port: number, env: Record<string, string>) {
    this.port = port;
    this.#env = env;
  }

  static async begin(env: Record<string, string> = {}): Promise<McpHttpServer> {
    const server = new McpHttpServer(await freePort(), env);
    await server.start();
    return server;
  }

  entry(over: Record<string, unknown> = {}): McpServerEntry {
    return mcpEntry({ transport: 'http', url: `http://127.0.0.1:${this.port}/mcp`, ...over });
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, ['--no-warnings', SERVER, 'http', String(this.port)], {
      env: { ...this.#env, PATH: process.env['PATH'] },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    const ended = once(child, 'exit').then(() => {
      throw new Error(`the MCP server on ${this.port} ended`);
    });
    // Later on it may.
    ended.catch(() => {});
    // One that ends at its start says nothing, ever.
    await Promise.race([once(child.stdout, 'data'), ended]);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'close');
    child.kill('SIGKILL');
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

export interface McpBench extends AsyncDisposable {
  servers: Record<string, McpServerEntry>;
  tools: McpTools;
  logged: { level: string; message: string; fields: object }[];
  /** `server called ok`, `server connected failed`, `server up true`… */
  counted: string[];
}

export function mcpBench(
  servers: Record<string, McpServerEntry>,
  { clock = systemClock, env = {} }: { clock?: Clock; env?: Record<string, string> } = {},
): McpBench {
  const logged: McpBench['logged'] = [];
  const counted: string[] = [];
  const line = (level: string) => (fields: object, message: string) => {
    logged.push({ level, message, fields });
  };
  const log: Log = { info: line('info'), warn: line('warn'), error: line('error') };
  const metrics: McpMetrics = {
    called: (server, status) => counted.push(`${server} called ${status}`),
    connected: (server, status) => counted.push(`${server} connected ${status}`),
    up: (server, up) => counted.push(`${server} up ${String(up)}`),
    gone: (server) => counted.push(`${server} gone`),
  };
  const bench = { servers };
  const tools = createMcpTools({
    servers: () => bench.servers,
    env: (name) => env[name],
    clock,
    log,
    metrics,
  });
  return Object.assign(bench, {
    tools,
    logged,
    counted,
    [Symbol.asyncDispose]: () => tools[Symbol.asyncDispose](),
  });
}

export async function toolsOf(
  bench: McpBench,
  patterns: string[],
  owner = ALICE,
): Promise<Map<string, ToolDefinition>> {
  const { tools } = await bench.tools
    .source(patterns)
    .list({ owner, signal: new AbortController().signal });
  return new Map(tools.map((tool) => [tool.name, tool]));
}

/** Of the server behind it: its tool `whoami`. */
export const pidOf = async (tool: ToolDefinition | undefined): Promise<number> =>
  Number((await callTool(tool)).text.split(' ').at(-1));

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // ESRCH: that is the answer.
    return false;
  }
}
