import { ToolMessage, type BaseMessage } from '@langchain/core/messages';
import { z } from 'zod';
import { FIND_TOOLS } from '../config/file/vocabulary.ts';
import { matchesAny } from '../hitl/glob.ts';
import { defineTool } from './tools.ts';
import type { ToolDefinition } from './tools.ts';

/** Tools that a model is shown when it has looked for them: with hundreds of them the prompt stays small. */

const MOST_HITS = 10;
const LONGEST_DESCRIPTION = 300;
/** A word of the name says more of a tool than one of its description. */
const IN_NAME = 3;
const BEGINS_IN_NAME = 2;

const hitsSchema = z.array(z.object({ name: z.string(), description: z.string() }));
type Hits = z.infer<typeof hitsSchema>;

function words(text: string): string[] {
  const apart = text.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
  return [...new Set(apart.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== ''))];
}

interface Indexed {
  tool: ToolDefinition;
  name: string[];
  description: ReadonlySet<string>;
}

function weightOf(word: string, { name, description }: Indexed): number {
  if (name.includes(word)) return IN_NAME;
  if (word.length > 2 && name.some((part) => part.startsWith(word))) return BEGINS_IN_NAME;
  return description.has(word) ? 1 : 0;
}

/** By the words that they share with the query; a word that many tools have counts for little. */
export function rankTools(query: string, tools: readonly ToolDefinition[]): ToolDefinition[] {
  const all = tools.map((tool): Indexed => {
    return { tool, name: words(tool.name), description: new Set(words(tool.description)) };
  });
  const scores = new Map<Indexed, number>();
  for (const word of words(query)) {
    const weights = all.map((it) => [it, weightOf(word, it)] as const).filter(([, w]) => w > 0);
    const rarity = Math.log(1 + all.length / Math.max(1, weights.length));
    for (const [it, weight] of weights) scores.set(it, (scores.get(it) ?? 0) + weight * rarity);
  }
  // Sorting is stable: of equal ones the first in the agent's list comes first.
  const hits = all.filter((it) => scores.has(it));
  return hits.toSorted((a, b) => (scores.get(b) ?? 0) - (scores.get(a) ?? 0)).map((it) => it.tool);
}

export function deferredOf(
  tools: readonly ToolDefinition[],
  { except }: { except: readonly string[] },
): ToolDefinition[] {
  return tools.filter(({ name }) => !matchesAny(except, name));
}

export function findToolsTool(deferred: readonly ToolDefinition[]): ToolDefinition {
  return defineTool({
    name: FIND_TOOLS,
    description:
      'You have more tools than are shown. Finds them by words of what you want to do, e.g. "create calendar event"; ' +
      'those that it names can be called from then on.',
    schema: z.object({ query: z.string().min(1).max(300) }),
    effects: 'read',
    async run({ query }) {
      const hits = rankTools(query, deferred).slice(0, MOST_HITS);
      if (hits.length === 0) return 'No tool was found. Try other words.';
      const said: Hits = hits.map(({ name, description }) => {
        return { name, description: description.slice(0, LONGEST_DESCRIPTION) };
      });
      return JSON.stringify(said);
    },
  });
}

function hitsOf(text: string): Hits {
  try {
    return hitsSchema.parse(JSON.parse(text));
  } catch {
    // It found nothing, or was cut short.
    return [];
  }
}

/** What was found so far. The messages say it, so a pause, a crash and another process change nothing. */
export function foundIn(messages: readonly BaseMessage[]): ReadonlySet<string> {
  const answers = messages.filter(
    (message) => ToolMessage.isInstance(message) && message.name === FIND_TOOLS,
  );
  return new Set(answers.flatMap((message) => hitsOf(message.text).map(({ name }) => name)));
}
