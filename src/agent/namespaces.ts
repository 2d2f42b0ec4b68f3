/**
 * LangGraph names where something happened by segments such as `tools:<task id>`. A sub-agent's tool registers its
 * own segment; the path is the tool-call ids of the registered segments, outermost first.
 */
export type AgentNamespaces = ReadonlyMap<string, { toolCallId: string; agentId: string }>;

/** `hidden`: inside a tool that is no sub-agent; what a model says there is the tool's business. */
export type Place = { hidden: true } | { hidden: false; path: string[] };

const ROOT: Place = { hidden: false, path: [] };
const HIDDEN: Place = { hidden: true };

export function placeOf(namespace: readonly string[], agents: AgentNamespaces): Place {
  const first = namespace[0] ?? '';
  if (namespace.length <= 1 && !first.startsWith('tools:')) return ROOT;
  const path: string[] = [];
  let prefix = '';
  for (const segment of namespace) {
    prefix = prefix === '' ? segment : `${prefix}|${segment}`;
    const agent = agents.get(prefix);
    if (agent) path.push(agent.toolCallId);
    else if (segment.startsWith('tools:')) return HIDDEN;
  }
  return { hidden: false, path };
}
