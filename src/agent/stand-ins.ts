import type { JsonObject } from '../lib/json.ts';
import type { Standing } from './agent-runner.ts';
import type { ApprovalValue } from './interrupt-value.ts';
import type { ToolDefinition, ToolOffer } from './tools.ts';

/** Calls of a run that have no result yet, by the names of their tools: what is known of the arguments' schema. */
export type OpenCalls = ReadonlyMap<string, JsonObject>;

/** `asked`: what people were shown, which is the only place where the schema of a tool from elsewhere is kept. */
export function openCalls(
  standing: Standing | undefined,
  asked: ReadonlyMap<string, ApprovalValue>,
): OpenCalls {
  const over = new Set(standing?.results.map(({ toolCallId }) => toolCallId));
  const calls = (standing?.calls ?? []).flatMap(({ toolCalls }) => toolCalls);
  const open = calls.filter(({ toolCallId }) => !over.has(toolCallId));
  const requests = [...asked.values()].flatMap((value) => value.requests);
  const shown = new Map(requests.map(({ name, argsSchema }) => [name, argsSchema]));
  return new Map(open.map(({ name }) => [name, shown.get(name) ?? { type: 'object' }]));
}

/** Tools for calls whose source does not know now what it knew when they were made. */
export function standIns(
  open: OpenCalls,
  { given, offers }: { given: readonly ToolDefinition[]; offers: readonly ToolOffer[] },
): ToolDefinition[] {
  const names = new Set(given.map(({ name }) => name));
  return [...open].flatMap(([name, parameters]) => {
    if (names.has(name)) return [];
    for (const offer of offers) {
      const found = offer.standIn({ name, parameters });
      if (found) return [found];
    }
    return [];
  });
}
