import type Database from 'libsql';

export { keyText } from '../key-text.ts';

/**
 * Typed access to rows. Parameters go in as one array: libsql takes a lone `null` or object for named parameters, and
 * aborts the process on a boolean, which is why `SqlValue` has none.
 */
export type SqlValue = string | number | null;
export type Statement = Database.Statement;
export type Row = Readonly<Record<string, unknown>>;

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null;
}

export function first(statement: Statement, params: SqlValue[]): Row | undefined {
  const row = statement.get(params);
  return isRow(row) ? row : undefined;
}

export function all(statement: Statement, params: SqlValue[]): Row[] {
  return statement.all(params).filter(isRow);
}

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new Error(`column ${column} holds no text`);
  return value;
}

export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw new Error(`column ${column} holds no number`);
  return value;
}
