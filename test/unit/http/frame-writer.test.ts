import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { httpChunk } from '../../../src/http/frame-writer.ts';

describe('an HTTP chunk', () => {
  test('is the size in hex, the bytes, and CRLF after both', () => {
    expect(httpChunk(Buffer.from('data: é\n\n')).toString()).toBe('a\r\ndata: é\n\n\r\n');
  });

  test('counts bytes, not characters, and changes none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 5_000 }), (bytes) => {
        const chunk = httpChunk(bytes);
        const line = chunk.indexOf('\r\n');

        expect(Number.parseInt(chunk.subarray(0, line).toString(), 16)).toBe(bytes.length);
        expect(chunk.subarray(line + 2, -2).equals(Buffer.from(bytes))).toBe(true);
        expect(chunk.subarray(-2).toString()).toBe('\r\n');
      }),
    );
  });

  test('of a slice holds the slice alone', () => {
    const slab = Buffer.from('aabbcc');

    expect(httpChunk(slab.subarray(2, 4)).toString()).toBe('2\r\nbb\r\n');
  });
});
