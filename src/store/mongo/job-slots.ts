/**
 * The limit of jobs per owner, without a transaction. An inserted job takes a number from 0 to max - 1, which a unique
 * index over (owner, number) grants only once. A job that returns from a pause takes none, as it is never refused; it
 * makes one number fewer to be had.
 *
 * A number is chosen among the first `max - used` free ones. Whoever inserts at the same time, on whatever replica,
 * chooses from the same ones (or, after a release, from those and one more), so together they can't pass the limit. It
 * is passed only where a job returns from a pause between the read and the write of an insert, by that job.
 */

/** Contenders spread over so many numbers more with each try. */
const SPREAD = 8;

/**
 * The number to try, or undefined where the limit is reached. `used` has an entry for each job that uses a slot:
 * its number, or undefined. `chance` is from [0, 1).
 */
export function slotToTry(
  used: readonly (number | undefined)[],
  max: number,
  { attempt, chance }: { attempt: number; chance: number },
): number | undefined {
  const left = max - used.length;
  if (left <= 0) return undefined;
  const wanted = Math.floor(chance * Math.min(left, 1 + attempt * SPREAD));
  return nthFree(new Set(used), wanted);
}

function nthFree(used: ReadonlySet<number | undefined>, n: number): number {
  let left = n;
  for (let number = 0; ; number += 1) {
    if (used.has(number)) continue;
    if (left === 0) return number;
    left -= 1;
  }
}
