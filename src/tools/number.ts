/** Numbers of the calculator: fractions of whole numbers as long as that can be, else floating point. */

export type Value = { n: bigint; d: bigint } | { x: number };

/** The expression has no value. Its message is for the model. */
export class NoValue extends Error {
  override name = 'NoValue';
}

/** Larger fractions become floating point; within it both halves are finite as such. */
const MOST_BITS = 1_000n;
const LIMIT = 2n ** MOST_BITS;

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

export function toFloat(value: Value): number {
  return 'x' in value ? value.x : Number(value.n) / Number(value.d);
}

export function float(x: number): Value {
  if (Number.isNaN(x)) throw new NoValue('That is not a real number.');
  if (!Number.isFinite(x)) throw new NoValue('The result is too large.');
  return { x };
}

/** n/d in lowest terms with a positive denominator. */
export function fraction(n: bigint, d: bigint): Value {
  if (d === 0n) throw new NoValue('Division by zero.');
  const by = gcd(n, d < 0n ? -d : d) * (d < 0n ? -1n : 1n);
  return { n: n / by, d: d / by };
}

/** `exact` where both are fractions and the result is not too large, else `rough`. */
function either(
  [a, b]: [Value, Value],
  exact: (a: { n: bigint; d: bigint }, b: { n: bigint; d: bigint }) => Value,
  rough: (a: number, b: number) => number,
): Value {
  if ('n' in a && 'n' in b) {
    const made = exact(a, b);
    if ('n' in made && made.n < LIMIT && made.n > -LIMIT && made.d < LIMIT) return made;
  }
  return float(rough(toFloat(a), toFloat(b)));
}

export const add = (a: Value, b: Value): Value =>
  either(
    [a, b],
    (p, q) => fraction(p.n * q.d + q.n * p.d, p.d * q.d),
    (p, q) => p + q,
  );

export const subtract = (a: Value, b: Value): Value =>
  either(
    [a, b],
    (p, q) => fraction(p.n * q.d - q.n * p.d, p.d * q.d),
    (p, q) => p - q,
  );

export const multiply = (a: Value, b: Value): Value =>
  either(
    [a, b],
    (p, q) => fraction(p.n * q.n, p.d * q.d),
    (p, q) => p * q,
  );

export function divide(a: Value, b: Value): Value {
  if (toFloat(b) === 0) throw new NoValue('Division by zero.');
  return either(
    [a, b],
    (p, q) => fraction(p.n * q.d, p.d * q.n),
    (p, q) => p / q,
  );
}

function bits({ n, d }: { n: bigint; d: bigint }): number {
  const larger = (n < 0n ? -n : n) > d ? n : d;
  return larger.toString(2).length;
}

export function power(a: Value, b: Value): Value {
  const times = 'n' in b && b.d === 1n ? Number(b.n) : undefined;
  const fits = times !== undefined && 'n' in a && bits(a) * Math.abs(times) <= Number(MOST_BITS);
  if (!fits || times === undefined || !('n' in a)) return float(toFloat(a) ** toFloat(b));
  const to = BigInt(Math.abs(times));
  if (times >= 0) return { n: a.n ** to, d: a.d ** to };
  return fraction(a.d ** to, a.n ** to);
}

export function negate(value: Value): Value {
  return 'x' in value ? { x: -value.x } : { n: -value.n, d: value.d };
}

/** Rounded down. */
export function floor(value: Value): Value {
  if ('x' in value) return float(Math.floor(value.x));
  const down = value.n / value.d;
  return { n: value.n < 0n && value.n % value.d !== 0n ? down - 1n : down, d: 1n };
}

/** Of a whole number that is a square; undefined where it is none. */
function wholeRoot(n: bigint): bigint | undefined {
  if (n < 2n) return n;
  let x = BigInt(Math.floor(Math.sqrt(Number(n))));
  // Newton's steps, as floating point is not exact there.
  for (let step = 0; step < 20 && x > 0n; step += 1) x = (x + n / x) / 2n;
  return [x - 1n, x, x + 1n].find((it) => it * it === n);
}

export function squareRoot(value: Value): Value {
  if (toFloat(value) < 0) throw new NoValue('There is no real root of a negative number.');
  if ('n' in value) {
    const [n, d] = [wholeRoot(value.n), wholeRoot(value.d)];
    if (n !== undefined && d !== undefined) return { n, d };
  }
  return float(Math.sqrt(toFloat(value)));
}

const MOST_DECIMALS = 30;

/** Decimal digits of a fraction, cut after so many. */
function decimals(n: bigint, d: bigint, places: number): string {
  const scaled = ((n < 0n ? -n : n) * 10n ** BigInt(places)) / d;
  const text = scaled.toString().padStart(places + 1, '0');
  const whole = text.slice(0, text.length - places);
  const rest = text.slice(text.length - places).replace(/0+$/, '');
  return `${n < 0n ? '-' : ''}${whole}${rest === '' ? '' : `.${rest}`}`;
}

/** A value as text; what is not exact begins with ≈. */
export function show(value: Value): string {
  if ('x' in value) return `≈ ${value.x}`;
  const { n, d } = value;
  if (d === 1n) return n.toString();
  if (10n ** BigInt(MOST_DECIMALS) % d === 0n) return decimals(n, d, MOST_DECIMALS);
  const x = toFloat(value);
  const rough = Math.abs(x) < 1e-10 ? String(x) : decimals(n, d, 20);
  return `≈ ${rough} (${n}/${d})`;
}
