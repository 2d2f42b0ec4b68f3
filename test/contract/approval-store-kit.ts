import type {
  ApprovalRecord,
  ApprovalStore,
  AuditEntry,
  Viewer,
} from '../../src/hitl/approval-store.ts';
import type { StandingRule } from '../../src/hitl/standing-rules.ts';
import { C, iso, OWNER } from './conversation-store-kit.ts';

/** What the parts of the approval store suite share. */

/** The store of the running test. */
export interface UnderTest {
  readonly store: ApprovalStore;
}

export const ALL = { limit: 100, cursor: undefined };
export const NOBODY: Viewer = { tenantId: 'tenant', userId: 'nobody', roles: [] };

export const viewer = (userId: string, ...roles: string[]): Viewer => ({
  tenantId: 'tenant',
  userId,
  roles,
});

/** A pending approval of `tenant/user`, made at `ms`. */
export function anApproval(
  actionId: string,
  over: Partial<ApprovalRecord> & { ms?: number } = {},
): ApprovalRecord {
  const { ms = 0, ...rest } = over;
  const conversationId = over.conversationId ?? C;
  return {
    actionId,
    generationId: 'gen_1',
    conversationId,
    owner: OWNER,
    approverRoles: [],
    fourEyes: false,
    status: 'pending',
    action: {
      kind: 'ask_user_question',
      actionId,
      revision: 1,
      generationId: 'gen_1',
      conversationId,
      createdAt: iso(ms),
      expiresAt: null,
      questions: [{ id: 'q', question: 'Which one?' }],
    },
    ...rest,
  };
}

export function anEntry(over: Partial<AuditEntry> = {}): AuditEntry {
  return { at: iso(0), event: 'proposed', by: null, client: null, details: {}, ...over };
}

export function aRule(ruleId: string, over: Partial<StandingRule> = {}): StandingRule {
  return {
    ruleId,
    tool: 'mcp:mail:*',
    conditions: { to: 'ann@example.com', tags: ['a', null, 1.5] },
    conversationId: null,
    agentId: 'demo',
    createdAt: iso(0),
    actionId: 'act',
    ...over,
  };
}

export const actionIds = (records: ApprovalRecord[]): string[] =>
  records.map(({ actionId }) => actionId);
export const ruleIds = (rules: StandingRule[]): string[] => rules.map(({ ruleId }) => ruleId);
/** Ids that a store of text could take for each other. */
export const ODD = [
  'a\u0000b',
  'a',
  '\ud800',
  '\udfff',
  '"a"',
  "'; DROP TABLE approvals; --",
  '🐙',
];
