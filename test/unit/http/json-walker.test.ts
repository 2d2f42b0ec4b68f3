import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AppError } from '../../../src/errors.ts';
import { walkJson } from '../../../src/http/json-walker.ts';

const LIMITS = { jsonDepth: 3, jsonKeys: 2 };

function refusal(json: string, limits = LIMITS): string {
  try {
    walkJson(JSON.parse(json), limits);
  } catch (error) {
    if (error instanceof AppError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return '';
}

describe('the JSON walker', () => {
  test.each(['1', '"x"', 'null', '[]', '{"a":[{}]}', '{"constructor":1,"prototype":2}'])(
    'passes %s',
    (json) => {
      expect(refusal(json)).toBe('');
    },
  );

  test.each([
    ['[[[[]]]]', 'nested deeper than 3'],
    ['{"a":{"a":{"a":{}}}}', 'nested deeper than 3'],
    ['{"a":1,"b":2,"c":3}', 'more than 2 keys'],
    ['[{"__proto__":1}]', '__proto__'],
    ['[1e400]', 'too large'],
    ['[-1e400]', 'too large'],
    ['["\\udc00"]', 'lone surrogate'],
    ['{"\\ud800":1}', 'lone surrogate'],
  ])('refuses %s', (json, words) => {
    expect(refusal(json)).toMatch(/^INVALID_REQUEST: /);
    expect(refusal(json)).toContain(words);
  });

  test('does not recurse: a million levels are refused, not a stack overflow', () => {
    let value: unknown = 1;
    for (let level = 0; level < 1_000_000; level += 1) value = [value];

    expect(() => walkJson(value, { jsonDepth: 2_000_000, jsonKeys: 1 })).not.toThrow();
    expect(() => walkJson(value, LIMITS)).toThrow(AppError);
  });

  test('passes pairs of surrogates', () => {
    expect(refusal('"😀"')).toBe('');
  });

  test('passes whatever JSON is within its bounds', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, stringUnit: 'grapheme' }), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes('__proto__'));
        expect(refusal(text, { jsonDepth: 64, jsonKeys: 1_000 })).toBe('');
      }),
    );
  });
});
