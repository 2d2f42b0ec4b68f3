import type Database from 'libsql';
import type {
  ApprovalRecord,
  ApprovalStatus,
  AuditEntry,
  Viewer,
} from '../../hitl/approval-store.ts';
import type { TimeKey } from '../page-cursor.ts';
import { all, first, keyText, text, type Row, type SqlValue } from './cells.ts';

/** What is known of an approval; without a record it ended before it was opened, or was deleted. */
export interface KnownApproval {
  status: ApprovalStatus | 'deleted';
  record: ApprovalRecord | undefined;
}

/** Records were written by this program together with their columns: they are parsed, not checked again. */
function approvalIn(row: Row): ApprovalRecord {
  const record: ApprovalRecord = JSON.parse(text(row, 'record'));
  return record;
}

function auditIn(row: Row): AuditEntry {
  const entry: AuditEntry = JSON.parse(text(row, 'record'));
  return entry;
}

const STATUSES = ['pending', 'decided', 'expired', 'aborted', 'superseded', 'deleted'] as const;

function statusIn(row: Row): KnownApproval['status'] {
  const status = STATUSES.find((it) => it === row['status']);
  if (!status) throw new Error('column status holds no status');
  return status;
}

const VISIBLE = `SELECT DISTINCT created_at AS seen_at, action_id AS seen FROM approval_audience
  WHERE tenant_id = ? AND member IN (SELECT value FROM json_each(?))`;
const NEWEST_FIRST = 'ORDER BY seen_at DESC, seen DESC';
const pendingSql = (place: string): string =>
  `SELECT record FROM (${VISIBLE} ${place} ${NEWEST_FIRST} LIMIT ?) JOIN approvals ON action_id = seen ${NEWEST_FIRST}`;

const beforeSql = (which: string): string =>
  `SELECT record FROM approvals WHERE record IS NOT NULL ${which}
     AND json_extract(record, '$.action.createdAt') <= ?
     AND (json_extract(record, '$.action.createdAt'), action_id) > (?, ?)
   ORDER BY json_extract(record, '$.action.createdAt'), action_id LIMIT ?`;

const OF_CONVERSATION =
  'SELECT action_id FROM approvals WHERE conversation_id = ? AND record IS NOT NULL';

function prepare(db: Database.Database) {
  return {
    find: db.prepare('SELECT status, record FROM approvals WHERE action_id = ?'),
    put: db.prepare(
      'REPLACE INTO approvals (action_id, conversation_id, status, record) VALUES (?, ?, ?, ?)',
    ),
    show: db.prepare(
      'INSERT INTO approval_audience (tenant_id, member, created_at, action_id) VALUES (?, ?, ?, ?)',
    ),
    hide: db.prepare('DELETE FROM approval_audience WHERE action_id = ?'),
    pending: db.prepare(pendingSql('')),
    pendingAfter: db.prepare(pendingSql('AND (created_at, action_id) < (?, ?)')),
    addAudit: db.prepare(
      `INSERT INTO approval_audit (action_id, entry_id, at, record) VALUES (?, ?, ?, ?)
       ON CONFLICT (action_id, entry_id) DO NOTHING`,
    ),
    audit: db.prepare('SELECT record FROM approval_audit WHERE action_id = ? ORDER BY at, ord'),
    ended: db.prepare(beforeSql(`AND status <> 'pending'`)),
    proposed: db.prepare(beforeSql('')),
    dropTrail: db.prepare('DELETE FROM approval_audit WHERE action_id = ?'),
    buryOne: db.prepare(
      `REPLACE INTO approvals (action_id, conversation_id, status, record) VALUES (?, '', 'deleted', NULL)`,
    ),
    hideAll: db.prepare(`DELETE FROM approval_audience WHERE action_id IN (${OF_CONVERSATION})`),
    dropAudit: db.prepare(`DELETE FROM approval_audit WHERE action_id IN (${OF_CONVERSATION})`),
    bury: db.prepare(
      `UPDATE approvals SET status = 'deleted', conversation_id = '', record = NULL
       WHERE conversation_id = ? AND record IS NOT NULL`,
    ),
  };
}

const asUser = (userId: string): string => `user:${keyText(userId)}`;
const asRole = (role: string): string => `role:${keyText(role)}`;

/** The SQL of approvals and their audit trails: synchronous. */
export class ApprovalTable {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Database.Database) {
    this.#sql = prepare(db);
  }

  find(actionId: string): KnownApproval | undefined {
    const row = first(this.#sql.find, [keyText(actionId)]);
    if (!row) return undefined;
    return { status: statusIn(row), record: row['record'] === null ? undefined : approvalIn(row) };
  }

  put(actionId: string, status: ApprovalStatus, record: ApprovalRecord | undefined): void {
    const place = [keyText(actionId), keyText(record?.conversationId ?? '')];
    this.#sql.put.run([...place, status, record ? JSON.stringify({ ...record, status }) : null]);
  }

  show({ actionId, owner, approverRoles, action }: ApprovalRecord): void {
    const members = [asUser(owner.userId), ...approverRoles.map(asRole)];
    for (const member of new Set(members)) {
      this.#sql.show.run([keyText(owner.tenantId), member, action.createdAt, keyText(actionId)]);
    }
  }

  hide(actionId: string): void {
    this.#sql.hide.run([keyText(actionId)]);
  }

  pending(viewer: Viewer, after: TimeKey | undefined, limit: number): ApprovalRecord[] {
    const members = [asUser(viewer.userId), ...viewer.roles.map(asRole)];
    const who: SqlValue[] = [keyText(viewer.tenantId), JSON.stringify(members)];
    const rows = after
      ? all(this.#sql.pendingAfter, [...who, after[0], keyText(after[1]), limit])
      : all(this.#sql.pending, [...who, limit]);
    return rows.map(approvalIn);
  }

  addAudit(actionId: string, entryId: string, entry: AuditEntry): void {
    const record = JSON.stringify(entry);
    this.#sql.addAudit.run([keyText(actionId), keyText(entryId), entry.at, record]);
  }

  audit(actionId: string): AuditEntry[] {
    return all(this.#sql.audit, [keyText(actionId)]).map(auditIn);
  }

  ended(before: string, [at, id]: TimeKey, limit: number): ApprovalRecord[] {
    return all(this.#sql.ended, [before, at, keyText(id), limit]).map(approvalIn);
  }

  proposed(before: string, [at, id]: TimeKey, limit: number): ApprovalRecord[] {
    return all(this.#sql.proposed, [before, at, keyText(id), limit]).map(approvalIn);
  }

  /** Only the id stays. */
  forget(actionId: string): void {
    const key = [keyText(actionId)];
    this.#sql.hide.run(key);
    this.#sql.dropTrail.run(key);
    this.#sql.buryOne.run(key);
  }

  /** Only the ids stay, so that nothing of it can come back. */
  deleteConversation(conversationId: string): void {
    const key = [keyText(conversationId)];
    this.#sql.hideAll.run(key);
    this.#sql.dropAudit.run(key);
    this.#sql.bury.run(key);
  }
}
