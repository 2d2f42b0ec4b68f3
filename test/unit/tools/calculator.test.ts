import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { evaluate } from '../../../src/tools/expression.ts';
import { NoValue, show, type Value } from '../../../src/tools/number.ts';

const RUNS = Number(process.env['CALCULATOR_RUNS'] ?? 200);

function valueOf(expression: string): Value | undefined {
  try {
    return evaluate(expression);
  } catch (error) {
    if (error instanceof NoValue) return undefined;
    throw error;
  }
}

const said = (expression: string): string => {
  try {
    return show(evaluate(expression));
  } catch (error) {
    if (error instanceof NoValue) return error.message;
    throw error;
  }
};

describe('the calculator', () => {
  test.each([
    ['0.1 + 0.2', '0.3'],
    ['1/3 + 1/6', '0.5'],
    ['2/3', '≈ 0.66666666666666666666 (2/3)'],
    ['-2^2', '-4'],
    ['2^3^2', '512'],
    ['2^-2', '0.25'],
    ['(1 + 2) * -3', '-9'],
    ['10 - 3 - 2', '5'],
    ['19.99 * 3 * 120%', '71.964'],
    ['1e3 + .5', '1000.5'],
    ['2 ** 10 × 3 ÷ 4 − 1', '767'],
    ['12345678901234567890 * 98765432109876543210', '1219326311370217952237463801111263526900'],
    ['sqrt(2.25)', '1.5'],
    ['sqrt(10^40)', '100000000000000000000'],
    ['sqrt(2)', '≈ 1.4142135623730951'],
    ['round(2.675, 2)', '2.68'],
    ['round(-2.5)', '-3'],
    ['floor(-7/2) + ceil(7/2)', '0'],
    ['mod(-7, 3)', '2'],
    ['min(3, 1, 2) + max(1/2, 1/3)', '1.5'],
    ['abs(-3!)', "'!)' can not be read."],
    ['2 3', "'3' stands where nothing more is wanted."],
    ['(1 + 2', "A ')' is missing."],
    ['', 'A number is missing before the end.'],
    ['1 / 0', 'Division by zero.'],
    ['0 ^ -1', 'Division by zero.'],
    ['mod(1, 0)', 'Division by zero.'],
    ['sqrt(-1)', 'There is no real root of a negative number.'],
    ['ln(-1)', 'That is not a real number.'],
    ['9^9^9', 'The result is too large.'],
    ['constructor(1)', expect.stringMatching(/^'constructor' is not known/)],
    ['toString', expect.stringMatching(/^'tostring' is not known/)],
    ['sqrt(1, 2)', "'sqrt' does not take 2 arguments."],
    ['round(1, 1e9)', expect.stringMatching(/too large|not a real/)],
    [`${'('.repeat(400)}1`, 'The expression is too deep.'],
    [`${'-'.repeat(400)}1`, 'The expression is too deep.'],
    ['2^1000 - 2^1000', '≈ 0'],
  ])('%s is %s', (expression, value) => {
    expect(said(expression)).toEqual(value);
  });

  interface Known {
    text: string;
    n: bigint;
    d: bigint;
  }

  /** Trees with their value, reckoned here in another way: crosswise, without lowest terms. */
  const { tree } = fc.letrec<{ tree: Known }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.nat(10_000).map((n) => ({ text: String(n), n: BigInt(n), d: 1n })),
      fc.nat(9_999).map((n) => ({
        text: `${Math.floor(n / 100)}.${String(n % 100).padStart(2, '0')}`,
        n: BigInt(n),
        d: 100n,
      })),
      fc.tuple(tie('tree'), fc.constantFrom('+', '-', '*', '/'), tie('tree')).map(combine),
      tie('tree').map(({ text, n, d }) => ({ text: `-(${text})`, n: -n, d })),
    ),
  }));

  function combine([a, sign, b]: [Known, string, Known]): Known {
    const text = `(${a.text}) ${sign} (${b.text})`;
    if (sign === '+') return { text, n: a.n * b.d + b.n * a.d, d: a.d * b.d };
    if (sign === '-') return { text, n: a.n * b.d - b.n * a.d, d: a.d * b.d };
    if (sign === '*') return { text, n: a.n * b.n, d: a.d * b.d };
    return { text, n: a.n * b.d, d: a.d * b.n };
  }

  test('is exact for every tree of + - * /', () => {
    fc.assert(
      fc.property(tree, ({ text, n, d }) => {
        const value = valueOf(text);
        // A divisor of zero inside makes no value; too large numbers are not exact.
        const exact = value && 'n' in value && d !== 0n;
        expect(exact ? value.n * d : n).toBe(exact ? n * value.d : n);
      }),
      { numRuns: RUNS },
    );
  });

  test('answers any text with a value or a sentence', () => {
    const bits = fc.constantFrom(
      '1',
      '2.5',
      '(',
      ')',
      '+',
      '-',
      '*',
      '/',
      '^',
      '%',
      ',',
      'sqrt',
      'mod',
      'pi',
      'e',
      ' ',
      '𝄞',
    );
    const texts = fc.oneof(
      fc.string(),
      fc.array(bits, { maxLength: 40, size: 'max' }).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        expect(said(text)).not.toBe('');
      }),
      { numRuns: RUNS * 5 },
    );
  });
});
