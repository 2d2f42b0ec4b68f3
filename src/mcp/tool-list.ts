import { z } from 'zod';
import { argsCheck, type ArgsCheck } from '../agent/args-schema.ts';
import { jsonObjectSchema } from '../stream/message.ts';
import type { JsonObject } from '../lib/json.ts';
import { mcpToolName } from '../hitl/mcp-names.ts';
import { annotationsSchema, type Annotations } from './effects.ts';

/** What a server offers, as far as it can be used. Nothing that it says is taken on trust. */

export interface McpTool {
  /** The server's own name for it. */
  name: string;
  /** The one that the model sees. */
  modelName: string;
  description: string;
  /** JSON Schema of an object. */
  parameters: JsonObject;
  annotations: Annotations;
  check: ArgsCheck;
}

const MOST_TOOLS = 1_000;
const MOST_PAGES = 50;
const LONGEST_NAME = 200;
const LONGEST_DESCRIPTION = 4_000;
/** Characters of JSON, and levels. */
const LONGEST_SCHEMA = 64 * 1024;
const DEEPEST_SCHEMA = 40;

/** Tools one by one: the official schema refuses a whole list for one of them. */
export const pageSchema = z.looseObject({
  tools: z.array(z.unknown()),
  nextCursor: z.string().optional().catch(undefined),
});
type Page = z.output<typeof pageSchema>;

const toolSchema = z.looseObject({
  name: z.string().min(1).max(LONGEST_NAME),
  description: z.string().catch(''),
  inputSchema: z.unknown().optional(),
  annotations: annotationsSchema.catch({}),
});

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1));
}

/** A schema that providers can be sent; undefined where the server's is none. */
function parametersOf(given: unknown): JsonObject | undefined {
  if (!isShallow(given, DEEPEST_SCHEMA)) return undefined;
  const parsed = jsonObjectSchema.safeParse(given);
  if (!parsed.success || JSON.stringify(parsed.data).length > LONGEST_SCHEMA) return undefined;
  // Providers refuse the whole request for one tool whose arguments are not an object.
  return { ...parsed.data, type: 'object' };
}

export interface ListFaults {
  /** Could not be used at all. */
  left: number;
  /** More than can be used. */
  cut: boolean;
  /** Names whose schema was no schema. */
  open: string[];
}

export interface ToolList {
  tools: McpTool[];
  faults: ListFaults;
}

/** Reads pages until there are no more, or a bound is met. */
export async function readToolList(of: {
  server: string;
  page(cursor: string | undefined): Promise<Page>;
  unusable(tool: string, error: unknown): void;
}): Promise<ToolList> {
  const tools = new Map<string, McpTool>();
  const faults: ListFaults = { left: 0, cut: false, open: [] };
  const cursors = new Set<string>();
  let cursor: string | undefined;
  for (let pages = 0; ; pages += 1) {
    if (pages === MOST_PAGES || (cursor !== undefined && cursors.has(cursor))) {
      faults.cut = true;
      break;
    }
    if (cursor !== undefined) cursors.add(cursor);
    const page = await of.page(cursor);
    for (const given of page.tools.slice(0, MOST_TOOLS + 1)) add(given);
    cursor = page.nextCursor;
    if (tools.size > MOST_TOOLS) faults.cut = true;
    if (faults.cut || cursor === undefined) break;
  }
  return { tools: [...tools.values()].slice(0, MOST_TOOLS), faults };

  function add(given: unknown): void {
    const parsed = toolSchema.safeParse(given);
    const modelName = parsed.success ? mcpToolName(of.server, parsed.data.name) : '';
    // Of two with one name the first holds.
    if (!parsed.success || tools.has(modelName)) {
      faults.left += 1;
      return;
    }
    const { name, description, inputSchema, annotations } = parsed.data;
    const parameters = parametersOf(inputSchema);
    if (!parameters) faults.open.push(modelName);
    tools.set(modelName, {
      name,
      modelName,
      description: description.slice(0, LONGEST_DESCRIPTION),
      parameters: parameters ?? { type: 'object' },
      annotations,
      check: argsCheck(modelName, parameters ?? {}, (error) => of.unusable(name, error)),
    });
  }
}
