import { z } from 'zod';
import { schemaFault } from '../hitl/response-check.ts';
import type { Json, JsonObject } from '../lib/json.ts';
import { isRecord } from './chunk-content.ts';

/** What a graph asks in a form of its own, as the checkpoint has it. Pure. */

/** Of what a graph asks, as JSON: every reader, store and list of approvals gets it. */
const MAX_VALUE_CHARS = 100_000;
const MAX_SCHEMA_CHARS = 20_000;
const MAX_DEPTH = 30;

export interface CustomValue {
  kind: 'custom';
  value: Json;
  responseSchema?: JsonObject;
  /** Of the sub-agent that asks. */
  path?: string[];
  /** Answers that its step had had: another question of the step comes under the same id. */
  after: number;
}

const plainSchema = z.union([z.null(), z.boolean(), z.number(), z.string()]);

/** Undefined: it is no JSON. Members that are undefined are none, as `JSON.stringify` has it. */
function plainJson(value: unknown, depth = 0): Json | undefined {
  const plain = plainSchema.safeParse(value);
  if (plain.success) return plain.data;
  if (depth === MAX_DEPTH) return undefined;
  if (Array.isArray(value)) {
    const items = value.map((item) => plainJson(item, depth + 1));
    return items.every((item) => item !== undefined) ? items : undefined;
  }
  return isPlain(value) ? plainObject(value, depth) : undefined;
}

/** Not of a class: of those only JSON's own forms mean the same to everybody. */
function isPlain(value: unknown): value is Record<string, unknown> {
  return isRecord(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value));
}

function plainObject(value: Record<string, unknown>, depth: number): JsonObject | undefined {
  const members = new Map<string, Json>();
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const plain = plainJson(member, depth + 1);
    if (plain === undefined) return undefined;
    members.set(key, plain);
  }
  return Object.fromEntries(members);
}

type Asked = Pick<CustomValue, 'value' | 'responseSchema'>;

/** `fault`: why nobody can be asked this, as a sentence. `schema`: what `interrupt` was given besides the value, if any. */
export function customAsked(given: unknown, schema: unknown): Asked | { fault: string } {
  const value = plainJson(given);
  if (value === undefined) return { fault: 'The agent asks with a value that is no JSON.' };
  if (JSON.stringify(value).length > MAX_VALUE_CHARS)
    return { fault: `The agent asks with more than ${MAX_VALUE_CHARS} characters of JSON.` };
  const own = isRecord(value) ? value['responseSchema'] : undefined;
  const wanted = schema ?? own;
  if (wanted === undefined) return { value };
  const responseSchema = plainJson(wanted);
  const fault = faultOf(responseSchema);
  if (fault !== undefined || !isPlainObject(responseSchema))
    return { fault: `The agent's responseSchema can't be used: ${fault ?? NO_OBJECT}.` };
  return { value, responseSchema };
}

const NO_OBJECT = 'it is no object';

function isPlainObject(value: Json | undefined): value is JsonObject {
  return isRecord(value) && !Array.isArray(value);
}

function faultOf(schema: Json | undefined): string | undefined {
  if (!isPlainObject(schema)) return NO_OBJECT;
  if (JSON.stringify(schema).length > MAX_SCHEMA_CHARS)
    return `it has more than ${MAX_SCHEMA_CHARS} characters`;
  return schemaFault(schema);
}
