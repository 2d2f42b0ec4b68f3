import type { AppContext } from '../http/context.ts';
import type { UserCall } from '../http/route.ts';
import { usageQuerySchema } from '../http/usage-schemas.ts';
import { validate } from '../http/validate.ts';

/** What the caller has used of models. */
export function createUsageController({ usage }: Pick<AppContext, 'usage'>) {
  return {
    get: async ({ req, res, owner }: UserCall): Promise<void> => {
      res.json(await usage.of(owner, validate(usageQuerySchema, req.query)));
    },
  };
}

export type UsageController = ReturnType<typeof createUsageController>;
