import { type Reconnect, resumableFetch } from '../../client/resumable-fetch.ts';
import { startCuttingProxy } from './proxy.ts';
import { seeded } from './random.ts';

/** A line to the server that is cut so many times, and the fetch that gets through it all the same. */
export interface CutThrough {
  /** For the client under test. */
  baseUrl: string;
  fetch: typeof fetch;
  /** Connections that were cut. */
  cuts: () => number;
  reconnects: Reconnect[];
  close: () => Promise<void>;
}

/** Behind any head of an answer of ours: a POST that is cut before is the app's to repeat, as with any fetch. */
const BEHIND_HEAD = 3_000;

/**
 * Connections are cut by resets and by FINs, at any byte: those of GETs also within and before the head, those of
 * POSTs within the stream. After `cuts` of them the line is whole.
 */
export async function startCutThrough(options: {
  baseUrl: string;
  cuts: number;
  seed?: number;
}): Promise<CutThrough> {
  const { baseUrl, cuts, seed = 20_261_121 } = options;
  const random = seeded(seed);
  const gets = await startCuttingProxy({
    baseUrl,
    random: random.fork(),
    split: true,
    budget: (at) =>
      made() >= cuts ? Infinity : (at.next() < 0.3 ? 0 : 900) + at.logBetween(1, 1_500),
  });
  const posts = await startCuttingProxy({
    baseUrl,
    random: random.fork(),
    budget: (at) => (made() >= cuts ? Infinity : BEHIND_HEAD + at.logBetween(1, 1_000)),
  });
  const made = (): number =>
    [gets, posts].reduce((sum, { cuts: { reset, clean } }) => sum + reset + clean, 0);
  const reconnects: Reconnect[] = [];
  const routed: typeof fetch = (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const get = (init?.method ?? 'GET').toUpperCase() === 'GET';
    return fetch(get ? url.replace(posts.baseUrl, gets.baseUrl) : url, init);
  };
  return {
    baseUrl: posts.baseUrl,
    fetch: resumableFetch({
      fetch: routed,
      maxRetryMs: 2,
      attempts: 100,
      onReconnect: (reconnect) => reconnects.push(reconnect),
    }),
    cuts: made,
    reconnects,
    close: async () => {
      await Promise.all([gets.close(), posts.close()]);
    },
  };
}
