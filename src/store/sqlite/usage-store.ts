import type Database from 'libsql';
import type { Owner } from '../../stream/owner.ts';
import type { ModelDay, UsageStore } from '../../usage/usage-store.ts';
import { all, first, integer, keyText, text, type Row } from './cells.ts';

const TABLE = `
  CREATE TABLE IF NOT EXISTS usage_calls (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    call_key TEXT NOT NULL,
    day TEXT NOT NULL,
    model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, user_id, call_key)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS usage_calls_by_day ON usage_calls
    (tenant_id, user_id, day, model, input_tokens, output_tokens, cost);
  CREATE INDEX IF NOT EXISTS usage_calls_old ON usage_calls (day);
`;

const OF_OWNER = 'tenant_id = ? AND user_id = ?';

function prepare(db: Database.Database) {
  return {
    add: db.prepare(
      `INSERT INTO usage_calls (tenant_id, user_id, call_key, day, model,
         input_tokens, output_tokens, cache_read, reasoning, cost)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    ),
    of: db.prepare(
      `SELECT coalesce(sum(input_tokens + output_tokens), 0) AS tokens, coalesce(sum(cost), 0) AS cost
       FROM usage_calls WHERE ${OF_OWNER} AND day = ?`,
    ),
    list: db.prepare(
      `SELECT day, model, count(*) AS calls, sum(input_tokens) AS input_tokens,
         sum(output_tokens) AS output_tokens, sum(cache_read) AS cache_read,
         sum(reasoning) AS reasoning, sum(cost) AS cost
       FROM usage_calls WHERE ${OF_OWNER} AND day BETWEEN ? AND ?
       GROUP BY day, model ORDER BY day, model`,
    ),
    deleteOwner: db.prepare(`DELETE FROM usage_calls WHERE ${OF_OWNER}`),
    prune: db.prepare(
      `DELETE FROM usage_calls WHERE (tenant_id, user_id, call_key) IN
         (SELECT tenant_id, user_id, call_key FROM usage_calls WHERE day < ? LIMIT ?)`,
    ),
  };
}

const keysOf = ({ tenantId, userId }: Owner): string[] => [keyText(tenantId), keyText(userId)];

function dayIn(row: Row): ModelDay {
  return {
    day: text(row, 'day'),
    model: text(row, 'model'),
    calls: integer(row, 'calls'),
    tokens: {
      inputTokens: integer(row, 'input_tokens'),
      outputTokens: integer(row, 'output_tokens'),
      cacheRead: integer(row, 'cache_read'),
      reasoning: integer(row, 'reasoning'),
    },
    cost: integer(row, 'cost'),
  };
}

/** A row for each call; sums are made of an index when they are asked for. */
export function createSqliteUsageStore({ db }: { db: Database.Database }): UsageStore {
  db.exec(TABLE);
  const sql = prepare(db);

  return {
    async add({ owner, key, day, model, tokens, cost }) {
      const { inputTokens, outputTokens, cacheRead, reasoning } = tokens;
      const counts = [inputTokens, outputTokens, cacheRead, reasoning, cost];
      sql.add.run([...keysOf(owner), keyText(key), day, model, ...counts]);
    },

    async of(owner, day) {
      const row = first(sql.of, [...keysOf(owner), day]);
      return row
        ? { tokens: integer(row, 'tokens'), cost: integer(row, 'cost') }
        : { tokens: 0, cost: 0 };
    },

    async list(owner, from, to) {
      return all(sql.list, [...keysOf(owner), from, to]).map(dayIn);
    },

    async deleteOwner(owner) {
      sql.deleteOwner.run(keysOf(owner));
    },

    async prune(day, limit) {
      return sql.prune.run([day, limit]).changes;
    },
  };
}
