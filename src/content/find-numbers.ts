import { isDigit, isWordAt, type Finding } from './finding.ts';
import { ibanLength, isCard, isIban } from './numbers.ts';

/** Cards, IBANs and telephone numbers in texts. Each is one pass over the text with a bounded look ahead. */

/** Groups of digits that stand beside one another, with the same one character between them. */
interface Row {
  groups: { start: number; end: number; digits: string }[];
  /** Empty: there is one group. */
  separator: string;
}

const SEPARATORS = new Set([' ', '-', '.', '\u00a0']);

function groupAt(text: string, start: number): Row['groups'][number] {
  let end = start;
  while (isDigit(text[end])) end += 1;
  return { start, end, digits: text.slice(start, end) };
}

function rowAt(text: string, start: number): Row {
  let last = groupAt(text, start);
  const groups = [last];
  const separator = SEPARATORS.has(text.charAt(last.end)) ? text.charAt(last.end) : '';
  if (separator === '') return { groups, separator };
  while (text.charAt(last.end) === separator && isDigit(text[last.end + 1])) {
    last = groupAt(text, last.end + 1);
    groups.push(last);
  }
  return { groups, separator };
}

/** Rows of digits, each as long as it can be. A row ends where another separator begins. */
function* rows(text: string): Generator<Row> {
  let at = 0;
  while (at < text.length) {
    if (!isDigit(text[at])) {
      at += 1;
      continue;
    }
    const row = rowAt(text, at);
    yield row;
    at = row.groups.at(-1)?.end ?? at + 1;
  }
}

/** How cards are written in groups. */
const CARD_GROUPS = ['4-4-4-4', '4-4-4-4-3', '4-6-5', '4-6-4', '4-4-4-1', '4-5-6'].map((shape) =>
  shape.split('-').map(Number),
);
const LONGEST_CARD = 19;
const SHORTEST_CARD = 13;

/** A longer list of numbers of this length is a list, and no card in the middle of it. */
function continues(row: Row, at: number, length: number | undefined): boolean {
  return row.groups[at]?.digits.length === length;
}

function groupedCard(row: Row, from: number): number | undefined {
  const shape = CARD_GROUPS.find((lengths) => {
    const groups = row.groups.slice(from, from + lengths.length);
    const fits = lengths.every((length, i) => groups[i]?.digits.length === length);
    return fits && isCard(groups.map(({ digits }) => digits).join(''));
  });
  if (!shape) return undefined;
  const isList =
    continues(row, from - 1, shape[0]) || continues(row, from + shape.length, shape.at(-1));
  return isList ? undefined : shape.length;
}

function cardsIn(row: Row): { first: number; count: number }[] {
  const found: { first: number; count: number }[] = [];
  for (let at = 0; at < row.groups.length; at += 1) {
    const length = row.groups[at]?.digits.length ?? 0;
    const digits = row.groups[at]?.digits ?? '';
    const alone = length >= SHORTEST_CARD && length <= LONGEST_CARD && isCard(digits);
    const count = alone ? 1 : row.separator === '.' ? undefined : groupedCard(row, at);
    if (count === undefined) continue;
    found.push({ first: at, count });
    at += count - 1;
  }
  return found;
}

function spanOf(text: string, row: Row, { first, count }: { first: number; count: number }) {
  const start = row.groups[first]?.start ?? 0;
  const end = row.groups[first + count - 1]?.end ?? 0;
  const within = isWordAt(text, start - 1) || isWordAt(text, end) || text.charAt(start - 1) === '+';
  return within ? undefined : { start, end };
}

export function findCards(text: string): Finding[] {
  const found: Finding[] = [];
  for (const row of rows(text)) {
    for (const card of cardsIn(row)) {
      const span = spanOf(text, row, card);
      if (span) found.push({ kind: 'card', ...span });
    }
  }
  return found;
}

const IBAN_BEGINS = /[A-Za-z]{2}[0-9]{2}/g;

/** The end of the IBAN that begins here: all in one, or in groups of four with the same one character between. */
function ibanEnd(text: string, start: number): number | undefined {
  const length = ibanLength(text.slice(start, start + 2).toUpperCase());
  if (length === undefined) return undefined;
  const separator = /[ \u00a0-]/.test(text.charAt(start + 4)) ? text.charAt(start + 4) : '';
  let iban = '';
  let at = start;
  for (; iban.length < length; at += 1) {
    const isGap = separator !== '' && iban.length > 0 && iban.length % 4 === 0;
    if (isGap && text.charAt(at) !== separator) return undefined;
    if (isGap) at += 1;
    const char = text.charAt(at).toUpperCase();
    if (!/^[A-Z0-9]$/.test(char)) return undefined;
    iban += char;
  }
  return !isWordAt(text, at) && isIban(iban) ? at : undefined;
}

export function findIbans(text: string): Finding[] {
  const found: Finding[] = [];
  for (const { index: start } of text.matchAll(IBAN_BEGINS)) {
    if (isWordAt(text, start - 1) || start < (found.at(-1)?.end ?? 0)) continue;
    const end = ibanEnd(text, start);
    if (end !== undefined) found.push({ kind: 'iban', start, end });
  }
  return found;
}
