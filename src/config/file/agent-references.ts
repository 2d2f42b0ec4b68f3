import type { FileFault, Path } from './fault.ts';
import type { AgentEntry, ConfigFile } from './schema.ts';
import { hint } from './suggest.ts';
import type { Surroundings } from './surroundings.ts';
import { hasStrayBraces, variablesOf } from './template.ts';
import { FIND_TOOLS, INSTRUCTION_VARIABLES, mcpPattern, MODEL_PARAMETERS } from './vocabulary.ts';

/** What an agent of the file says of others, of tools and of itself. */

/** What providers accept as the name of a tool. */
const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;
/** `auto` is the word for a choice by rules or by a model. */
const RESERVED_IDS = ['auto'];

interface Place {
  agent: AgentEntry;
  at: Path;
  file: ConfigFile;
  world: Surroundings;
}

export function subAgentToolName({ agent, name }: AgentEntry['subagents'][number]): string {
  return name ?? agent;
}

export const handOffToolName = (agentId: string): string => `hand_off_to_${agentId}`;

export function agentFaults(file: ConfigFile, world: Surroundings): FileFault[] {
  const { agents, defaultAgent } = file;
  const faults: FileFault[] = [];
  const ids = [...agents.map(({ id }) => id), ...world.agents];
  if (ids.length === 0) faults.push({ path: ['agents'], text: 'there must be an agent' });
  if (defaultAgent !== undefined && !ids.includes(defaultAgent)) {
    const text = `there is no agent '${defaultAgent}'${hint(defaultAgent, ids, 'agents')}`;
    faults.push({ path: ['defaultAgent'], text });
  }
  for (const [index, agent] of agents.entries()) {
    const place = { agent, at: ['agents', index], file, world };
    faults.push(...idFaults(place, index), ...toolFaults(place), ...nameFaults(place));
    faults.push(...subAgentFaults(place), ...handOffFaults(place));
    faults.push(...textFaults(place), ...settingFaults(place));
  }
  return [...faults, ...cycleFaults(agents)];
}

function idFaults({ agent: { id }, at, file, world }: Place, index: number): FileFault[] {
  const path = [...at, 'id'];
  if (RESERVED_IDS.includes(id)) {
    return [{ path, text: `'${id}' is the word for letting rules or a model choose` }];
  }
  const first = file.agents.findIndex((other) => other.id === id);
  if (first < index) return [{ path, text: `'${id}' is the id of agents[${first}] already` }];
  if (!world.agents.includes(id)) return [];
  return [{ path, text: `'${id}' is the id of an agent that is given in code` }];
}

function toolFaults({ agent, at, file, world }: Place): FileFault[] {
  const known = world.tools.map(({ name }) => name);
  const servers = Object.keys(file.mcpServers);
  return agent.tools.flatMap((tool, index) => {
    const path = [...at, 'tools', index];
    if (!tool.startsWith('mcp:')) {
      const text = `there is no tool '${tool}'${hint(tool, known, 'tools')}`;
      return known.includes(tool) ? [] : [{ path, text }];
    }
    const pattern = mcpPattern(tool);
    if (!pattern) return [{ path, text: 'must be mcp:<server>:<tool>, such as mcp:tickets:*' }];
    const { server } = pattern;
    const text = `there is no MCP server '${server}'${hint(server, servers, 'servers')}`;
    return servers.includes(server) ? [] : [{ path, text }];
  });
}

/** Names as the model sees them. */
function nameFaults({ agent, at }: Place): FileFault[] {
  const seen = new Map<string, Path>();
  const faults: FileFault[] = [];
  const named: [string, Path, string][] = [
    ...agent.tools.map((name, index): [string, Path, string] => [
      name,
      ['tools', index],
      'is named twice',
    ]),
    ...agent.subagents.map((sub, index): [string, Path, string] => {
      const name = subAgentToolName(sub);
      return [
        name,
        ['subagents', index],
        `would be a second tool called '${name}': give it a name`,
      ];
    }),
    ...agent.handoffs.map((to, index): [string, Path, string] => [
      handOffToolName(to),
      ['handoffs', index],
      `would be a second tool called '${handOffToolName(to)}'`,
    ]),
  ];
  for (const [name, path, text] of named) {
    if (seen.has(name)) faults.push({ path: [...at, ...path], text });
    seen.set(name, path);
  }
  if (agent.deferTools !== false && seen.has(FIND_TOOLS)) {
    const text = `deferTools brings a tool '${FIND_TOOLS}' of its own`;
    faults.push({ path: [...at, ...(seen.get(FIND_TOOLS) ?? [])], text });
  }
  return faults;
}

