import type Database from 'libsql';
import { WEBHOOK_EVENTS, type Outbox, type OutboxItem } from '../../hitl/approval-store.ts';
import type { Json } from '../../lib/json.ts';
import { all, integer, keyText, text, type Row } from './cells.ts';

function prepare(db: Database.Database) {
  return {
    put: db.prepare(
      `INSERT INTO outbox (item_id, event, created_at, next_at, payload) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (item_id) DO NOTHING`,
    ),
    due: db.prepare('SELECT * FROM outbox WHERE next_at <= ? ORDER BY created_at, ord LIMIT ?'),
    failed: db.prepare(
      `UPDATE outbox SET attempts = attempts + 1, next_at = ?
       WHERE item_id = ? AND next_at IS NOT NULL`,
    ),
    claim: db.prepare('UPDATE outbox SET next_at = ? WHERE item_id = ? AND next_at = ?'),
    over: db.prepare('UPDATE outbox SET next_at = NULL, payload = NULL WHERE item_id = ?'),
  };
}

/** The row was written by this program: its JSON is parsed, not checked again. */
function itemIn(row: Row): OutboxItem {
  const item: { id: string; payload: Json } = JSON.parse(text(row, 'payload'));
  const event = WEBHOOK_EVENTS.find((it) => it === row['event']);
  if (!event) throw new Error('column event holds no event');
  return {
    ...item,
    event,
    createdAt: integer(row, 'created_at'),
    attempts: integer(row, 'attempts'),
    nextAt: integer(row, 'next_at'),
  };
}

export function createSqliteOutbox({ db }: { db: Database.Database }): Outbox {
  const sql = prepare(db);

  return {
    async put({ id, event, createdAt, payload }) {
      // The id is part of the text, as a key column may hold it in another form.
      const item = JSON.stringify({ id, payload });
      sql.put.run([keyText(id), event, createdAt, createdAt, item]);
    },

    async due(now, limit) {
      return all(sql.due, [now, limit]).map(itemIn);
    },

    async claim({ id, nextAt }, until) {
      return sql.claim.run([until, keyText(id), nextAt]).changes > 0;
    },

    async delivered(id) {
      sql.over.run([keyText(id)]);
    },

    async failed(id, nextAt) {
      sql.failed.run([nextAt, keyText(id)]);
    },

    async givenUp(id) {
      sql.over.run([keyText(id)]);
    },
  };
}
