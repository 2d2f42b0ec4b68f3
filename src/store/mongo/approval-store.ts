import type { ApprovalStore, EndedApproval } from '../../hitl/approval-store.ts';
import { keyText } from '../key-text.ts';
import { pageOf, placeOf, type TimeKey } from '../page-cursor.ts';
import { ApprovalCollection } from './approval-collection.ts';
import { APPROVAL_DOCUMENT_INDEXES } from './approval-document.ts';
import { GRAVE_INDEXES, Graves } from './approval-graves.ts';
import type { MongoConnection } from './connection.ts';
import type { IndexSpec } from './indexes.ts';
import { RULE_INDEXES, RuleCollection } from './rule-collection.ts';

/** To be ensured before the store is used. */
export const APPROVAL_INDEXES: readonly IndexSpec[] = [
  ...APPROVAL_DOCUMENT_INDEXES,
  ...RULE_INDEXES,
  ...GRAVE_INDEXES,
];

const keyAt = (after: EndedApproval | undefined): TimeKey | undefined =>
  after && [after.createdAt, keyText(after.actionId)];

/**
 * A document for each approval with its trail, and for each rule; every write is atomic in one of them. A conversation
 * that was deleted has a grave first; then its approvals become tombstones and its rules go. What comes later, also an
 * approval that nobody knew of, goes the same way. Graves and tombstones are kept for 30 days, revoked rules for good.
 */
export function createMongoApprovalStore({ mongo }: { mongo: MongoConnection }): ApprovalStore {
  const approvals = new ApprovalCollection(mongo);
  const rules = new RuleCollection(mongo);
  const graves = new Graves(mongo);

  return {
    async open(record) {
      const id = keyText(record.actionId);
      const conversation = keyText(record.conversationId);
      if (!(await graves.has(conversation))) await approvals.open(id, record);
      if (await graves.has(conversation)) await approvals.bury(id);
    },

    async close(actionId, status) {
      await approvals.close(keyText(actionId), status);
    },

    async get(actionId) {
      return approvals.get(keyText(actionId));
    },

    async pending(viewer, page) {
      const rows = await approvals.pending(viewer, placeOf(page), page.limit + 1);
      return pageOf(rows, page.limit, {
        item: (record) => record,
        key: ({ action, actionId }) => [action.createdAt, actionId],
      });
    },

    async addAudit(actionId, entryId, entry) {
      await approvals.addAudit(keyText(actionId), entryId, entry);
    },

    async audit(actionId) {
      return approvals.audit(keyText(actionId));
    },

    async addRule(owner, rule) {
      const { conversationId, ruleId } = rule;
      if (conversationId === null) return rules.insert(owner, rule);
      const conversation = keyText(conversationId);
      if (await graves.has(conversation)) return;
      await rules.insert(owner, rule);
      if (await graves.has(conversation)) await rules.remove(owner, ruleId);
    },

    async rulesOf(owner) {
      return rules.inForce(owner);
    },

    async rules(owner, page) {
      const rows = await rules.list(owner, placeOf(page), page.limit + 1);
      return pageOf(rows, page.limit, {
        item: (rule) => rule,
        key: ({ createdAt, ruleId }) => [createdAt, ruleId],
      });
    },

    async deleteRules(owner) {
      await rules.removeOf(owner);
    },

    async revokeRule(owner, ruleId) {
      return rules.revoke(owner, ruleId);
    },

    async endedBefore(before, after, limit) {
      const ended = await approvals.before(before, keyAt(after), { limit, ended: true });
      return ended.map(({ actionId, generationId, action }) => {
        return { actionId, generationId, createdAt: action.createdAt };
      });
    },

    async proposedBefore(before, after, limit) {
      const all = await approvals.before(before, keyAt(after), { limit, ended: false });
      return all.map(({ actionId, generationId, conversationId, action }) => {
        return { actionId, generationId, conversationId, createdAt: action.createdAt };
      });
    },

    async forget(actionId) {
      await approvals.bury(keyText(actionId));
    },

    async deleteConversation(conversationId) {
      const conversation = keyText(conversationId);
      await graves.dig(conversation);
      await approvals.buryAll(conversation);
      await rules.removeAll(conversation);
    },
  };
}
