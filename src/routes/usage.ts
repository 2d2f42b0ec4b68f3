import type { UsageController } from '../controllers/usage.ts';
import type { Route } from '../http/route.ts';
import { usageQuerySchema, usageReportSchema } from '../http/usage-schemas.ts';

export function usageRoutes(usage: UsageController): Route[] {
  return [
    {
      access: 'user',
      tag: 'usage',
      method: 'get',
      path: '/api/usage',
      handle: usage.get,
      doc: {
        summary: 'What the caller has used of models',
        description: 'By day (UTC) and model, at most 100 days; with what is left of today.',
        query: usageQuerySchema,
        answers: { 200: { about: 'Days in their order.', body: usageReportSchema } },
      },
    },
  ];
}
