import { notFound } from '../errors.ts';
import type { AppContext } from '../http/context.ts';
import { pageOf } from '../http/page.ts';
import { personOf } from '../http/person.ts';
import { pathParam } from '../http/route.ts';
import type { UserCall } from '../http/route.ts';
import { ID_PATTERN } from '../http/schemas.ts';

/** What waits for people, what they decided, and the standing rules they made. */
export function createApprovalController({ approvals }: Pick<AppContext, 'approvals'>) {
  return {
    list: async (call: UserCall): Promise<void> => {
      call.res.json(await approvals.pending(personOf(call), pageOf(call.req)));
    },

    get: async (call: UserCall): Promise<void> => {
      const id = pathParam(call.req, 'actionId');
      if (!ID_PATTERN.test(id)) throw notFound('approval');
      call.res.json(await approvals.get(personOf(call), id));
    },

    rules: async ({ req, res, owner }: UserCall): Promise<void> => {
      res.json(await approvals.rules(owner, pageOf(req)));
    },

    revoke: async (call: UserCall): Promise<void> => {
      const id = pathParam(call.req, 'ruleId');
      if (!ID_PATTERN.test(id)) throw notFound('rule');
      await approvals.revokeRule(personOf(call), id);
      call.res.status(204).end();
    },
  };
}

export type ApprovalController = ReturnType<typeof createApprovalController>;
