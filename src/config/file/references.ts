import { isDeepStrictEqual } from 'node:util';
import { agentFaults } from './agent-references.ts';
import type { FileFault, Path } from './fault.ts';
import { modelFaults } from './model-references.ts';
import { policyFaults } from './policy-references.ts';
import type { ConfigFile, McpServerEntry } from './schema.ts';
import { hint } from './suggest.ts';
import { isSet, type Surroundings } from './surroundings.ts';
import { environmentNames, hasStrayBraces, hasStrayReference, variablesOf } from './template.ts';
import { HEADER_VARIABLES } from './vocabulary.ts';

/** What is fine each by itself and refers to something that is not there, or can't stand together. Pure. */
export function referenceFaults(file: ConfigFile, world: Surroundings): FileFault[] {
  return [
    ...agentFaults(file, world),
    ...modelFaults(file, world),
    ...policyFaults(file, world),
    ...ruleFaults(file, world),
    ...choiceFaults(file),
    ...retentionFaults(file),
    ...environmentFaults(file, world),
    ...headerFaults(file),
  ];
}

type Rule = ConfigFile['routing']['rules'][number];

/** True where all that `part` says is said by `whole` too. */
function within(part: object, whole: object): boolean {
  const known = new Map<string, unknown>(Object.entries(whole));
  return Object.entries(part).every(([key, value]) => isDeepStrictEqual(known.get(key), value));
}

/** True where `other` can only hold when `first` does. */
function covers(first: Rule['when'], other: Rule['when']): boolean {
  const { metadata = {}, ...rest } = first;
  return within(rest, other) && within(metadata, other.metadata ?? {});
}

/** Rules that one is compared with. */
const MAX_ABOVE = 200;

function ruleFaults({ agents, routing: { rules } }: ConfigFile, world: Surroundings): FileFault[] {
  const ids = [...agents.map(({ id }) => id), ...world.agents];
  return rules.flatMap((rule, index) => {
    const at = ['routing', 'rules', index];
    const faults: FileFault[] = [];
    if (!ids.includes(rule.agent)) {
      const text = `there is no agent '${rule.agent}'${hint(rule.agent, ids, 'agents')}`;
      faults.push({ path: [...at, 'agent'], text });
    }
    const before = rules.slice(0, index);
    if (before.some(({ name }) => name === rule.name)) {
      faults.push({ path: [...at, 'name'], text: `there is a rule '${rule.name}' already` });
    }
    const above = before.slice(0, MAX_ABOVE).find(({ when }) => covers(when, rule.when));
    if (above) {
      const text = `is never reached: wherever it holds, '${above.name}' above it holds too`;
      faults.push({ path: [...at, 'when'], text });
    }
    return faults;
  });
}

/** A model chooses by what the agents say of themselves. */
function choiceFaults({ agents, routing }: ConfigFile): FileFault[] {
  if (routing.model === undefined) return [];
  const path = ['routing', 'model'];
  if (agents.length < 2) return [{ path, text: 'there is nothing to choose from: one agent' }];
  const silent = agents.filter(({ description }) => description === undefined);
  return silent.map(({ id }) => ({ path, text: `'${id}' has no description to choose it by` }));
}

function retentionFaults({ retention: { conversations, files } }: ConfigFile): FileFault[] {
  // Where conversations are kept for ever it is meant that they outlive their files.
  if (files === undefined || conversations === undefined || files >= conversations) return [];
  const path = ['retention', 'files'];
  const text = 'is shorter than retention.conversations: messages would name files that are gone';
  return [{ path, text }];
}

/** Texts that refer to the environment. */
function referring({ providers, mcpServers }: ConfigFile): { text: string; path: Path }[] {
  const keys = Object.entries(providers).flatMap(([name, { apiKey }]) =>
    apiKey === undefined ? [] : [{ text: apiKey, path: ['providers', name, 'apiKey'] }],
  );
  const ofServers = Object.entries(mcpServers).flatMap(([name, server]) => {
    const [key, values] =
      server.transport === 'stdio' ? ['env', server.env] : ['headers', server.headers];
    return Object.entries(values).map(([field, text]) => {
      return { text, path: ['mcpServers', name, key, field] };
    });
  });
  return [...keys, ...ofServers];
}

function environmentFaults(file: ConfigFile, { env }: Surroundings): FileFault[] {
  return referring(file).flatMap(({ text, path }) => {
    const missing = environmentNames(text).filter((name) => !isSet(env, name));
    const faults = missing.map((name) => ({ path, text: `the environment has no ${name}` }));
    if (!hasStrayReference(text)) return faults;
    return [...faults, { path, text: '${ begins a reference such as ${MY_KEY}' }];
  });
}

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

function headerFaults({ mcpServers }: ConfigFile): FileFault[] {
  return Object.entries(mcpServers).flatMap(([name, server]) =>
    server.transport === 'http' ? ofHeaders(name, server) : [],
  );
}

function ofHeaders(
  server: string,
  { headers }: Extract<McpServerEntry, { transport: 'http' }>,
): FileFault[] {
  return Object.entries(headers).flatMap(([header, value]) => {
    const path = ['mcpServers', server, 'headers', header];
    const faults: FileFault[] = [];
    if (!TOKEN.test(header)) faults.push({ path, text: 'is no name of a header' });
    if (/[\r\n\0]/.test(value)) faults.push({ path, text: 'a header has no line breaks' });
    for (const variable of variablesOf(value)) {
      if (HEADER_VARIABLES.some((known) => known === variable)) continue;
      const more = hint(variable, HEADER_VARIABLES, 'variables');
      faults.push({ path, text: `there is no variable '${variable}'${more}` });
    }
    if (hasStrayBraces(value)) {
      faults.push({
        path,
        text: '{{ begins a variable such as {{user.id}}; write {{{{ for the characters',
      });
    }
    return faults;
  });
}
