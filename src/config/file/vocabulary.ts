/** Words that the configuration file may use, for whoever checks them and whoever gives them their meaning. */

/** In `instructions` (docs/AGENTS.md section 3). */
export const INSTRUCTION_VARIABLES = [
  'current_datetime',
  'current_date',
  'current_weekday',
  'timezone',
  'user.id',
  'user.tenant',
  'agent.id',
  'agent.name',
] as const;
export type InstructionVariable = (typeof INSTRUCTION_VARIABLES)[number];

/** In headers of an MCP server. */
export const HEADER_VARIABLES = ['user.id', 'user.tenant'] as const;

/** In `parameters` of an agent. */
export const MODEL_PARAMETERS = [
  'temperature',
  'topP',
  'maxTokens',
  'reasoning',
  'reasoningEffort',
  'thinking',
] as const;

/** The tool that is there where an agent's tools are found by searching. */
export const FIND_TOOLS = 'find_tools';

/** Providers that are there without being named in the file, and the environment names they are known by. */
export const BUILT_IN_PROVIDERS = {
  openai: { type: 'openai', key: 'OPENAI_API_KEY', baseUrl: 'OPENAI_BASE_URL' },
  anthropic: { type: 'anthropic', key: 'ANTHROPIC_API_KEY', baseUrl: 'ANTHROPIC_BASE_URL' },
} as const;

export function isBuiltInProvider(name: string): name is keyof typeof BUILT_IN_PROVIDERS {
  return Object.hasOwn(BUILT_IN_PROVIDERS, name);
}

/** What a model's name says before the colon; undefined for `demo`. */
export function providerOf(model: string): string | undefined {
  const colon = model.indexOf(':');
  return colon > 0 ? model.slice(0, colon) : undefined;
}

/** The server and the glob over its tools in `mcp:server:glob`; undefined for any other name of a tool. */
export function mcpPattern(tool: string): { server: string; glob: string } | undefined {
  const [, server, glob] = /^mcp:([^:]+):(.+)$/.exec(tool) ?? [];
  return server === undefined || glob === undefined ? undefined : { server, glob };
}
