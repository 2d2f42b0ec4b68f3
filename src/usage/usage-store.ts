import type { Owner } from '../stream/owner.ts';
import type { TokenCount } from '../stream/message.ts';

/** Port: what users have used of models, by day (UTC). */

export interface UsageRecord {
  owner: Owner;
  /** `2026-11-21`. */
  day: string;
  /** `<generationId>/<fence>/<call>`: one call is counted once, however often it is added. */
  key: string;
  model: string;
  tokens: TokenCount;
  /** Millionths of the currency. */
  cost: number;
}

/** Sums of a day. */
export interface Used {
  /** Input and output. */
  tokens: number;
  /** Millionths of the currency. */
  cost: number;
}

export interface ModelDay {
  day: string;
  model: string;
  calls: number;
  tokens: TokenCount;
  /** Millionths of the currency. */
  cost: number;
}

export interface UsageStore {
  /** Idempotent by owner and key: the first one stands. Seen by every later `of`, on whatever replica. */
  add(record: UsageRecord): Promise<void>;
  of(owner: Owner, day: string): Promise<Used>;
  /** Days from `from` to `to`, both included, in their order; models by name. */
  list(owner: Owner, from: string, to: string): Promise<ModelDay[]>;
  deleteOwner(owner: Owner): Promise<void>;
  /** Deletes at most `limit` records of days before `day`, and says how many. */
  prune(day: string, limit: number): Promise<number>;
}
