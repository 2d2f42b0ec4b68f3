import type Database from 'libsql';
import type { Erasure, ErasureStore } from '../../user-data/erasure-store.ts';
import { all, keyText, text, type Row } from './cells.ts';

/** The record was written by this program together with its columns: it is parsed, not checked again. */
function erasureIn(row: Row): Erasure {
  const erasure: Erasure = JSON.parse(text(row, 'record'));
  return erasure;
}

export function createSqliteErasureStore({ db }: { db: Database.Database }): ErasureStore {
  const put = db.prepare(
    `INSERT INTO erasures (tenant_id, user_id, requested_at, record) VALUES (?, ?, ?, ?)
     ON CONFLICT (tenant_id, user_id) DO UPDATE SET
       requested_at = excluded.requested_at, record = excluded.record
       WHERE excluded.requested_at > requested_at`,
  );
  const list = db.prepare('SELECT record FROM erasures ORDER BY requested_at LIMIT ?');
  const remove = db.prepare(
    'DELETE FROM erasures WHERE tenant_id = ? AND user_id = ? AND requested_at <= ?',
  );
  return {
    async request(erasure) {
      const { owner, requestedAt } = erasure;
      const keys = [keyText(owner.tenantId), keyText(owner.userId)];
      put.run([...keys, requestedAt, JSON.stringify(erasure)]);
    },

    async pending(limit) {
      return all(list, [limit]).map(erasureIn);
    },

    async done({ owner, requestedAt }) {
      remove.run([keyText(owner.tenantId), keyText(owner.userId), requestedAt]);
    },
  };
}
