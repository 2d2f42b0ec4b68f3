import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cleanName } from '../../../src/files/file-name.ts';
import { accepts, MediaTypeSniffer } from '../../../src/files/media-type.ts';
import { byteRange } from '../../../src/http/byte-range.ts';
import { givenFile } from '../../../src/protocols/given-files.ts';

const RUNS = Number(process.env['FILE_NAME_RUNS'] ?? 200);

describe('a name', () => {
  test('is the last step of a path, without what can not be seen', () => {
    expect(
      [
        '../../etc/passwd',
        'C:\\x\\photo.png',
        'gnp\u202Egnp.exe',
        'a\r\nb\0c.txt',
        '...',
        '',
        '.hidden',
        'a<b>:"c|?*.txt',
        'x.',
      ].map(cleanName),
    ).toEqual([
      'passwd',
      'photo.png',
      'gnpgnp.exe',
      'abc.txt',
      'file',
      'file',
      'hidden',
      'a_b___c___.txt',
      'x',
    ]);
    expect(cleanName(`${'ä'.repeat(300)}.png`)).toMatch(/^ä{98}\.png$/);
  });

  test('whatever it was, it is short, seen, of one step, and stays what it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (given) => {
        const name = cleanName(given);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(200);
        expect(name).not.toMatch(/[/\\\p{Cc}\p{Cf}\p{Cs}]/u);
        expect(name).not.toMatch(/^\.|^$/);
        expect(cleanName(name)).toBe(name);
      }),
      { numRuns: RUNS },
    );
  });
});

function typeOf(bytes: Uint8Array, said: { mediaType?: string; name?: string } = {}, size = 3) {
  const sniffer = new MediaTypeSniffer();
  for (let at = 0; at < bytes.length; at += size) sniffer.add(bytes.subarray(at, at + size));
  return sniffer.type({ mediaType: said.mediaType, name: said.name ?? 'x' });
}

describe('a media type', () => {
  test('is what the bytes are, in whatever pieces they come', () => {
    for (const [bytes, type] of [
      ['\x89PNG\r\n\x1a\n', 'image/png'],
      ['\xff\xd8\xff\xe0', 'image/jpeg'],
      ['GIF89a...', 'image/gif'],
      ['RIFF\0\0\0\0WEBPVP8 ', 'image/webp'],
      ['RIFF\0\0\0\0WAVE', 'application/octet-stream'],
      ['%PDF-1.7', 'application/pdf'],
      ['PK\x03\x04', 'application/zip'],
      ['\xff\xfe', 'application/octet-stream'],
      ['a\0b', 'application/octet-stream'],
      ['', 'text/plain'],
    ] as const) {
      for (const size of [1, 2, 100])
        expect(typeOf(Buffer.from(bytes, 'latin1'), {}, size)).toBe(type);
    }
    expect(typeOf(Buffer.from('Grüße, 世界'), {}, 1)).toBe('text/plain');
    // Cut in the middle of a character.
    expect(typeOf(Buffer.from('世').subarray(0, 2))).toBe('application/octet-stream');
  });

  test('of a text is what is said of it, as long as nothing of it runs', () => {
    const text = Buffer.from('<svg onload=alert(1)>');
    expect(typeOf(text, { mediaType: 'text/csv; charset=utf-8' })).toBe('text/csv');
    expect(typeOf(text, { name: 'a.JSON' })).toBe('application/json');
    for (const mediaType of ['text/html', 'image/svg+xml', 'text/xml', 'application/javascript'])
      expect(typeOf(text, { mediaType, name: 'a.svg' })).toBe('text/plain');
  });

  test('is taken by patterns that name it or its kind', () => {
    expect(accepts(['image/*', 'text/plain'], 'image/png')).toBe(true);
    expect(accepts(['image/*', 'text/plain'], 'text/csv')).toBe(false);
    expect(accepts(['*/*'], 'text/csv')).toBe(true);
    expect(accepts([], 'text/csv')).toBe(false);
  });
});

test('a range is in the file, or there is none', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(100), fc.nat(200), fc.nat(200), (odd, size, a, b) => {
      for (const header of [odd, `bytes=${a}-${b}`, `bytes=${a}-`, `bytes=-${b}`]) {
        const range = byteRange(header, size);
        const { first, last } = typeof range === 'string' ? { first: 0, last: size - 1 } : range;
        expect(first >= 0 && last < Math.max(size, 1) && (size === 0 || first <= last)).toBe(true);
      }
    }),
    { numRuns: RUNS },
  );
});

test('a URL of a file is data, or one of ours; nothing else is looked at', () => {
  expect(givenFile('/api/files/file_1', {})).toEqual({ fileId: 'file_1' });
  expect(givenFile('https://chat.example/api/files/file_1', {})).toEqual({ fileId: 'file_1' });
  const hello = { name: 'file', mediaType: 'text/plain', bytes: Buffer.from('hé') };
  expect(givenFile('data:,h%C3%A9', {})).toEqual(hello);
  expect(givenFile('data:text/plain;charset=utf-8;base64,aMOp', { name: 'file' })).toEqual(hello);
  for (const url of [
    'http://169.254.169.254/latest',
    'https://a/api/files/../me',
    '//evil/api/files/x?',
    'javascript:alert(1)',
    'data:x',
    'data:,%',
    'data:;base64,a b',
    '',
  ])
    expect(() => givenFile(url, {})).toThrow(/file/);
});
