import {
  add,
  divide,
  float,
  floor,
  fraction,
  multiply,
  negate,
  NoValue,
  power,
  squareRoot,
  subtract,
  toFloat,
  type Value,
} from './number.ts';

/** The calculator's language: + - * / ^ ( ), percent, functions and constants. Evaluated as it is read; no `eval`. */

const DEEPEST = 100;

const ONE: Value = { n: 1n, d: 1n };
const HALF: Value = { n: 1n, d: 2n };
const HUNDRED: Value = { n: 100n, d: 1n };

const CONSTANTS: Readonly<Record<string, number>> = { pi: Math.PI, e: Math.E };

function isNegative(value: Value): boolean {
  return 'x' in value ? value.x < 0 : value.n < 0n;
}

function less(a: Value, b: Value): boolean {
  return isNegative(subtract(a, b));
}

/** Halves away from zero. */
function round(value: Value, places: Value): Value {
  const scale = power({ n: 10n, d: 1n }, places);
  const scaled = multiply(value, scale);
  const up = isNegative(scaled)
    ? negate(floor(add(negate(scaled), HALF)))
    : floor(add(scaled, HALF));
  return divide(up, scale);
}

const rough =
  (of: (x: number) => number) =>
  (a: Value): Value =>
    float(of(toFloat(a)));

type Fn = { least: number; most: number; of: (...args: [Value, ...Value[]]) => Value };

const one = (of: (a: Value) => Value): Fn => ({ least: 1, most: 1, of });
const many = (of: Fn['of']): Fn => ({ least: 1, most: 100, of });

const FUNCTIONS: ReadonlyMap<string, Fn> = new Map([
  ['sqrt', one(squareRoot)],
  ['abs', one((a) => (isNegative(a) ? negate(a) : a))],
  ['floor', one(floor)],
  ['ceil', one((a) => negate(floor(negate(a))))],
  ['round', { least: 1, most: 2, of: (a, places = { n: 0n, d: 1n }) => round(a, places) }],
  ['mod', { least: 2, most: 2, of: (a, b = ONE) => subtract(a, multiply(b, floor(divide(a, b)))) }],
  ['min', many((...all) => all.reduce((a, b) => (less(b, a) ? b : a)))],
  ['max', many((...all) => all.reduce((a, b) => (less(a, b) ? b : a)))],
  ['ln', one(rough(Math.log))],
  ['log', one(rough(Math.log10))],
  ['log2', one(rough(Math.log2))],
  ['exp', one(rough(Math.exp))],
  ['sin', one(rough(Math.sin))],
  ['cos', one(rough(Math.cos))],
  ['tan', one(rough(Math.tan))],
  ['asin', one(rough(Math.asin))],
  ['acos', one(rough(Math.acos))],
  ['atan', one(rough(Math.atan))],
]);

type Token = { kind: 'number' | 'name' | 'sign' | 'end'; text: string };

const TOKEN = /\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|([a-zA-Z]\w*)|(\*\*|[-+*/^(),%×÷−]))/y;
const SIGNS: Readonly<Record<string, string>> = { '**': '^', '×': '*', '÷': '/', '−': '-' };

function tokens(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (text.slice(at).trim() !== '') {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (!match) throw new NoValue(`'${text.slice(at).trim().slice(0, 20)}' can not be read.`);
    const [, number, name, sign = ''] = match;
    if (number !== undefined) found.push({ kind: 'number', text: number });
    else if (name === undefined) found.push({ kind: 'sign', text: SIGNS[sign] ?? sign });
    else found.push({ kind: 'name', text: name.toLowerCase() });
    at = TOKEN.lastIndex;
  }
  return found;
}

/** What is written with a decimal point is exactly that many tenths. */
function numberOf(text: string): Value {
  const [mantissa = '0', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '0', rest = ''] = mantissa.split('.');
  const shift = Number(exponent) - rest.length;
  if (Math.abs(shift) > 250 || whole.length > 250) return float(Number(text));
  const n = BigInt(`${whole}${rest}` || '0');
  return shift >= 0 ? fraction(n * 10n ** BigInt(shift), 1n) : fraction(n, 10n ** BigInt(-shift));
}

class Reader {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#tokens = tokens(text);
  }

  whole(): Value {
    const value = this.#sum();
    const { kind, text } = this.#next;
    if (kind !== 'end') throw new NoValue(`'${text}' stands where nothing more is wanted.`);
    return value;
  }

  get #next(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: 'the end' };
  }

  #takes(...signs: string[]): string | undefined {
    const { kind, text } = this.#next;
    if (kind !== 'sign' || !signs.includes(text)) return undefined;
    this.#at += 1;
    return text;
  }

  #sum(): Value {
    let value = this.#product();
    for (let sign = this.#takes('+', '-'); sign; sign = this.#takes('+', '-')) {
      const other = this.#product();
      value = sign === '+' ? add(value, other) : subtract(value, other);
    }
    return value;
  }

  #product(): Value {
    let value = this.#signed();
    for (let sign = this.#takes('*', '/'); sign; sign = this.#takes('*', '/')) {
      const other = this.#signed();
      value = sign === '*' ? multiply(value, other) : divide(value, other);
    }
    return value;
  }

  /** Below powers: -2^2 is -4. */
  #signed(): Value {
    this.#depth += 1;
    if (this.#depth > DEEPEST) throw new NoValue('The expression is too deep.');
    const sign = this.#takes('+', '-');
    const value = sign ? this.#signed() : this.#power();
    this.#depth -= 1;
    return sign === '-' ? negate(value) : value;
  }

  #power(): Value {
    let base = this.#atom();
    while (this.#takes('%')) base = divide(base, HUNDRED);
    return this.#takes('^') ? power(base, this.#signed()) : base;
  }

  #atom(): Value {
    const { kind, text } = this.#next;
    this.#at += 1;
    if (kind === 'number') return numberOf(text);
    if (kind === 'name') return this.#named(text);
    if (text !== '(')
      throw new NoValue(`A number is missing before ${text === 'the end' ? text : `'${text}'`}.`);
    const value = this.#sum();
    if (!this.#takes(')')) throw new NoValue("A ')' is missing.");
    return value;
  }

  #named(name: string): Value {
    const constant = Object.hasOwn(CONSTANTS, name) ? CONSTANTS[name] : undefined;
    if (constant !== undefined) return float(constant);
    const fn = FUNCTIONS.get(name);
    if (!fn)
      throw new NoValue(`'${name}' is not known. Functions: ${[...FUNCTIONS.keys()].join(', ')}.`);
    if (!this.#takes('(')) throw new NoValue(`'${name}' wants its arguments in ( ).`);
    const args: [Value, ...Value[]] = [this.#sum()];
    while (this.#takes(',')) args.push(this.#sum());
    if (!this.#takes(')')) throw new NoValue("A ')' is missing.");
    if (args.length < fn.least || args.length > fn.most)
      throw new NoValue(`'${name}' does not take ${args.length} arguments.`);
    return fn.of(...args);
  }
}

/** Throws NoValue with a sentence. */
export function evaluate(text: string): Value {
  return new Reader(text).whole();
}
