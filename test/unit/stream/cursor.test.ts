import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatCursor, parseCursor, tagOf } from '../../../src/stream/cursor.ts';

describe('cursor', () => {
  test('survives the round trip for any position', () => {
    const position = fc.record({
      fence: fc.nat(999_999_999),
      seq: fc.integer({ min: 1, max: 999_999_999 }),
    });
    fc.assert(
      fc.property(position, (at) => {
        const id = 'gen_0123456789abcdef';

        expect(parseCursor(formatCursor(id, at))).toEqual({ tag: tagOf(id), ...at });
      }),
    );
  });

  test.each([
    '',
    'x',
    '1.2',
    'abcdef.1.0',
    'abcdef.01.1',
    'abcdef.1.1.1',
    'abcdef.-1.1',
    'abcdef.1.1e3',
    'ABCDEF.1.1',
    'abcdef.1.1\n',
    'abcdef.1.99999999999',
  ])('is not %j', (text) => {
    expect(parseCursor(text)).toBeUndefined();
  });

  test('never throws, whatever a client sends', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => parseCursor(text)).not.toThrow();
      }),
    );
  });
});
