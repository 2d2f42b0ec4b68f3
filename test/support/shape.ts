/** Narrow looks into JSON that came from outside: a wrong shape is a test failure that says where. */

export type Shape = Record<string, unknown>;

export function isShape(value: unknown): value is Shape {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function object(value: unknown, what = 'value'): Shape {
  if (!isShape(value)) throw new Error(`${what} is no object: ${preview(value)}`);
  return value;
}

export function list(value: unknown, what = 'value'): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} is no array: ${preview(value)}`);
  return value;
}

export function text(value: unknown, what = 'value'): string {
  if (typeof value !== 'string') throw new Error(`${what} is no string: ${preview(value)}`);
  return value;
}

export function integer(value: unknown, what = 'value'): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new Error(`${what} is no integer: ${preview(value)}`);
  }
  return value;
}

function preview(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 200);
}
