import type { ApprovalController } from '../controllers/approvals.ts';
import type { Route } from '../http/route.ts';
import {
  approvalPageSchema,
  approvalSchema,
  pageQuerySchema,
  rulePageSchema,
} from '../http/schemas.ts';

const kind = { access: 'user', tag: 'approvals' } as const;

export function approvalRoutes(approvals: ApprovalController): Route[] {
  return [
    {
      ...kind,
      method: 'get',
      path: '/api/approvals',
      handle: approvals.list,
      doc: {
        summary: 'Pending actions that the caller owns or may decide',
        query: pageQuerySchema,
        answers: { 200: { about: 'Newest first, only live ones.', body: approvalPageSchema } },
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/api/approvals/:actionId',
      handle: approvals.get,
      doc: {
        summary: 'An action with its audit trail',
        description: 'Also after its end. What was proposed, approved and executed is kept apart.',
        answers: {
          200: {
            about: 'The action, how it stands, and its trail, oldest first.',
            body: approvalSchema,
          },
        },
        errors: ['NOT_FOUND'],
      },
    },
    {
      ...kind,
      method: 'get',
      path: '/api/approval-rules',
      handle: approvals.rules,
      doc: {
        summary: "The caller's standing rules",
        description: 'Made by `scope` on a decision. They never override a policy that denies.',
        query: pageQuerySchema,
        answers: { 200: { about: 'Newest first, those in force.', body: rulePageSchema } },
      },
    },
    {
      ...kind,
      method: 'delete',
      path: '/api/approval-rules/:ruleId',
      handle: approvals.revoke,
      doc: {
        summary: 'Revoke a standing rule',
        answers: { 204: { about: 'The next call is asked for again.' } },
        errors: ['NOT_FOUND'],
      },
    },
  ];
}
