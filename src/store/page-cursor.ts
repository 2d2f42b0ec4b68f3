import { AppError } from '../errors.ts';
import type { Json } from '../lib/json.ts';
import type { Page, PageRequest } from '../stream/conversation-store.ts';

/**
 * Cursors of pages name the last row that was seen, not a count of rows, so they survive inserts and vanished rows.
 * Clients get them as opaque text.
 */
export function encodeCursor(key: Json[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** The key in `cursor`, or INVALID_REQUEST if `isKey` does not recognise it. */
export function decodeCursor<K>(cursor: string, isKey: (key: unknown) => key is K): K {
  const key = parsed(Buffer.from(cursor, 'base64url').toString());
  // Node's base64 skips what it does not know; only the text that was handed out counts.
  if (isKey(key) && Buffer.from(JSON.stringify(key)).toString('base64url') === cursor) return key;
  throw new AppError('INVALID_REQUEST', 'The cursor is not one of this list.', {
    details: { key: 'cursor' },
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A SyntaxError: it is no cursor, which the caller says.
    return undefined;
  }
}

/** A page from one row more than was asked for: that there is one is how the last page is known. */
export function pageOf<R, T>(
  rows: R[],
  limit: number,
  as: { item: (row: R) => T; key: (row: R) => Json[] },
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return {
    items: shown.map((row) => as.item(row)),
    nextCursor: more ? encodeCursor(as.key(last)) : null,
  };
}

/** Place of a row in a list that is sorted by id. */
export function isIdKey(key: unknown): key is [id: string] {
  return Array.isArray(key) && key.length === 1 && typeof key[0] === 'string';
}

/** Place of a row in a list that is sorted by time: newest first, ties by id. */
export type TimeKey = [at: string, id: string];

function isTimeKey(key: unknown): key is TimeKey {
  return Array.isArray(key) && key.length === 2 && key.every((item) => typeof item === 'string');
}

/** The place in such a list after which a page begins; undefined: it is the first. */
export function placeOf({ cursor }: Pick<PageRequest, 'cursor'>): TimeKey | undefined {
  return cursor === undefined ? undefined : decodeCursor(cursor, isTimeKey);
}

/** A page of such a list. `rows` gives at most `limit` of them that come after a place, or the first ones. */
export function timePage<R, T>(
  page: PageRequest,
  rows: (after: TimeKey | undefined, limit: number) => R[],
  as: { item: (row: R) => T; key: (row: R) => TimeKey },
): Page<T> {
  return pageOf(rows(placeOf(page), page.limit + 1), page.limit, as);
}
