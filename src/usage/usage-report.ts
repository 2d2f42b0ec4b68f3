import type { LiveFile } from '../config/file/live.ts';
import { AppError } from '../errors.ts';
import type { Owner } from '../stream/owner.ts';
import { dayOf, daysBefore, MICRO } from './pricing.ts';
import type { UsageStore } from './usage-store.ts';

/** Days that one report may have. */
const MAX_DAYS = 100;
/** Days where nothing is asked for. */
const DEFAULT_DAYS = 30;
const DAY = 86_400_000;

export interface UsageQuery {
  /** `2026-11-21`, a day that there is. */
  from?: string | undefined;
  to?: string | undefined;
}

export interface UsageReport {
  from: string;
  to: string;
  currency: string;
  /** Costs in units of the currency. */
  items: {
    day: string;
    model: string;
    calls: number;
    inputTokens: number;
    outputTokens: number;
    cacheRead: number;
    reasoning: number;
    cost: number;
  }[];
  today: {
    day: string;
    tokens: number;
    cost: number;
    /** Null: there is no such limit. */
    budget: { tokens: number | null; cost: number | null };
    resetsAt: string;
  };
}

/** What users may know of their own usage. */
export interface UsageReports {
  /** Rejects with INVALID_REQUEST where the range is none, or too long. */
  of(owner: Owner, query: UsageQuery): Promise<UsageReport>;
}

export interface UsageReportsDeps {
  store: Pick<UsageStore, 'of' | 'list'>;
  file: LiveFile;
  /** The store's clock, epoch ms. */
  now: () => Promise<number>;
}

function daysIn(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / DAY + 1;
}

export function createUsageReports({ store, file, now }: UsageReportsDeps): UsageReports {
  return {
    async of(owner, query) {
      const at = await now();
      const { day: today, endsAt } = dayOf(at);
      const to = query.to ?? today;
      const from = query.from ?? daysBefore(Date.parse(to), DEFAULT_DAYS - 1);
      const days = daysIn(from, to);
      if (days < 1 || days > MAX_DAYS) {
        throw new AppError('INVALID_REQUEST', `From 1 to ${MAX_DAYS} days can be asked for.`, {
          details: { from, to },
        });
      }
      const [rows, used] = await Promise.all([store.list(owner, from, to), store.of(owner, today)]);
      const { currency, budget } = file.current;
      return {
        from,
        to,
        currency,
        items: rows.map(({ day, model, calls, tokens, cost }) => {
          return { day, model, calls, ...tokens, cost: cost / MICRO };
        }),
        today: {
          day: today,
          tokens: used.tokens,
          cost: used.cost / MICRO,
          budget: { tokens: budget.tokens ?? null, cost: budget.cost ?? null },
          resetsAt: new Date(endsAt).toISOString(),
        },
      };
    },
  };
}
