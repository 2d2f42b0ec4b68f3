import { isDigit, isWordAt, type Finding } from './finding.ts';

/** Telephone numbers in texts: each begins at a sign of its own, and is looked at for a few characters. */

/** Where one may begin: with a plus or 00 and a country, or with a zero and an area. */
const BEGINS = /(?:\+|00)[1-9]|\(?0[1-9]/g;
/** Of North America: three, three and four digits, always with something between. */
const NORTH_AMERICAN =
  /(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}/g;
/** A date looks like a number with a leading zero. */
const DATE = /^0[1-9][ ./-][0-9]{2}[ ./-][0-9]{4}/;

/** Digits, those of the country included: E.164 has at most 15; a plus says more than a zero. */
const INTERNATIONAL = { least: 7, most: 15 };
const NATIONAL = { least: 9, most: 13 };
/** Behind so many digits a space ends a number: what follows is another one. */
const WHOLE = 12;
const MAX_GAP = 3;

const isSpace = (char: string): boolean => char === ' ' || char === '\u00a0';
const isGap = (char: string): boolean => isSpace(char) || /[./()-]/.test(char);

/** Nothing that goes on as a number, a sum or a name on either side. */
function standsAlone(text: string, start: number, end: number): boolean {
  const before = text.charAt(start - 1);
  if (isWordAt(text, start - 1) || isWordAt(text, end)) return false;
  if (/[+#]/.test(before)) return false;
  // In the middle of a row of groups, such as an account's.
  if (isSpace(before) && /[0-9]{3}/.test(text.slice(Math.max(0, start - 4), start - 1)))
    return false;
  if (/[.,/=:-]/.test(before) && isWordAt(text, start - 2)) return false;
  return !(/[.,/=:-]/.test(text.charAt(end)) && isDigit(text[end + 1]));
}

interface Group {
  /** Digits up to and with it. */
  digits: number;
  end: number;
}

/** Ends of the groups of digits from here on, as long as the number may be. */
function groupsFrom(text: string, start: number, most: number): Group[] {
  const groups: Group[] = [];
  let digits = 0;
  let gap = 0;
  for (let at = start; at < text.length && digits <= most && gap <= MAX_GAP; at += 1) {
    const char = text.charAt(at);
    if (isDigit(char)) {
      digits += 1;
      gap = 0;
      if (!isDigit(text[at + 1])) groups.push({ digits, end: at + 1 });
    } else if (isGap(char)) gap += 1;
    else if (char !== '+') break;
  }
  return groups.filter((group) => group.digits <= most);
}

/** Undefined: no number begins here. */
function phoneEnd(text: string, start: number): number | undefined {
  const rule = /^(?:\+|00)/.test(text.slice(start, start + 2)) ? INTERNATIONAL : NATIONAL;
  const groups = groupsFrom(text, start, rule.most).filter(({ digits }) => digits >= rule.least);
  const whole = groups.find(({ digits, end }) => digits >= WHOLE && isSpace(text.charAt(end)));
  const ends = [...(whole ? [whole] : []), ...groups.toReversed()];
  return ends.find(({ end }) => standsAlone(text, start, end))?.end;
}

export function findPhones(text: string): Finding[] {
  const found: Finding[] = [];
  for (const { index: start } of text.matchAll(BEGINS)) {
    if (start < (found.at(-1)?.end ?? 0) || DATE.test(text.slice(start, start + 10))) continue;
    const end = phoneEnd(text, start);
    if (end !== undefined) found.push({ kind: 'phone', start, end });
  }
  const others = Array.from(text.matchAll(NORTH_AMERICAN), ({ index: start, 0: { length } }) => {
    return { kind: 'phone' as const, start, end: start + length };
  });
  const alone = others.filter(({ start, end }) => standsAlone(text, start, end));
  return [...found, ...alone].toSorted((a, b) => a.start - b.start);
}
