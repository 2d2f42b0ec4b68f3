/** A seeded generator (mulberry32), so that a failing run can be run again. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** In [low, high], both inclusive. */
  between(low: number, high: number): number;
  /** Spread over orders of magnitude: as many values below 10 as between 10 and 100. */
  logBetween(low: number, high: number): number;
  /** An independent generator. */
  fork(): Random;
}

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    logBetween: (low, high) => Math.floor(low * (high / low) ** next()),
    fork: () => seeded(Math.floor(next() * 2 ** 32)),
  };
}
