import type { Json, JsonObject } from '../lib/json.ts';

/** An example of what a JSON Schema describes: enough to show the shape, not a generator of valid data. */

const MAX_DEPTH = 5;

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function member(value: Json | undefined, key: string): Json | undefined {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

export function members(value: Json | undefined): [string, Json][] {
  return isObject(value) ? Object.entries(value) : [];
}

export function list(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** The schema that a `$ref` into the components names, or the schema itself. */
export function resolveRef(
  schema: Json | undefined,
  components: Json | undefined,
): Json | undefined {
  const name = /^#\/components\/schemas\/(.+)$/.exec(text(member(schema, '$ref')))?.[1];
  return name === undefined ? schema : member(components, name);
}

function scalar(type: string): Json {
  if (type === 'string') return 'text';
  if (type === 'integer' || type === 'number') return 1;
  return type === 'boolean' ? false : null;
}

function typeOf(schema: Json | undefined): string {
  const type = member(schema, 'type');
  return text(Array.isArray(type) ? type[0] : type);
}

/** What the schema itself says its value is. */
function stated(schema: Json | undefined): Json | undefined {
  const [first] = list(member(schema, 'enum'));
  const [example] = list(member(schema, 'examples'));
  return [member(schema, 'example'), example, member(schema, 'const'), first].find(
    (value) => value !== undefined,
  );
}

export function exampleOf(schema: Json | undefined, components: Json | undefined, depth = 0): Json {
  const own = resolveRef(schema, components);
  const given = stated(own);
  if (given !== undefined) return given;
  if (depth >= MAX_DEPTH) return null;
  const [variant] = [...list(member(own, 'oneOf')), ...list(member(own, 'anyOf'))];
  if (variant !== undefined) return exampleOf(variant, components, depth);
  const type = typeOf(own);
  if (type === 'array') return [exampleOf(member(own, 'items'), components, depth + 1)];
  if (type !== 'object') return scalar(type);
  const required = new Set(list(member(own, 'required')));
  const shown = members(member(own, 'properties')).filter(([key]) => required.has(key));
  return Object.fromEntries(
    shown.map(([key, value]) => [key, exampleOf(value, components, depth + 1)]),
  );
}
