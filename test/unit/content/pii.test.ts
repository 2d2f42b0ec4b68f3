import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PiiKind } from '../../../src/content/finding.ts';
import { isLuhn } from '../../../src/content/numbers.ts';
import { findPii, mask } from '../../../src/content/pii.ts';

const ALL: ReadonlySet<PiiKind> = new Set(['email', 'phone', 'card', 'iban', 'ip']);
const RUNS = Number(process.env['PII_RUNS'] ?? '60');

const masked = (text: string): string => mask(text, findPii(text, ALL));

/** The text, then as it is when everything is masked. */
const FOUND: readonly (readonly [string, string])[] = [
  ['Write to ann.lee+news@mail.example.co.uk.', 'Write to [email].'],
  ['<a@b.io>, "x_y@z-1.de"!', '<[email]>, "[email]"!'],
  ['用户@例子.中国 is one', '[email] is one'],
  ['mailto:a@b.io?x=1', 'mailto:[email]?x=1'],
  ['a@b.io,c@d.io;e@f.io', '[email],[email];[email]'],
  ['IBAN DE89 3704 0044 0532 0130 00 and', 'IBAN [iban] and'],
  ['de89370400440532013000', '[iban]'],
  ['(GB29-NWBK-6016-1331-9268-19)', '([iban])'],
  ['4111 1111 1111 1111, 12/27', '[card], 12/27'],
  ['4111-1111-1111-1111 123', '[card] 123'],
  ['card 4111 1111 1111 1111 12 27', 'card [card] 12 27'],
  ['378282246310005 and 3782 822463 10005', '[card] and [card]'],
  ['5555555555554444', '[card]'],
  ['from 192.168.0.1:8080 to 8.8.8.8.', 'from [ip]:8080 to [ip].'],
  ['[2001:db8::1] and fe80::1%eth0, ::1', '[[ip]] and [ip]%eth0, [ip]'],
  ['::ffff:192.0.2.1', '[ip]'],
  ['Call +49 171 2345678.', 'Call [phone].'],
  ['+1 (415) 555-2671, (415) 555-2671, 415-555-2671', '[phone], [phone], [phone]'],
  ['0171 2345678 or 030/1234567', '[phone] or [phone]'],
  ['+49 (0)30 901820, 0049 30 901820', '[phone], [phone]'],
  ['+49 171 2345678 2026-11-21', '[phone] 2026-11-21'],
  ['+33 6 12 34 56 78', '[phone]'],
];

const NOT_FOUND: readonly string[] = [
  'a@b',
  '@ann and ann@',
  'x@.de, x@-a.de, x@a..de',
  'DE89 3704 0044 0532 0130 01',
  'DE89 3704 0044 0532 0130 0',
  'XX89370400440532013000',
  'DE893704004405320130001',
  '4111 1111 1111 1112',
  '4111 1111 1111 1111 1111',
  '1234 4111 1111 1111 1111',
  'x4111111111111111',
  '41111111111111110000000000',
  'version 1.2.3.4.5',
  '256.1.1.1',
  '1.2.3',
  'a::b, std::vector, 12:30:45',
  'on 01.02.2026 at 10:30, 2026-11-21T09:00:00.000Z',
  '1+4915112345678 = 2',
  'order 12345678901',
  '3.14159265358979',
  '0.1234567890123',
  '#0171234567',
  'id 550e8400-e29b-41d4-a716-446655440000',
];

