/** Objects and arrays within one another: LangChain reads no message with more than 50 of them from a checkpoint. */
export const MAX_ARGS_DEPTH = 30;

/** Do arguments stay the same in checkpoints, records and hashes? */
export function canBeKept(value: unknown, levels = MAX_ARGS_DEPTH): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  if (levels === 0) return false;
  return Object.entries(value).every(
    ([key, member]) => key !== '__proto__' && canBeKept(member, levels - 1),
  );
}
