import type Database from 'libsql';
import type { Job } from '../../stream/job.ts';
import { dueAt } from '../job-due.ts';
import { all, first, keyText, text, type Row, type SqlValue, type Statement } from './cells.ts';

const ACTIVE = `lane = 'active' AND status <> 'finished'`;
const IN_QUEUE = `status = 'queued' AND lane = 'active'`;

/** The oldest business first, whatever its kind: none can starve another. */
const DUE = `
  SELECT record FROM jobs JOIN (
    SELECT ord AS place, due_at AS since FROM jobs WHERE due_at IS NOT NULL AND due_at <= ?1
    UNION ALL
    SELECT ord, queued_at FROM jobs AS behind WHERE status = 'queued' AND lane = 'waiting' AND NOT EXISTS
      (SELECT 1 FROM jobs WHERE conversation_id = behind.conversation_id AND ${ACTIVE})
    ORDER BY since, place LIMIT ?2
  ) ON ord = place ORDER BY since, place`;

const QUERIES = {
  insert: `INSERT INTO jobs (status, lane, version, queued_at, due_at, finished_at, record,
    generation_id, conversation_id, tenant_id, user_id, idempotency_key)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  replace: `UPDATE jobs SET status = ?, lane = ?, version = ?, queued_at = ?, due_at = ?, finished_at = ?, record = ?
    WHERE generation_id = ? AND version = ?`,
  byId: 'SELECT record FROM jobs WHERE generation_id = ?',
  byKey: `SELECT record FROM jobs WHERE generation_id = (
    SELECT generation_id FROM jobs WHERE idempotency_key = ?1
    UNION ALL SELECT generation_id FROM job_steers WHERE idempotency_key = ?1)`,
  othersWithKey: `SELECT count(*) AS n FROM (
    SELECT generation_id AS id FROM jobs WHERE idempotency_key = ?1
    UNION ALL SELECT generation_id FROM job_steers WHERE idempotency_key = ?1) WHERE id <> ?2`,
  steer: 'INSERT OR IGNORE INTO job_steers (idempotency_key, generation_id) VALUES (?, ?)',
  atVersion: 'SELECT count(*) AS n FROM jobs WHERE generation_id = ? AND version = ?',
  activeOf: `SELECT record FROM jobs WHERE conversation_id = ? AND ${ACTIVE}`,
  slotsOf: `SELECT count(*) AS n FROM jobs
    WHERE tenant_id = ? AND user_id = ? AND status <> 'finished' AND status IN ('queued', 'running')`,
  liveOf: `SELECT record FROM jobs WHERE conversation_id = ? AND status <> 'finished' ORDER BY lane <> 'active', ord`,
  latestOf: 'SELECT record FROM jobs WHERE conversation_id = ? ORDER BY ord DESC LIMIT 1',
  allOf: 'SELECT record FROM jobs WHERE conversation_id = ? ORDER BY ord',
  liveByOwner: `SELECT record FROM jobs
    WHERE tenant_id = ? AND user_id = ? AND status <> 'finished' ORDER BY ord LIMIT ?`,
  claimable: `SELECT record FROM jobs WHERE ${IN_QUEUE} ORDER BY queued_at, generation_id LIMIT ?`,
  position: `SELECT count(*) AS n FROM jobs AS ahead JOIN
    (SELECT queued_at AS at, generation_id AS id FROM jobs WHERE generation_id = ? AND ${IN_QUEUE})
    WHERE ahead.status = 'queued' AND ahead.lane = 'active' AND (ahead.queued_at, ahead.generation_id) <= (at, id)`,
  due: DUE,
  logs: `SELECT record FROM jobs
    WHERE finished_at IS NOT NULL AND log_dropped = 0 AND finished_at <= ? ORDER BY finished_at, ord LIMIT ?`,
  logDropped: `UPDATE jobs SET log_dropped = 1 WHERE generation_id = ? AND status = 'finished'`,
  deleteSteers: `DELETE FROM job_steers
    WHERE generation_id IN (SELECT generation_id FROM jobs WHERE conversation_id = ?)`,
  deleteConversation: 'DELETE FROM jobs WHERE conversation_id = ?',
  leased: `SELECT record FROM jobs WHERE status IN ('running', 'finalizing', 'paused')
    AND json_extract(record, '$.lease') IS NOT NULL`,
} as const;

export type JobQuery = keyof typeof QUERIES;

/** The record was written by this program in the same transaction as its columns: it is parsed, not checked again. */
export function jobIn(row: Row): Job {
  const job: Job = JSON.parse(text(row, 'record'));
  return job;
}

/** The columns that change with the record, in the order of `insert` and `replace`. */
function changing(job: Job): SqlValue[] {
  return [
    job.status,
    job.lane,
    job.version,
    job.status === 'queued' ? job.queuedAt : null,
    dueAt(job),
    job.status === 'finished' ? job.finishedAt : null,
    JSON.stringify(job),
  ];
}

/** The SQL of the job store: synchronous, one prepared statement a query. */
export class JobTable {
  readonly #statements = new Map<JobQuery, Statement>();
  readonly #db: Database.Database;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  insert(job: Job): void {
    const { generationId, conversationId, owner, idempotencyKey } = job;
    const keys = [generationId, conversationId, owner.tenantId, owner.userId, idempotencyKey];
    this.#prepared('insert').run([...changing(job), ...keys.map(keyText)]);
  }

  /** False: the record has another version, or is gone. */
  replace(next: Job, expected: number): boolean {
    const place = [keyText(next.generationId), expected];
    return this.#prepared('replace').run([...changing(next), ...place]).changes > 0;
  }

  run(query: JobQuery, params: SqlValue[]): void {
    this.#prepared(query).run(params);
  }

  one(query: JobQuery, params: SqlValue[]): Job | undefined {
    const row = first(this.#prepared(query), params);
    return row && jobIn(row);
  }

  many(query: JobQuery, params: SqlValue[]): Job[] {
    return all(this.#prepared(query), params).map(jobIn);
  }

  count(query: JobQuery, params: SqlValue[]): number {
    return Number(first(this.#prepared(query), params)?.['n'] ?? 0);
  }

  #prepared(query: JobQuery): Statement {
    const known = this.#statements.get(query);
    if (known) return known;
    const statement = this.#db.prepare(QUERIES[query]);
    this.#statements.set(query, statement);
    return statement;
  }
}
