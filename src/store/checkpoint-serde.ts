import { DeltaSnapshot, type BaseCheckpointSaver } from '@langchain/langgraph-checkpoint';
import { z } from 'zod';

type Serializer = BaseCheckpointSaver['serde'];

/**
 * LangGraph's serializer writes instances as objects with the key `lc`, and makes instances of whatever has that key when
 * it reads. Arguments of models, and what people answer, may have it too, and must come back as they were. So JSON
 * with a key of LangGraph's own is written as text, `{[KEPT]: "…"}`, which nothing looks into.
 */
const KEPT = 'holdfast_kept';
const RESERVED = ['lc', 'lg_name', KEPT];

const keptSchema = z.strictObject({ [KEPT]: z.string() });

const PLAIN = new Set<unknown>([Object.prototype, Array.prototype, null]);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Has JSON a form for all of it? */
function isJson(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (!isObject(value)) return value === null || ['string', 'boolean'].includes(typeof value);
  if (!PLAIN.has(Object.getPrototypeOf(value)) || typeof value['toJSON'] === 'function')
    return false;
  return Object.values(value).every(isJson);
}

function isKept(value: unknown): boolean {
  if (!isObject(value) || Array.isArray(value)) return false;
  return RESERVED.some((key) => Object.hasOwn(value, key)) && isJson(value);
}

function constructorRecord(name: string, args: unknown[], method: string | null = null): object {
  return { lc: 2, type: 'constructor', id: [name], method, args, kwargs: {} };
}

/** As LangGraph writes what JSON has no form for. */
function encoded(value: unknown): unknown {
  if (value === undefined) return { lc: 2, type: 'undefined' };
  if (value instanceof DeltaSnapshot) return { lc: 2, type: 'delta_snapshot', value: value.value };
  if (value instanceof Set || value instanceof Map)
    return constructorRecord(value.constructor.name, [[...value]]);
  if (value instanceof RegExp) return constructorRecord('RegExp', [value.source, value.flags]);
  if (value instanceof Error) return constructorRecord('Error', [value.message]);
  if (value instanceof Uint8Array) return constructorRecord('Uint8Array', [[...value]], 'from');
  return value;
}

/** `JSON.stringify`'s replacer; `this` is what has the key. */
function replaced(this: unknown, key: string, value: unknown): unknown {
  const given: unknown = isObject(this) ? this[key] : undefined;
  if (isKept(given)) return { [KEPT]: JSON.stringify(given) };
  if (!isObject(value) || value['lg_name'] !== 'Send') return encoded(value);
  const { node, args, timeout } = value;
  return { node, args, ...(timeout === undefined ? {} : { timeout }) };
}

function textOf(value: unknown): string {
  return JSON.stringify(value, replaced);
}

function holds(data: Uint8Array | string): boolean {
  if (typeof data === 'string') return data.includes(KEPT);
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes(KEPT);
}

/** Puts back what was kept as text, in place: all that it is given was made a moment ago. */
class Restorer {
  /** What became of each object: some are found in two places, and what was put back is data. */
  readonly #done = new Map<unknown, unknown>();

  restored(value: unknown): unknown {
    if (!isObject(value) || ArrayBuffer.isView(value)) return value;
    if (this.#done.has(value)) return this.#done.get(value);
    this.#done.set(value, value);
    const whole = this.#exact(value);
    this.#done.set(value, whole).set(whole, whole);
    return whole;
  }

  #exact(value: Record<string, unknown>): unknown {
    const kept = keptSchema.safeParse(value);
    if (kept.success) return JSON.parse(kept.data[KEPT]);
    if (value instanceof Set) return new Set([...value].map((member) => this.restored(member)));
    if (value instanceof Map)
      return new Map([...value].map(([key, member]) => [key, this.restored(member)]));
    for (const [key, member] of Object.entries(value)) {
      const exact = this.restored(member);
      if (exact !== member) value[key] = exact;
    }
    return value;
  }
}

/** LangGraph's serializer, but what is data stays data, whatever keys it has. */
export function exactly(inner: Serializer): Serializer {
  return {
    async dumpsTyped(value) {
      if (value instanceof Uint8Array) return inner.dumpsTyped(value);
      try {
        return ['json', Buffer.from(textOf(value))];
      } catch {
        // A circle, or no JSON at all: LangGraph writes a note in its place, and so nothing that is anybody's data.
        return inner.dumpsTyped(value);
      }
    },
    async loadsTyped(type, data) {
      const value: unknown = await inner.loadsTyped(type, data);
      return type === 'json' && holds(data) ? new Restorer().restored(value) : value;
    },
  };
}
