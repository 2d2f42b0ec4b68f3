import type { ConfigFile } from '../config/file/schema.ts';
import type { JsonObject } from '../lib/json.ts';
import { MICRO } from './pricing.ts';
import type { Used } from './usage-store.ts';

/** What a user may use in a day; pure. */

export type Budget = ConfigFile['budget'];

export interface Exceeded {
  kind: 'tokens' | 'cost';
  /** Tokens, or units of the currency. */
  limit: number;
  used: number;
}

export function isLimited({ tokens, cost }: Budget): boolean {
  return tokens !== undefined || cost !== undefined;
}

/** Undefined: something is left. */
export function exceeded({ tokens, cost }: Budget, used: Used): Exceeded | undefined {
  if (tokens !== undefined && used.tokens >= tokens) {
    return { kind: 'tokens', limit: tokens, used: used.tokens };
  }
  if (cost !== undefined && used.cost >= Math.round(cost * MICRO)) {
    return { kind: 'cost', limit: cost, used: used.cost / MICRO };
  }
  return undefined;
}

/** As an error's details. `resetsAt`: epoch ms. */
export function refusalDetails(
  { kind, limit, used }: Exceeded,
  { currency, resetsAt }: { currency: string; resetsAt: number },
): JsonObject {
  const unit = kind === 'cost' ? { currency } : {};
  return { kind, limit, used, ...unit, resetsAt: new Date(resetsAt).toISOString() };
}
