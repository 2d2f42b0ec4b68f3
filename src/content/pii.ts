import { findEmails, findIps } from './find-addresses.ts';
import { findCards, findIbans } from './find-numbers.ts';
import { findPhones } from './find-phones.ts';
import type { Finding, PiiKind } from './finding.ts';

/** What belongs to persons, found by its form; pure, and linear in the length of the text. */

/** In the order in which they are believed where two are found in one place. */
const FINDERS: readonly (readonly [PiiKind, (text: string) => Finding[]])[] = [
  ['email', findEmails],
  ['iban', findIbans],
  ['card', findCards],
  ['ip', findIps],
  ['phone', findPhones],
];

/** Left to right; none overlaps another. */
export function findPii(text: string, kinds: ReadonlySet<PiiKind>): Finding[] {
  const taken: Finding[] = [];
  for (const [kind, find] of FINDERS) {
    if (!kinds.has(kind)) continue;
    const found = find(text).toSorted((a, b) => a.start - b.start);
    taken.splice(0, taken.length, ...withoutOverlaps(taken, found));
  }
  return taken;
}

/** Both sorted: those of `first` win, and of `second` the one that begins first. */
function withoutOverlaps(first: readonly Finding[], second: readonly Finding[]): Finding[] {
  const merged: Finding[] = [];
  let next = 0;
  for (const finding of second) {
    for (let other = first[next]; other && other.end <= finding.start; other = first[next]) {
      merged.push(other);
      next += 1;
    }
    const ahead = first[next];
    const isFree = !ahead || ahead.start >= finding.end;
    if (isFree && (merged.at(-1)?.end ?? 0) <= finding.start) merged.push(finding);
  }
  return [...merged, ...first.slice(next)];
}

/** `[email]` and so on in the place of each. Left to right, without overlaps. */
export function mask(text: string, findings: readonly Finding[]): string {
  const pieces: string[] = [];
  let at = 0;
  for (const { kind, start, end } of findings) {
    pieces.push(text.slice(at, start), `[${kind}]`);
    at = end;
  }
  return pieces.join('') + text.slice(at);
}
