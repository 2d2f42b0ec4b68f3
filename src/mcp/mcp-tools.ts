import { jsonTool } from '../agent/json-tool.ts';
import type { ToolResult } from '../agent/agent-runner.ts';
import type { ToolContext, ToolDefinition, ToolSource } from '../agent/tools.ts';
import type { McpServerEntry } from '../config/file/schema.ts';
import { matchesPlainGlob } from '../hitl/glob.ts';
import { mcpServerOf } from '../hitl/mcp-names.ts';
import { hashOf, type JsonObject } from '../lib/json.ts';
import type { Owner } from '../stream/owner.ts';
import { effectsOf } from './effects.ts';
import { McpPool, type PoolDeps } from './pool.ts';
import type { SaveFile } from './result.ts';
import type { McpTool } from './tool-list.ts';

/** Tools of MCP servers, for agents (docs/AGENTS.md section 5). */
export interface McpTools extends AsyncDisposable {
  /**
   * What an agent's `mcp:server:glob` entries stand for, by the file as it is at this moment and at each later one.
   * What is no such entry is passed over.
   */
  source(patterns: readonly string[]): ToolSource;
  /** The file was read again: closes the connections that it does not have any more. */
  reloaded(): void;
}

interface Wanted {
  server: string;
  globs: string[];
}

/** By server, in the order of their first naming. */
export function serversOf(patterns: readonly string[]): Wanted[] {
  const wanted = new Map<string, string[]>();
  for (const pattern of patterns) {
    const [, server, glob] = /^mcp:([^:]+):(.+)$/su.exec(pattern) ?? [];
    if (server === undefined || glob === undefined) continue;
    wanted.set(server, [...(wanted.get(server) ?? []), glob]);
  }
  return [...wanted].map(([server, globs]) => ({ server, globs }));
}

function isOffered(entry: McpServerEntry, globs: readonly string[], name: string): boolean {
  const matches = (glob: string): boolean => matchesPlainGlob(glob, name);
  return globs.some(matches) && (entry.tools?.some(matches) ?? true);
}

const saver =
  (saveFile: ToolContext['saveFile']): SaveFile =>
  (file) =>
    // The tool has done what it does: that its picture can't be kept must not make an error of it.
    saveFile(file).then(
      (saved) => saved.name,
      () => undefined,
    );

export function createMcpTools(deps: PoolDeps): McpTools {
  const pool = new McpPool(deps);

  function definition(
    { server, tool }: { server: string; tool: McpTool },
    of: { entry: McpServerEntry; owner: Owner },
  ): ToolDefinition {
    const { name, modelName, description, parameters, check } = tool;
    const effects = effectsOf(of.entry, tool);
    return jsonTool({
      name: modelName,
      description,
      parameters,
      effects,
      version: '',
      refuse: check,
      async run(args, { signal, idempotencyKey, saveFile }) {
        // Asked for anew: since the run began it may have been closed, or the file read again.
        const connection = pool.connection(server, of.owner);
        const call = { tool: name, args, effects, idempotencyKey, signal, save: saver(saveFile) };
        return connection ? connection.call(call) : notAvailable(server);
      },
    });
  }

  /** A tool of a server of which nothing is known yet: it was known when the call was made. */
  function standIn(
    { server, globs }: Wanted,
    of: { name: string; parameters: JsonObject; owner: Owner },
  ): ToolDefinition {
    const { name, parameters, owner } = of;
    return jsonTool({
      name,
      description: `A tool of the MCP server '${server}', which can't be reached at the moment.`,
      parameters,
      // Nobody here knows better.
      effects: 'unsafe',
      version: '',
      refuse: () => undefined,
      async run(args, { signal, idempotencyKey, saveFile }) {
        const entry = pool.entry(server);
        const connection = pool.connection(server, owner);
        if (!entry || !connection) return notAvailable(server);
        const found = await connection.find(name, signal);
        if (found && 'status' in found) return found;
        if (!found || !isOffered(entry, globs, found.name))
          return { status: 'error', output: `There is no tool called ${name} any more.` };
        const output = found.check(args);
        if (output !== undefined) return { status: 'error', output };
        const { name: tool } = found;
        const effects = effectsOf(entry, found);
        const save = saver(saveFile);
        return connection.call({ tool, args, effects, idempotencyKey, signal, save });
      },
    });
  }

  function notAvailable(server: string): ToolResult {
    if (pool.entry(server)) deps.metrics.called(server, 'unreachable');
    return { status: 'error', output: `The MCP server '${server}' is not available.` };
  }

  async function listOf(
    { server, globs }: Wanted,
    run: { owner: Owner; signal: AbortSignal },
  ): Promise<{ known: boolean; tools: ToolDefinition[] }> {
    const entry = pool.entry(server);
    const connection = pool.connection(server, run.owner);
    if (!entry || !connection) return { known: false, tools: [] };
    const { known, tools } = await connection.tools(run.signal);
    const offered = tools
      .filter(({ name }) => isOffered(entry, globs, name))
      .map((tool) => definition({ server, tool }, { entry, owner: run.owner }));
    return { known, tools: offered };
  }

  return {
    source(patterns) {
      const wanted = serversOf(patterns);
      const servers = deps.servers();
      const made = wanted.map(({ server, globs }) => ({ server, globs, entry: servers[server] }));
      return {
        id: `mcp:${hashOf(made)}`,
        async list(run) {
          const lists = await Promise.all(
            wanted.map(async (it) => ({ it, ...(await listOf(it, run)) })),
          );
          const { owner } = run;
          return {
            tools: lists.flatMap(({ tools }) => tools),
            standIn(call) {
              const server = mcpServerOf(call.name);
              const found = lists.find(({ it, known }) => it.server === server && !known);
              return found && standIn(found.it, { ...call, owner });
            },
          };
        },
      };
    },
    reloaded: () => pool.tidy(),
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}
