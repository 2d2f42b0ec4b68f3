/** Longest name that is compared, and most names that one is compared with: a fault must cost next to nothing. */
const MAX_LENGTH = 60;
const MAX_KNOWN = 200;

/** Edits between two words: characters put in, taken out or replaced. */
function distance(a: string, b: string): number {
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i += 1) {
    const row = [i + 1];
    for (let j = 1; j <= b.length; j += 1) {
      const [left = 0, above = 0, corner = 0] = [row[j - 1], last[j], last[j - 1]];
      row.push(Math.min(left + 1, above + 1, corner + (a[i] === b[j - 1] ? 0 : 1)));
    }
    last = row;
  }
  return last[b.length] ?? 0;
}

/** The known name that was probably meant. Two edits at most, and most of the word must be right. */
export function closest(name: string, known: Iterable<string>): string | undefined {
  const word = name.slice(0, MAX_LENGTH).toLowerCase();
  let best: { name: string; edits: number } | undefined;
  for (const each of [...known].slice(0, MAX_KNOWN)) {
    if (Math.abs(each.length - word.length) > 2) continue;
    const edits = distance(word, each.slice(0, MAX_LENGTH).toLowerCase());
    const near = edits <= Math.min(2, Math.floor(each.length / 3));
    if (near && edits < (best?.edits ?? 3)) best = { name: each, edits };
  }
  return best?.name;
}

/** `; did you mean 'search'?`, or what there is, or nothing. */
export function hint(name: string, known: Iterable<string>, what?: string): string {
  const names = [...known];
  const meant = closest(name, names);
  if (meant !== undefined) return `; did you mean '${meant}'?`;
  if (what === undefined || names.length === 0) return '';
  const some = names.slice(0, 10).join(', ');
  return `; ${what}: ${some}${names.length > 10 ? ', …' : ''}`;
}
