/** What the demo agent says to `say <count> <pause> <word>`. */
export function saying(word: string, count: number): string {
  return Array.from({ length: count }, (_, n) => `${word}${n + 1}`).join(' ');
}

/** How often each word is there: `a 2, b 1`. */
export function tally(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${word} ${count}`).join(', ');
}

/** The largest; 0 of none. */
export function most(numbers: readonly number[]): number {
  return Math.max(0, ...numbers);
}
