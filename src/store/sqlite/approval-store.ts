import type Database from 'libsql';
import type {
  ApprovalRecord,
  ApprovalStatus,
  ApprovalStore,
  EndedApproval,
} from '../../hitl/approval-store.ts';
import { timePage, type TimeKey } from '../page-cursor.ts';
import { ApprovalTable } from './approval-table.ts';
import { RuleTable } from './rule-table.ts';

const keyAt = (after: EndedApproval | undefined): TimeKey =>
  after ? [after.createdAt, after.actionId] : ['', ''];

export function createSqliteApprovalStore({ db }: { db: Database.Database }): ApprovalStore {
  const approvals = new ApprovalTable(db);
  const rules = new RuleTable(db);

  const open = db.transaction((record: ApprovalRecord) => {
    const known = approvals.find(record.actionId);
    // Whoever decided may have been faster than who opens it.
    const status = known?.status ?? 'pending';
    if (known?.record || status === 'deleted') return;
    approvals.put(record.actionId, status, record);
    if (status === 'pending') approvals.show(record);
  });

  const close = db.transaction((actionId: string, status: ApprovalStatus) => {
    const known = approvals.find(actionId);
    if (known && known.status !== 'pending') return;
    approvals.put(actionId, status, known?.record);
    approvals.hide(actionId);
  });

  const forget = db.transaction((actionId: string) => approvals.forget(actionId));

  const remove = db.transaction((conversationId: string) => {
    approvals.deleteConversation(conversationId);
    rules.deleteConversation(conversationId);
  });

  return {
    async open(record) {
      open.immediate(record);
    },

    async close(actionId, status) {
      close.immediate(actionId, status);
    },

    async get(actionId) {
      return approvals.find(actionId)?.record;
    },

    async pending(viewer, page) {
      return timePage(page, (after, limit) => approvals.pending(viewer, after, limit), {
        item: (record) => record,
        key: ({ action, actionId }) => [action.createdAt, actionId],
      });
    },

    async addAudit(actionId, entryId, entry) {
      // No await in between: the connection is ours alone, so this is one step.
      if (approvals.find(actionId)?.status === 'deleted') return;
      approvals.addAudit(actionId, entryId, entry);
    },

    async audit(actionId) {
      return approvals.audit(actionId);
    },

    async addRule(owner, rule) {
      rules.insert(owner, rule);
    },

    async rulesOf(owner) {
      return rules.inForce(owner);
    },

    async rules(owner, page) {
      return timePage(page, (after, limit) => rules.list(owner, after, limit), {
        item: (rule) => rule,
        key: ({ createdAt, ruleId }) => [createdAt, ruleId],
      });
    },

    async deleteRules(owner) {
      rules.deleteAll(owner);
    },

    async revokeRule(owner, ruleId) {
      return rules.revoke(owner, ruleId);
    },

    async endedBefore(before, after, limit) {
      const ended = approvals.ended(before, keyAt(after), limit);
      return ended.map(({ actionId, generationId, action }) => {
        return { actionId, generationId, createdAt: action.createdAt };
      });
    },

    async proposedBefore(before, after, limit) {
      const all = approvals.proposed(before, keyAt(after), limit);
      return all.map(({ actionId, generationId, conversationId, action }) => {
        return { actionId, generationId, conversationId, createdAt: action.createdAt };
      });
    },

    async forget(actionId) {
      forget.immediate(actionId);
    },

    async deleteConversation(conversationId) {
      remove.immediate(conversationId);
    },
  };
}
