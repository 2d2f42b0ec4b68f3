import type Database from 'libsql';
import type {
  AppendRequest,
  AppendResult,
  LogInfo,
  LogPage,
  StoredEvent,
} from '../../stream/event-transport.ts';
import { decodeBatch } from '../log-batch.ts';
import { EMPTY_LOG, judgeAppend, ReadBudget } from '../log-rules.ts';
import { textOfKey } from '../key-text.ts';
import { all, first, integer, keyText, text, type Row } from './cells.ts';

/** Logs whose state is kept in memory; an evicted one costs a query. */
const CACHED_LOGS = 10_000;
/** Rows that one query of a read fetches. */
const READ_ROWS = 64;

interface Log {
  id: number;
  info: LogInfo;
}

function decode(row: Row): StoredEvent[] {
  const place = { first: integer(row, 'first_seq'), fence: integer(row, 'fence') };
  return decodeBatch(text(row, 'events'), place);
}

/**
 * The SQL of the event log, synchronous. The process has the file to itself, so the state of a log in memory is the
 * state in the file, and an append is an insert and an update without a query.
 */
export class LogTable {
  readonly #cache = new Map<string, Log>();
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Database.Database) {
    this.#sql = prepare(db);
  }

  info(generationId: string): LogInfo | undefined {
    return this.#find(generationId)?.info;
  }

  create(generationId: string): void {
    this.#sql.create.run([keyText(generationId)]);
  }

  /** Call within a transaction, and `forget` if it fails. */
  append(request: AppendRequest, encoded: string): AppendResult {
    const log = this.#find(request.generationId);
    const { result, next } = judgeAppend(log?.info, request, (after, limit) => {
      const range = { after, limit, maxBytes: Infinity };
      return this.read(request.generationId, range)?.events ?? [];
    });
    if (!log || !next) return result;
    if (next.head > log.info.head) {
      this.#sql.insert.run([log.id, request.expected + 1, next.head, request.fence, encoded]);
    }
    this.#save(log, next);
    return result;
  }

  /** Sets the fence of a log that is there. */
  fence(generationId: string, fence: number): void {
    const log = this.#find(generationId);
    if (log && log.info.fence !== fence) this.#save(log, { ...log.info, fence });
  }

  read(
    generationId: string,
    range: { after: number; limit: number; maxBytes: number },
  ): { events: StoredEvent[]; info: LogInfo } | undefined {
    const log = this.#find(generationId);
    if (!log) return undefined;
    const budget = new ReadBudget(range);
    let { after } = range;
    while (after < log.info.head && budget.left > 0) {
      const rows = all(this.#sql.read, [log.id, after, Math.min(READ_ROWS, budget.left)]);
      const from = after;
      const events = rows.flatMap(decode).filter(({ seq }) => seq > from);
      if (!events.every((event) => budget.take(event))) break;
      after = events.at(-1)?.seq ?? log.info.head;
    }
    return { events: budget.events, info: log.info };
  }

  /** Call within a transaction. */
  drop(generationId: string): void {
    const log = this.#find(generationId);
    if (!log) return;
    this.#sql.empty.run([log.id]);
    this.#sql.drop.run([log.id]);
    this.#cache.delete(generationId);
  }

  /** In the order in which they were made; `after` is a place in it. */
  list(after: number, limit: number): LogPage {
    const rows = all(this.#sql.list, [after, limit]);
    const last = rows.length === limit ? rows.at(-1) : undefined;
    return {
      generationIds: rows.map((row) => textOfKey(text(row, 'generation_id'))),
      cursor: last && String(integer(last, 'id')),
    };
  }

  /** What is in memory may not be what is in the file: a transaction was rolled back. */
  forget(): void {
    this.#cache.clear();
  }

  #save(log: Log, next: LogInfo): void {
    if (next === log.info) return;
    this.#sql.save.run([next.head, next.fence, next.closed ? 1 : 0, log.id]);
    log.info = next;
  }

  #find(generationId: string): Log | undefined {
    const known = this.#cache.get(generationId);
    if (known) return known;
    const row = first(this.#sql.find, [keyText(generationId)]);
    if (!row) return undefined;
    const log: Log = {
      id: integer(row, 'id'),
      info: {
        head: integer(row, 'head'),
        fence: integer(row, 'fence'),
        closed: integer(row, 'closed') === 1,
      },
    };
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined && this.#cache.size >= CACHED_LOGS) this.#cache.delete(oldest);
    this.#cache.set(generationId, log);
    return log;
  }
}

function prepare(db: Database.Database) {
  const { head, fence } = EMPTY_LOG;
  return {
    create: db.prepare(
      `INSERT INTO logs (generation_id, head, fence, closed) VALUES (?, ${head}, ${fence}, 0)
       ON CONFLICT (generation_id) DO NOTHING`,
    ),
    find: db.prepare('SELECT id, head, fence, closed FROM logs WHERE generation_id = ?'),
    save: db.prepare('UPDATE logs SET head = ?, fence = ?, closed = ? WHERE id = ?'),
    insert: db.prepare(
      'INSERT INTO log_batches (log_id, first_seq, last_seq, fence, events) VALUES (?, ?, ?, ?, ?)',
    ),
    read: db.prepare(
      `SELECT first_seq, fence, events FROM log_batches WHERE log_id = ? AND last_seq > ? ORDER BY last_seq LIMIT ?`,
    ),
    empty: db.prepare('DELETE FROM log_batches WHERE log_id = ?'),
    drop: db.prepare('DELETE FROM logs WHERE id = ?'),
    list: db.prepare('SELECT id, generation_id FROM logs WHERE id > ? ORDER BY id LIMIT ?'),
  };
}
