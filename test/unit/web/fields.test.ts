import { describe, expect, test } from '@jest/globals';
import { nextSentences } from '../../../web/announcer.js';
import { fieldsOf, readArgs, readFields } from '../../../web/fields.js';
import { duration } from '../../../web/time.js';

const schema = {
  type: 'object',
  properties: {
    to: { type: 'string', description: 'Whom' },
    count: { type: 'integer' },
    loud: { type: 'boolean' },
    mode: { enum: ['a', 'b'] },
    more: { type: 'object' },
  },
  required: ['to'],
};

/** In the order of the fields. */
function reorder(args: Record<string, unknown>): Record<string, unknown> {
  const names = fieldsOf(schema, args).map(({ name }) => name);
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(args, name)).map((name) => [name, args[name]]),
  );
}

/** With this typed into one field. */
function typed(name: string, raw: string): ReturnType<typeof readFields> {
  const fields = fieldsOf(schema, { to: 'x' });
  return readFields(fields.map((field) => (field.name === name ? { ...field, raw } : field)));
}

describe('arguments as fields', () => {
  test('each property of the schema and each argument has one', () => {
    const kinds = fieldsOf(schema, { to: 'x', extra: [1] }).map(({ name, kind }) => [name, kind]);

    expect(kinds).toEqual([
      ['to', 'text'],
      ['count', 'integer'],
      ['loud', 'boolean'],
      ['mode', 'choice'],
      ['more', 'json'],
      ['extra', 'json'],
    ]);
  });

  test.each([
    { to: 'x' },
    { to: '', count: 3, loud: false, mode: 'b', more: { a: [1, null] } },
    { to: 'x', unknown: 'y', deep: { z: true } },
    { to: 7, count: 'three', loud: 'yes' },
    JSON.parse('{"to":"x","__proto__":{"a":1},"constructor":"c"}'),
  ])('what is not touched comes back as it was: %j', (args: Record<string, unknown>) => {
    const read = readFields(fieldsOf(schema, args));

    expect(read).toEqual({ ok: true, args });
    expect(readFields(fieldsOf(undefined, args))).toEqual({ ok: true, args });
    expect(JSON.stringify(read)).toBe(JSON.stringify({ ok: true, args: reorder(args) }));
  });

  test('what is no number or no JSON is said, with the field', () => {
    expect(typed('count', '1.5')).toMatchObject({ ok: false, field: 'count' });
    expect(typed('count', 'many')).toMatchObject({ ok: false, field: 'count' });
    expect(typed('more', '{')).toMatchObject({ ok: false, field: 'more' });
    expect(typed('count', '2')).toEqual({ ok: true, args: { to: 'x', count: 2 } });
  });

  test('JSON must be an object', () => {
    expect(readArgs('{"a":1}')).toEqual({ ok: true, args: { a: 1 } });
    expect([readArgs('[]').ok, readArgs('1').ok, readArgs('{').ok]).toEqual([false, false, false]);
  });
});

describe('what screen readers are told', () => {
  test('whole sentences while it grows, the rest at the end', () => {
    expect(nextSentences('One. Two', 0)).toEqual({ said: 'One.', next: 4 });
    expect(nextSentences('One. Two', 4)).toEqual({ said: '', next: 4 });
    expect(nextSentences('One. Two', 4, true)).toEqual({ said: 'Two', next: 8 });
    expect(nextSentences('v1.2 is', 0).said).toBe('');
  });
});

describe('times', () => {
  test('in their two largest units', () => {
    expect([900, 61_000, 3_600_000, 90_060_000, -5].map(duration)).toEqual([
      '1 s',
      '1 min 1 s',
      '1 h',
      '1 d 1 h',
      '0 s',
    ]);
  });
});
