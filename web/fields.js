/** @import { Obj } from './types.d.ts' */

/**
 * Arguments as simple fields, and back. Pure. The schema only chooses the inputs: whether arguments are valid is the
 * server's to say.
 * @typedef {'text' | 'number' | 'integer' | 'boolean' | 'choice' | 'json'} Kind
 * @typedef {{ name: string, kind: Kind, required: boolean, description: string, choices: string[], raw: string, present: boolean }} Field
 * @typedef {{ ok: true, value: unknown } | { ok: false, message: string }} Read
 */

/** @param {unknown} value @returns {value is Obj} */
export function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @type {Record<string, { kind: Kind, holds: string }>} */
const SIMPLE = {
  string: { kind: 'text', holds: 'string' },
  number: { kind: 'number', holds: 'number' },
  integer: { kind: 'integer', holds: 'number' },
  boolean: { kind: 'boolean', holds: 'boolean' },
};

/** @param {Obj} schema @param {unknown} value @returns {Kind} */
function kindOf(schema, value) {
  const choices = schema['enum'];
  if (Array.isArray(choices) && choices.every((each) => typeof each === 'string')) return 'choice';
  const { type = typeof value } = schema;
  const simple = typeof type === 'string' ? SIMPLE[type] : undefined;
  // A schema does not bind what a model wrote.
  return simple && (value === undefined || typeof value === simple.holds) ? simple.kind : 'json';
}

/** @param {Kind} kind @param {unknown} value */
function rawOf(kind, value) {
  if (value === undefined) return '';
  return typeof value === 'string' && kind !== 'json' ? value : JSON.stringify(value, null, 2);
}

/** One field for each property of the schema and each argument. @param {Obj | undefined} schema @param {Obj} args @returns {Field[]} */
export function fieldsOf(schema, args) {
  const properties = isObject(schema?.['properties']) ? schema['properties'] : {};
  const required = Array.isArray(schema?.['required']) ? schema['required'] : [];
  const names = [...new Set([...Object.keys(properties), ...Object.keys(args)])];
  return names.map((name) => {
    const own =
      Object.hasOwn(properties, name) && isObject(properties[name]) ? properties[name] : {};
    const value = Object.hasOwn(args, name) ? args[name] : undefined;
    const kind = kindOf(own, value);
    const choices = kind === 'choice' && Array.isArray(own['enum']) ? own['enum'].map(String) : [];
    const description = typeof own['description'] === 'string' ? own['description'] : '';
    return {
      name,
      kind,
      required: required.includes(name),
      description,
      choices,
      raw: rawOf(kind, value),
      present: value !== undefined,
    };
  });
}

/** @param {string} raw @returns {Read} */
export function readJson(raw) {
  try {
    return { ok: true, value: JSON.parse(raw) };
  } catch {
    return { ok: false, message: 'is not JSON' };
  }
}

/** @param {string} raw @param {boolean} whole @returns {Read} */
function readNumber(raw, whole) {
  const value = Number(raw);
  if (raw.trim() === '' || !Number.isFinite(value))
    return { ok: false, message: 'is not a number' };
  if (whole && !Number.isInteger(value)) return { ok: false, message: 'must be whole' };
  return { ok: true, value };
}

/** @type {Record<Kind, (raw: string) => Read>} */
const READ = {
  text: (raw) => ({ ok: true, value: raw }),
  choice: (raw) => ({ ok: true, value: raw }),
  boolean: (raw) => ({ ok: true, value: raw === 'true' }),
  number: (raw) => readNumber(raw, false),
  integer: (raw) => readNumber(raw, true),
  json: readJson,
};

/**
 * The arguments that the fields hold. An optional field that was absent and is empty stays absent.
 * @param {Field[]} fields
 * @returns {{ ok: true, args: Obj } | { ok: false, field: string, message: string }}
 */
export function readFields(fields) {
  /** @type {[string, unknown][]} */
  const entries = [];
  for (const { name, kind, raw, required, present } of fields) {
    if (raw === '' && !required && !(present && kind === 'text')) continue;
    const read = READ[kind](raw);
    if (!read.ok) return { ok: false, field: name, message: `${name} ${read.message}.` };
    entries.push([name, read.value]);
  }
  // fromEntries defines: a field that is called __proto__ is one like any other.
  return { ok: true, args: Object.fromEntries(entries) };
}

/** Arguments written as JSON. @param {string} raw @returns {{ ok: true, args: Obj } | { ok: false, message: string }} */
export function readArgs(raw) {
  const read = readJson(raw);
  if (!read.ok) return { ok: false, message: 'This is not JSON.' };
  if (!isObject(read.value)) return { ok: false, message: 'Arguments are an object: { … }.' };
  return { ok: true, args: read.value };
}
