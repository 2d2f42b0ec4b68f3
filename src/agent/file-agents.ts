import { policyOf } from '../config/file/policy-references.ts';
import type { AgentEntry, ConfigFile } from '../config/file/schema.ts';
import { mcpPattern, providerOf } from '../config/file/vocabulary.ts';
import { AgentError } from './agent-error.ts';
import type { AgentDefinition, SubAgentDefinition } from './catalog.ts';
import type { NamedProvider } from './models.ts';
import { subAgentTool } from './sub-agent.ts';
import type { ToolDefinition, ToolSource } from './tools.ts';

/** Agents of the configuration file, which was checked by its reader (src/config/file/references.ts). */

export interface FileAgentDeps {
  /** Built in, or given in code. */
  tools: readonly ToolDefinition[];
  /** Tools of MCP servers, by `mcp:server:glob`. */
  mcp: { source(patterns: readonly string[]): ToolSource };
}

/** The provider behind a model, if it is one of the file. */
export function providerIn({ providers }: ConfigFile, model: string): NamedProvider | undefined {
  const name = providerOf(model) ?? '';
  const entry = Object.hasOwn(providers, name) ? providers[name] : undefined;
  return entry && { name, ...entry };
}

/** What providers accept as the name of a tool. */
const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** Tools that agents of the file can name: the built-in ones, and those given in code. Throws AgentError. */
export function handTools(
  own: readonly ToolDefinition[],
  given: readonly ToolDefinition[],
): readonly ToolDefinition[] {
  const names = new Set(own.map(({ name }) => name));
  for (const { name } of given) {
    if (!TOOL_NAME.test(name)) {
      throw new AgentError(`'${name}' is no name for a tool: up to 64 letters, digits, - and _.`);
    }
    if (names.has(name)) throw new AgentError(`There are two tools called '${name}'.`);
    names.add(name);
  }
  return [...own, ...given];
}

/** Throws AgentError where the file refers to what is not there. */
export function fileAgents(file: ConfigFile, deps: FileAgentDeps): AgentDefinition[] {
  const entries = new Map(file.agents.map((entry) => [entry.id, entry]));
  const made = new Map<string, AgentDefinition>();

  const agentOf = (id: string, above: readonly string[]): AgentDefinition => {
    const known = made.get(id);
    if (known) return known;
    const entry = entries.get(id);
    if (!entry || above.includes(id)) throw new AgentError(`No agent can be called '${id}' here.`);
    const below = entry.subagents.map((sub) => asTool(sub, agentOf(sub.agent, [...above, id])));
    const agent = definitionOf(entry, file, { below, deps });
    made.set(id, agent);
    return agent;
  };

  for (const { id } of file.agents) agentOf(id, []);
  return handingOver(file, made);
}

/** With the agents that each may hand over to, which may be in a ring. */
function handingOver(
  file: ConfigFile,
  made: ReadonlyMap<string, AgentDefinition>,
): AgentDefinition[] {
  const lists = new Map<string, AgentDefinition[]>();
  const whole = new Map(
    [...made].map(([id, agent]): [string, AgentDefinition] => {
      const handOffs: AgentDefinition[] = [];
      lists.set(id, handOffs);
      return [id, { ...agent, handOffs }];
    }),
  );
  return file.agents.flatMap(({ id, handoffs }) => {
    const agent = whole.get(id);
    for (const to of handoffs) {
      const other = whole.get(to);
      if (!other || to === id) throw new AgentError(`'${id}' can't hand over to '${to}'.`);
      lists.get(id)?.push(other);
    }
    return agent ? [agent] : [];
  });
}

function asTool(
  sub: AgentEntry['subagents'][number],
  { toolApproval: _policy, titleModel: _title, files: _files, ...agent }: AgentDefinition,
): ToolDefinition {
  const below: SubAgentDefinition = agent;
  const { name = sub.agent, description = agent.description ?? '' } = sub;
  return subAgentTool({ name, description, agent: below });
}

function toolOf(name: string, tools: readonly ToolDefinition[]): ToolDefinition {
  const tool = tools.find((each) => each.name === name);
  if (!tool) throw new AgentError(`There is no tool '${name}'.`);
  return tool;
}

function definitionOf(
  entry: AgentEntry,
  file: ConfigFile,
  { below, deps }: { below: readonly ToolDefinition[]; deps: FileAgentDeps },
): AgentDefinition {
  const { id, model, instructions, maxSteps, parameters, deferTools } = entry;
  const patterns = entry.tools.filter((name) => mcpPattern(name) !== undefined);
  const named = entry.tools.filter((name) => mcpPattern(name) === undefined);
  const provider = providerIn(file, model);
  const { except } = typeof deferTools === 'boolean' ? { except: [] } : deferTools;
  return {
    id,
    model,
    instructions,
    maxSteps,
    parameters,
    ...(provider && { provider }),
    ...whatClientsSee(entry),
    tools: [...named.map((name) => toolOf(name, deps.tools)), ...below],
    ...(patterns.length > 0 && { toolSources: [deps.mcp.source(patterns)] }),
    ...(deferTools !== false && { deferTools: { except } }),
    ...contextOf(entry, file),
    ...(entry.maxToolCalls !== undefined && { maxToolCalls: entry.maxToolCalls }),
    ...(entry.title && { titleModel: titleModel(entry.title.model, file) }),
    toolApproval: policyOf(entry),
  };
}

function whatClientsSee({ name, description, files }: AgentEntry) {
  return {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(files && { files }),
  };
}

function contextOf({ context }: AgentEntry, file: ConfigFile): Pick<AgentDefinition, 'context'> {
  const { strategy, maxTokens, keepMessages, model } = context;
  if (strategy === 'none') return {};
  const by = model === undefined ? {} : { model: titleModel(model, file) };
  return { context: { strategy, maxTokens, keepMessages, ...by } };
}

function titleModel(name: string, file: ConfigFile): { name: string; provider?: NamedProvider } {
  const provider = providerIn(file, name);
  return { name, ...(provider && { provider }) };
}
