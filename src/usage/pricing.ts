import type { ConfigFile } from '../config/file/schema.ts';
import type { TokenCount } from '../stream/message.ts';

export type Prices = ConfigFile['prices'];

/** Millionths of a currency's unit. */
export const MICRO = 1_000_000;
/** Less than this is noise of binary fractions, not money. */
const NOISE = 1e-6;

/**
 * Millionths of the currency, rounded up; undefined: the model has no price. Prices are per million tokens, so a token
 * costs as many millionths as a million of them cost units.
 */
export function costOf(prices: Prices, model: string, tokens: TokenCount): number | undefined {
  const price = (Object.hasOwn(prices, model) ? prices[model] : undefined) ?? prices['*'];
  if (!price) return undefined;
  const cached = Math.min(tokens.cacheRead, tokens.inputTokens);
  const exact =
    (tokens.inputTokens - cached) * price.input +
    cached * (price.cacheRead ?? price.input) +
    tokens.outputTokens * price.output;
  return Math.max(0, Math.ceil(exact - NOISE));
}

const DAY = 86_400_000;

/** The day (UTC) of a moment, and when it ends. Epoch ms. */
export function dayOf(now: number): { day: string; endsAt: number } {
  return {
    day: new Date(now).toISOString().slice(0, 10),
    endsAt: (Math.floor(now / DAY) + 1) * DAY,
  };
}

/** The day so many days before. */
export function daysBefore(now: number, days: number): string {
  return dayOf(now - days * DAY).day;
}
