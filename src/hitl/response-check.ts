import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { runBounded } from '../lib/bounded-run.ts';
import type { Json, JsonObject } from '../lib/json.ts';

/** Responses to what a graph asks in its own form, checked against the JSON Schema that it gave (docs/AGENTS.md section 10). */

/** Of the response, as JSON. */
export const MAX_RESPONSE_CHARS = 100_000;

/** A schema's patterns are its author's: a response is refused that keeps them busy for longer. Milliseconds. */
const CHECK_TIMEOUT = 200;
const MAX_FAULTS = 20;

/** One wrong place. `path` is a JSON Pointer into the response, '' is all of it. */
export type ResponseFault = { path: string; message: string };

const options = {
  strict: false,
  allErrors: true,
  // None are installed; an unknown format says nothing, as the specification has it.
  validateFormats: false,
  // Nothing is remembered of a schema: each pause may bring another, also under the same $id.
  addUsedSchema: false,
  logger: false,
} as const;

const DRAFT_2020 = 'https://json-schema.org/draft/2020-12/schema';
const drafts = new Map<string, Ajv>([
  [DRAFT_2020, new Ajv2020(options)],
  ['http://json-schema.org/draft-07/schema', new Ajv(options)],
]);

/** The newest draft where the schema names none. Throws with what is wrong; a `$ref` beyond the schema is. */
function compiled(schema: JsonObject): ValidateFunction {
  const { $schema = DRAFT_2020 } = schema;
  const ajv = drafts.get(typeof $schema === 'string' ? $schema.replace(/#$/, '') : '');
  if (!ajv) throw new Error('only the drafts 07 and 2020-12 are known');
  if (schema['$async'] !== undefined) throw new Error('$async is not for responses');
  try {
    return ajv.compile(schema);
  } finally {
    ajv.removeSchema(schema);
  }
}

/** Why responses can't be checked with it, as a part of a sentence; undefined: they can. */
export function schemaFault(schema: JsonObject): string | undefined {
  try {
    compiled(schema);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'unknown';
  }
}

const TOO_LONG: ResponseFault = { path: '', message: 'takes too long to check' };

function faultOf({ instancePath, message = 'is not valid', params }: ErrorObject): ResponseFault {
  const extra: unknown = params['additionalProperty'];
  const named = typeof extra === 'string' ? `: ${extra}` : '';
  return { path: instancePath, message: `${message}${named}` };
}

/** To LangGraph an object with such a key is a command or an instance, also where a node only passes it on. */
const RESERVED = ['lc', 'lg_name', '__overwrite__'];

function reservedIn(value: Json): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const own = Array.isArray(value) ? undefined : RESERVED.find((key) => Object.hasOwn(value, key));
  if (own !== undefined) return own;
  for (const member of Object.values(value)) {
    const found = reservedIn(member);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** All that is wrong with a response; empty: nothing. Depth is bounded by whoever parsed it. */
export function responseFaults(response: Json, schema: JsonObject | undefined): ResponseFault[] {
  if (JSON.stringify(response).length > MAX_RESPONSE_CHARS)
    return [{ path: '', message: `is longer than ${MAX_RESPONSE_CHARS} characters of JSON` }];
  const reserved = reservedIn(response);
  if (reserved !== undefined)
    return [{ path: '', message: `has an object with the key '${reserved}'` }];
  if (!schema) return [];
  // Only what is used once is run under a limit: ended in the middle of a compilation Ajv would be of no use any more.
  const validate = compiled(schema);
  const checked = runBounded(() => validate(response), CHECK_TIMEOUT);
  if (!checked.done) return [TOO_LONG];
  return checked.value ? [] : (validate.errors ?? []).slice(0, MAX_FAULTS).map(faultOf);
}
