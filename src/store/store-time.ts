/** An answer of the store's clock is gone on from for so long, ms. */
const FRESH_MS = 1_000;

/**
 * The clock of a store without a round trip each time: its last answer, and what a local clock that only runs forward
 * (`performance.now`) has measured since. An answer counts from its arrival, so this is never ahead of the store: no
 * lease is taken for over before it is. Rejects where the store is out of reach and the last answer is old.
 */
export function storeTime(
  ask: () => Promise<number>,
  elapsed: () => number = () => performance.now(),
): () => Promise<number> {
  let known: { at: number; answer: number } | undefined;
  let asking: Promise<number> | undefined;

  async function refresh(): Promise<number> {
    const answer = await ask();
    known = { at: elapsed(), answer };
    return answer;
  }

  return async () => {
    const since = known ? elapsed() - known.at : Infinity;
    if (known && since < FRESH_MS) return known.answer + Math.floor(since);
    asking ??= refresh().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}