describe('what belongs to persons', () => {
  test.each(FOUND)('%s', (text, wanted) => {
    expect(masked(text)).toBe(wanted);
  });

  test.each(NOT_FOUND)('nothing in: %s', (text) => {
    expect(findPii(text, ALL)).toEqual([]);
  });

  test('only the kinds that are asked for', () => {
    const text = 'a@b.io 4111 1111 1111 1111 8.8.8.8';

    expect(mask(text, findPii(text, new Set(['card'])))).toBe('a@b.io [card] 8.8.8.8');
    expect(findPii(text, new Set())).toEqual([]);
  });

  test('what is found is found whatever words stand around it, and words stay as they are', () => {
    const word = fc.stringMatching(/^[a-z]{1,8}$/);
    const items = fc.constantFrom(
      ['a@b.io', '[email]'],
      ['4111 1111 1111 1111', '[card]'],
      ['DE89 3704 0044 0532 0130 00', '[iban]'],
      ['8.8.8.8', '[ip]'],
      ['+49 171 2345678', '[phone]'],
    );
    const { counterexample } = fc.check(
      fc.property(fc.array(fc.tuple(word, items), { maxLength: 8 }), (pairs) => {
        const text = pairs.map(([said, [item]]) => `${said} ${item} `).join('');
        const wanted = pairs.map(([said, [, kind]]) => `${said} ${kind} `).join('');
        return masked(text) === wanted;
      }),
      { numRuns: RUNS },
    );

    expect(counterexample).toBeNull();
  });

  test('lists of short numbers are never joined to a card', () => {
    const numbers = fc.array(fc.integer({ min: 1_000, max: 9_999 }), {
      minLength: 5,
      maxLength: 40,
    });
    const { counterexample } = fc.check(
      fc.property(numbers, fc.constantFrom(' ', '-'), (list, by) => {
        return findPii(list.join(by), new Set(['card'])).length === 0;
      }),
      { numRuns: RUNS },
    );

    expect(counterexample).toBeNull();
  });

  test('one wrong digit is no card', () => {
    const digits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 12, maxLength: 18 });
    const { counterexample } = fc.check(
      fc.property(digits, fc.nat(), (body, place) => {
        const text = body.join('');
        const check = Array.from('0123456789').find((digit) => isLuhn(text + digit)) ?? '';
        const whole = Array.from(text + check);
        const at = place % whole.length;
        whole[at] = String((Number(whole[at]) + 1) % 10);
        return isLuhn(text + check) && !isLuhn(whole.join(''));
      }),
      { numRuns: RUNS },
    );

    expect(counterexample).toBeNull();
  });

  test('any text: places are in order, and within it', () => {
    const piece = fc.oneof(
      fc.constantFrom('+49', '00', '0', '@', '.', '::', ' ', '-', '(', ')', 'DE', '4', '😀', 'ü'),
      fc.string({ maxLength: 3 }),
      fc.stringMatching(/^[0-9]{1,5}$/),
    );
    const { counterexample } = fc.check(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const text = pieces.join('');
        let last = 0;
        for (const { start, end } of findPii(text, ALL)) {
          if (start < last || end <= start || end > text.length) return false;
          last = end;
        }
        return true;
      }),
      { numRuns: RUNS * 5 },
    );

    expect(counterexample).toBeNull();
  });

  test('a hundred thousand characters of the worst kinds are no matter of seconds', () => {
    const worst = [
      'a',
      '@',
      'a@',
      'a.',
      '0',
      '1',
      '01 1 1 1 1 1 1 x',
      '+1 ',
      '+1 1 1 1 1 x',
      '1.',
      '::',
      'a:',
      '1 ',
      '4111 1111 1111 1112 ',
      '4111-',
      'DE89 3704 0044 0532 0130 01 ',
      'DE89',
      '1.1.1.1.',
      '(415) ',
      '415-',
      'a.b@c.d',
      '.'.repeat(63) + '@',
      '\ud83d',
    ];
    const slow = worst.flatMap((seed) => {
      const text = seed.repeat(Math.ceil(100_000 / seed.length)).slice(0, 100_000);
      const times = [1, 2, 3].map(() => {
        const began = process.cpuUsage();
        findPii(text, ALL);
        return process.cpuUsage(began).user / 1_000;
      });
      const best = Math.min(...times);
      // Some tens of ms on a machine that does nothing else; what grows with the square takes minutes.
      return best < 250 ? [] : [`${seed.slice(0, 20)}: ${Math.round(best)} ms`];
    });

    expect(slow).toEqual([]);
  });
});
