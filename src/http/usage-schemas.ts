import { z } from 'zod';

/** Of docs/PROTOCOL.md section 6. */

const day = z.iso.date('must be a day such as 2026-11-21');

export const usageQuerySchema = z.object({
  from: day.optional().meta({ description: 'First day; 29 days before `to` where not given.' }),
  to: day.optional().meta({ description: 'Last day; today where not given.' }),
});

const tokens = z.number().int().nonnegative();
const cost = z.number().nonnegative();

export const usageReportSchema = z.object({
  from: z.string(),
  to: z.string(),
  currency: z.string(),
  items: z.array(
    z.object({
      day: z.string(),
      model: z.string(),
      calls: z.number().int().positive(),
      inputTokens: tokens,
      outputTokens: tokens,
      cacheRead: tokens,
      reasoning: tokens,
      cost,
    }),
  ),
  today: z.object({
    day: z.string(),
    tokens,
    cost,
    budget: z.object({ tokens: tokens.nullable(), cost: cost.nullable() }),
    resetsAt: z.string(),
  }),
});
