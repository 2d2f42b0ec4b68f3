import { AppError, notFound } from '../../src/errors.ts';
import type { ApprovalDetails, Approvals } from '../../src/hitl/approvals.ts';
import type { StandingRule } from '../../src/hitl/standing-rules.ts';
import type { Page, PageRequest } from '../../src/stream/conversation-store.ts';
import type { PendingAction } from '../../src/stream/pending-action.ts';
import { EPOCH } from './fake-clock.ts';

const at = new Date(EPOCH).toISOString();

export const ACTION: PendingAction = {
  kind: 'ask_user_question',
  actionId: 'act_1',
  revision: 1,
  generationId: 'gen_1',
  conversationId: 'conv_1',
  createdAt: at,
  expiresAt: null,
  questions: [{ id: 'q1', question: 'Which?' }],
};

export const RULE: StandingRule = {
  ruleId: 'rule_1',
  tool: 'mail',
  conditions: {},
  conversationId: null,
  agentId: 'demo',
  createdAt: at,
  actionId: 'act_1',
};

/** One action and one rule that belong to the user `ann`, or to whoever is the local one; records who asked. */
export class FakeApprovals implements Approvals {
  readonly calls: { name: keyof Approvals; by: object; args: unknown[] }[] = [];

  async pending(...[by, page]: Parameters<Approvals['pending']>): Promise<Page<PendingAction>> {
    this.calls.push({ name: 'pending', by, args: [page] });
    checkCursor(page);
    return { items: [ACTION], nextCursor: null };
  }

  async get(...[by, actionId]: Parameters<Approvals['get']>): Promise<ApprovalDetails> {
    this.calls.push({ name: 'get', by, args: [actionId] });
    if (actionId !== ACTION.actionId || !isOwner(by)) throw notFound('approval');
    const audit = [{ at, event: 'proposed' as const, by: null, client: null, details: {} }];
    return { action: ACTION, status: 'pending', audit };
  }

  async rules(...[by, page]: Parameters<Approvals['rules']>): Promise<Page<StandingRule>> {
    this.calls.push({ name: 'rules', by, args: [page] });
    checkCursor(page);
    return { items: [RULE], nextCursor: null };
  }

  async revokeRule(...[by, ruleId]: Parameters<Approvals['revokeRule']>): Promise<void> {
    this.calls.push({ name: 'revokeRule', by, args: [ruleId] });
    if (ruleId !== RULE.ruleId || !isOwner(by)) throw notFound('rule');
  }
}

function checkCursor({ cursor }: PageRequest): void {
  if (cursor !== undefined && !cursor.startsWith('page-')) {
    throw new AppError('INVALID_REQUEST', 'The cursor is not one of ours.');
  }
}

function isOwner({ userId }: { userId: string }): boolean {
  return userId === 'ann' || userId === 'local';
}
