import type Database from 'libsql';
import type { StandingRule } from '../../hitl/standing-rules.ts';
import type { Owner } from '../../stream/job.ts';
import type { TimeKey } from '../page-cursor.ts';
import { all, first, keyText, text, type Row } from './cells.ts';

/** The record was written by this program together with its columns: it is parsed, not checked again. */
function ruleIn(row: Row): StandingRule {
  const rule: StandingRule = JSON.parse(text(row, 'record'));
  return rule;
}

const IN_FORCE =
  'SELECT record FROM approval_rules WHERE tenant_id = ? AND user_id = ? AND revoked = 0';
const NEWEST_FIRST = 'ORDER BY created_at DESC, rule_id DESC LIMIT ?';

function prepare(db: Database.Database) {
  return {
    insert: db.prepare(
      `INSERT INTO approval_rules (tenant_id, user_id, rule_id, conversation_id, created_at, record)
       VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant_id, user_id, rule_id) DO NOTHING`,
    ),
    oldestFirst: db.prepare(`${IN_FORCE} ORDER BY created_at, rule_id`),
    list: db.prepare(`${IN_FORCE} ${NEWEST_FIRST}`),
    listAfter: db.prepare(`${IN_FORCE} AND (created_at, rule_id) < (?, ?) ${NEWEST_FIRST}`),
    revoke: db.prepare(
      `UPDATE approval_rules SET revoked = 1
       WHERE tenant_id = ? AND user_id = ? AND rule_id = ? AND revoked = 0 RETURNING record`,
    ),
    deleteAll: db.prepare('DELETE FROM approval_rules WHERE tenant_id = ? AND user_id = ?'),
    deleteConversation: db.prepare('DELETE FROM approval_rules WHERE conversation_id = ?'),
  };
}

const keysOf = ({ tenantId, userId }: Owner): string[] => [keyText(tenantId), keyText(userId)];

/** The SQL of standing rules: synchronous. A revoked one stays, so that its id is not used again. */
export class RuleTable {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Database.Database) {
    this.#sql = prepare(db);
  }

  insert(owner: Owner, rule: StandingRule): void {
    const { ruleId, conversationId, createdAt } = rule;
    const place = conversationId === null ? null : keyText(conversationId);
    const keys = [...keysOf(owner), keyText(ruleId), place, createdAt];
    this.#sql.insert.run([...keys, JSON.stringify(rule)]);
  }

  inForce(owner: Owner): StandingRule[] {
    return all(this.#sql.oldestFirst, keysOf(owner)).map(ruleIn);
  }

  list(owner: Owner, after: TimeKey | undefined, limit: number): StandingRule[] {
    const rows = after
      ? all(this.#sql.listAfter, [...keysOf(owner), after[0], keyText(after[1]), limit])
      : all(this.#sql.list, [...keysOf(owner), limit]);
    return rows.map(ruleIn);
  }

  revoke(owner: Owner, ruleId: string): StandingRule | undefined {
    const row = first(this.#sql.revoke, [...keysOf(owner), keyText(ruleId)]);
    return row && ruleIn(row);
  }

  deleteAll(owner: Owner): void {
    this.#sql.deleteAll.run(keysOf(owner));
  }

  deleteConversation(conversationId: string): void {
    this.#sql.deleteConversation.run([keyText(conversationId)]);
  }
}
