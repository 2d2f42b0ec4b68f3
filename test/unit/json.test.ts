import { describe, expect, test } from '@jest/globals';
import { canonicalJson, hashOf } from '../../src/lib/json.ts';

describe('canonical JSON', () => {
  test('sorts keys by code unit, also those that look like numbers', () => {
    expect(canonicalJson({ b: 1, a: { '10': 1, '2': 2 } })).toBe('{"a":{"10":1,"2":2},"b":1}');
  });

  test('leaves undefined members out and keeps null', () => {
    expect(canonicalJson({ a: undefined, b: null })).toBe('{"b":null}');
  });

  test('hashes equal values equally whatever the order of keys', () => {
    expect(hashOf({ a: 1, b: [1, 2] })).toBe(hashOf({ b: [1, 2], a: 1 }));
    expect(hashOf({ a: 1 })).not.toBe(hashOf({ a: 2 }));
  });
});