function subAgentFaults({ agent, at, file, world }: Place): FileFault[] {
  const ids = file.agents.map(({ id }) => id);
  return agent.subagents.flatMap((sub, index) => {
    const path = [...at, 'subagents', index];
    const other = file.agents.find(({ id }) => id === sub.agent);
    if (!other) {
      const text = world.agents.includes(sub.agent)
        ? `'${sub.agent}' is given in code; only agents of this file can be sub-agents`
        : `there is no agent '${sub.agent}'${hint(sub.agent, ids, 'agents')}`;
      return [{ path, text }];
    }
    const faults: FileFault[] = [];
    const name = subAgentToolName(sub);
    if (!TOOL_NAME.test(name)) {
      const text = `'${name}' is no name for a tool (up to 64 letters, digits, - and _): give it a name`;
      faults.push({ path, text });
    }
    if (sub.description === undefined && other.description === undefined) {
      const text = `'${sub.agent}' has no description, by which '${agent.id}' could tell when to call it`;
      faults.push({ path, text });
    }
    return faults;
  });
}

function handOffFaults({ agent, at, file, world }: Place): FileFault[] {
  const ids = file.agents.map(({ id }) => id);
  return agent.handoffs.flatMap((to, index) => {
    const path = [...at, 'handoffs', index];
    if (to === agent.id) return [{ path, text: "an agent can't hand over to itself" }];
    const other = file.agents.find(({ id }) => id === to);
    if (!other) {
      const text = world.agents.includes(to)
        ? `'${to}' is given in code; only agents of this file can be handed to`
        : `there is no agent '${to}'${hint(to, ids, 'agents')}`;
      return [{ path, text }];
    }
    const faults: FileFault[] = [];
    const name = handOffToolName(to);
    if (!TOOL_NAME.test(name)) {
      const text = `'${name}' is no name for a tool (up to 64 letters, digits, - and _)`;
      faults.push({ path, text });
    }
    if (other.description === undefined) {
      const text = `'${to}' has no description, by which '${agent.id}' could tell when to hand over`;
      faults.push({ path, text });
    }
    return faults;
  });
}

function textFaults({ agent: { instructions }, at }: Place): FileFault[] {
  const path = [...at, 'instructions'];
  const unknown = variablesOf(instructions).filter(
    (name) => !INSTRUCTION_VARIABLES.some((known) => known === name),
  );
  const faults = unknown.map((name) => ({
    path,
    text: `there is no variable '${name}'${hint(name, INSTRUCTION_VARIABLES, 'variables')}`,
  }));
  if (!hasStrayBraces(instructions)) return faults;
  const text = '{{ begins a variable such as {{current_date}}; write {{{{ for the characters';
  return [...faults, { path, text }];
}

function settingFaults({ agent, at }: Place): FileFault[] {
  const faults: FileFault[] = [];
  const tools = agent.tools.length;
  const others = agent.subagents.length + agent.handoffs.length;
  const { strategy, model } = agent.context;
  if (agent.deferTools !== false && tools === 0) {
    faults.push({ path: ['deferTools'], text: 'the agent has no tools to find' });
  }
  if (agent.maxToolCalls !== undefined && tools + others === 0) {
    faults.push({ path: ['maxToolCalls'], text: 'the agent has no tools to call' });
  }
  if (model !== undefined && strategy !== 'summarise') {
    const text = `has no use where the strategy is ${strategy}`;
    faults.push({ path: ['context', 'model'], text });
  }
  const all = [...faults, ...parameterFaults(agent), ...exceptFaults(agent)];
  return all.map(({ path, text }) => ({ path: [...at, ...path], text }));
}

function parameterFaults({ parameters }: AgentEntry): FileFault[] {
  const unknown = Object.keys(parameters).filter(
    (name) => !MODEL_PARAMETERS.some((known) => known === name),
  );
  return unknown.map((name) => {
    const text = `there is no parameter '${name}'${hint(name, MODEL_PARAMETERS, 'parameters')}`;
    return { path: ['parameters', name], text };
  });
}

function exceptFaults({ deferTools, tools, subagents }: AgentEntry): FileFault[] {
  if (typeof deferTools === 'boolean') return [];
  const names = [...tools, ...subagents.map(subAgentToolName)];
  return deferTools.except.flatMap((name, index) => {
    if (names.includes(name) || /^mcp[:_]|\*/.test(name)) return [];
    const text = `the agent has no tool '${name}'${hint(name, names, 'its tools')}`;
    return [{ path: ['deferTools', 'except', index], text }];
  });
}

/** Each ring is told once, at the agent of it that stands first. */
function cycleFaults(agents: readonly AgentEntry[]): FileFault[] {
  const byId = new Map(agents.map((agent, index) => [agent.id, { agent, index }]));
  const done = new Set<string>();
  const faults: FileFault[] = [];
  const walk = (id: string, above: string[]): void => {
    const found = byId.get(id);
    if (!found || done.has(id)) return;
    for (const [place, sub] of found.agent.subagents.entries()) {
      const ring = [...above, id, sub.agent];
      const begin = ring.indexOf(sub.agent);
      if (begin < ring.length - 1) {
        const text = `an agent can't be below itself: ${ring.slice(begin).join(' → ')}`;
        faults.push({ path: ['agents', found.index, 'subagents', place], text });
      } else walk(sub.agent, [...above, id]);
    }
    done.add(id);
  };
  for (const { id } of agents) walk(id, []);
  return faults;
}
