import { AppError } from '../errors.ts';

/** Bounds of a JSON body, checked without recursion before anything that recurses sees it. */
export interface JsonLimits {
  jsonDepth: number;
  jsonKeys: number;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

function refuse(message: string): never {
  throw new AppError('INVALID_REQUEST', message);
}

function checkString(text: string): void {
  // It has no UTF-8 form: what is stored, hashed and sent would differ.
  if (LONE_SURROGATE.test(text)) refuse('A string holds a lone surrogate.');
}

function checkKeys(keys: string[], limits: JsonLimits): void {
  if (keys.length > limits.jsonKeys) refuse(`An object has more than ${limits.jsonKeys} keys.`);
  for (const key of keys) {
    // The one key whose plain assignment changes an object's prototype; `constructor` and `prototype` only make data.
    if (key === '__proto__') refuse('The key __proto__ is not accepted.');
    checkString(key);
  }
}

/** Throws INVALID_REQUEST where `root` (from JSON.parse) is deeper or wider than allowed, or can't be kept as it is. */
export function walkJson(root: unknown, limits: JsonLimits): void {
  const stack: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { value, depth } = top;
    if (typeof value === 'string') checkString(value);
    if (typeof value === 'number' && !Number.isFinite(value)) refuse('A number is too large.');
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= limits.jsonDepth) refuse(`The body is nested deeper than ${limits.jsonDepth}.`);
    if (!Array.isArray(value)) checkKeys(Object.keys(value), limits);
    for (const child of Object.values(value)) stack.push({ value: child, depth: depth + 1 });
  }
}
